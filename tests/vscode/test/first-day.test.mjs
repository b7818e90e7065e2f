// @ts-check
/** From an empty profile to requests that are answered, and on to the first mistakes. */

import assert from "node:assert/strict";
import { ask } from "../driver/client.mjs";
import { addKeys, chooseMode, copyToken, editSettings, key } from "../driver/deeds.mjs";
import { story } from "../driver/story.mjs";

story("the first day", { name: "first-day" }, async ({ editor, window, fake, step }) => {
  let token = "";

  await step("a new profile is asked for a key, quietly", async () => {
    await window.waitStatus("Gemini: add a key");
    assert.deepEqual(await window.status(), { text: "Gemini: add a key", icon: "key", colour: "none" });
    assert.deepEqual(await window.toasts(), []);
    const tooltip = await window.tooltip("Endpoint");
    assert.match(tooltip, new RegExp(`Endpoint: ${editor.endpoint}`));
    await window.screenshot("1-new");
  });

  await step("what is no key is refused while it is typed", async () => {
    await window.command("Gemini: Add API Keys");
    await window.waitQuick("Add API Keys");
    await window.screenshot("2-add");
    await window.type("abc");
    await window.message.filter({ hasText: "1 too short" }).waitFor();
    await window.screenshot("3-too-short");
    await window.escape();
  });

  await step("two keys are added in one paste and tested", async () => {
    await addKeys(window, key(1), key(2), key(1));
    assert.deepEqual(await window.status(), { text: "Gemini: local · 2 keys", icon: "cloud", colour: "none" });
    await window.screenshot("4-added");
  });

  await step("a client with the access token gets its answer at the endpoint", async () => {
    token = await copyToken(window);
    const refused = await ask(editor.endpoint, "some-other-key");
    assert.equal(refused.status, 401);
    const answer = await ask(editor.endpoint, token);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("x-forwarded-to"), "local");
    const seen = (await fake.seen()).find(({ target }) => target.includes(":generateContent"));
    assert.equal(seen?.key, key(1));
  });

  await step("the log has a line for the request, without the key", async () => {
    const lines = await window.output(/status=200.*attempts=1/);
    await window.screenshot("5-log");
    assert.match(lines.join("\n"), /egress=local/);
  });

  await step("the status tells of the key that was used", async () => {
    await window.command("Gemini: Show Status");
    await window.row(/1 request/).waitFor();
    await window.screenshot("6-status");
    assert.match((await window.rowTexts()).join("\n"), new RegExp(`Endpoint: ${editor.endpoint}`));
    await window.escape();
  });

  await step("another mode is chosen, and told in the status bar", async () => {
    await chooseMode(window, "hybrid");
    await window.waitStatus("hybrid 0/0");
    assert.equal(editor.profile.readSettings()["geminiAggregator.deploymentMode"], "hybrid");
    await window.screenshot("7-hybrid");
    await chooseMode(window, "local");
    await window.waitStatus("local · 2 keys");
  });

  await step("settings that cannot be are named, and the last good ones stay", async () => {
    await window.clearToasts();
    await editSettings(window, editor.profile, { "geminiAggregator.maxAttempts": "many", "geminiAggregator.requestTimeout": 5 });
    await window.waitToast(/maxAttempts/);
    await window.waitToast(/1,000 to 3,600,000/);
    await window.screenshot("8-invalid");
    assert.equal((await window.status()).icon, "warning");
    assert.equal((await ask(editor.endpoint, token)).status, 200);
    await editSettings(window, editor.profile, { "geminiAggregator.maxAttempts": undefined, "geminiAggregator.requestTimeout": undefined });
    await window.page.locator('.statusbar-item[id*="geminiAggregator.status"] .codicon-cloud').waitFor();
  });

  await step("no secret is in a log, a file or a console", async () => {
    assert.deepEqual(editor.leaks([key(1), key(2), token]), []);
  });
});
