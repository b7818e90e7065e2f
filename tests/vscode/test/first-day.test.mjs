// @ts-check
/** From an empty profile to requests that are answered, and on to the first mistakes. */

import assert from "node:assert/strict";
import { ask } from "../driver/client.mjs";
import { addKeys, chooseMode, copyToken, editSettings, key, setLogLevel } from "../driver/deeds.mjs";
import { story } from "../driver/story.mjs";
import { until } from "../driver/until.mjs";

story("the first day", { name: "first-day" }, async ({ editor, window, fake, step }) => {
  let token = "";

  await step("a new profile is asked for a key, quietly", async () => {
    await window.waitStatus("Gemini: add a key");
    assert.deepEqual(await window.status(), { text: "Gemini: add a key", icon: "key", colour: "none" });
    assert.deepEqual(await window.toasts(), []);
    const tooltip = await window.tooltip("Endpoint");
    assert.match(tooltip, new RegExp(`Endpoint: ${editor.endpoint}`));
    await window.screenshots("1-new");
  });

  await step("what is no key is refused while it is typed", async () => {
    await window.command("Gemini: Add API Keys");
    await window.waitQuick("Add API Keys");
    await window.screenshot("2-add");
    await window.type("abc");
    await window.message.filter({ hasText: "That is too short for a key." }).waitFor();
    await window.screenshots("3-too-short");
    await window.escape();
  });

  await step("two keys are added in one paste and tested", async () => {
    await addKeys(window, key(1), key(2), key(1));
    assert.deepEqual(await window.status(), { text: "Gemini: local · 2 keys", icon: "cloud", colour: "none" });
    await window.screenshots("4-added");
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
    const lines = await window.output(/status=200.*egress=local/);
    await window.screenshots("5-log");
    assert.match(lines.join("\n"), /attempts=1/);
  });

  await step("the channel's level reaches the program that runs", async () => {
    const before = editor.profile.log();
    assert.doesNotMatch(before, /\[debug\] attempt/);
    await setLogLevel(window, "Debug");
    // The notification and the request go by different ways.
    await until(
      async () => {
        await ask(editor.endpoint, token);
        return editor.profile.log();
      },
      (log) => /\[debug\] attempt .*verdict=deliver/.test(log),
    );
    await setLogLevel(window, "Info");
  });

  await step("the status tells of the keys, and each row does something", async () => {
    await window.command("Gemini: Show Status");
    await window.row(/0001: ready; \d+ requests? today/).waitFor();
    await window.screenshots("6-status");
    await window.pick(new RegExp(`Endpoint: ${editor.endpoint}`));
    await window.waitInStatusBar(`Copied: ${editor.endpoint}`);
    assert.equal(await window.clipboard(), editor.endpoint);
    await window.command("Gemini: Show Status");
    await window.pick(/0001: ready/);
    await window.waitQuick("0001");
    await window.screenshots("6-status-key");
    assert.deepEqual((await window.rowTexts()).slice(0, 2), ["Verify", "Modify"]);
    await window.escape();
  });

  await step("the endpoint in the tooltip is copied by a click", async () => {
    const tooltip = await window.tooltip("Endpoint");
    assert.match(tooltip, /0002: ready; \d+ requests? today/);
    await window.screenshots("6-tooltip");
    await window.page.locator(".workbench-hover:visible a", { hasText: editor.endpoint }).click();
    await window.waitInStatusBar(`Copied: ${editor.endpoint}`);
    await window.leaveTooltip();
  });

  await step("another mode is chosen, and told in the status bar", async () => {
    await chooseMode(window, "hybrid");
    const chosen = Date.now();
    await window.waitStatus("hybrid · no relay · 2 keys");
    process.stdout.write(`# shown ${Date.now() - chosen} ms after it was chosen\n`);
    assert.match(await window.tooltip("no relay"), /There is no relay in use: requests go directly/);
    assert.equal(editor.profile.readSettings()["geminiAggregator.deploymentMode"], "hybrid");
    await window.screenshots("7-hybrid");
    await window.leaveTooltip();
    await chooseMode(window, "local");
    await window.waitStatus("local · 2 keys");
  });

  await step("settings that cannot be are named, and the last good ones stay", async () => {
    await window.clearToasts();
    await editSettings(window, editor.profile, { "geminiAggregator.maxAttempts": "many", "geminiAggregator.requestTimeout": 5 });
    await window.waitToast(/geminiAggregator\.maxAttempts must be a whole number.*geminiAggregator\.requestTimeout must be from 1,000 to 3,600,000 ms/);
    assert.equal((await window.toasts()).length, 1);
    await window.screenshots("8-invalid");
    assert.equal((await window.status()).icon, "warning");
    assert.equal((await ask(editor.endpoint, token)).status, 200);
    await editSettings(window, editor.profile, { "geminiAggregator.maxAttempts": undefined, "geminiAggregator.requestTimeout": undefined });
    await window.page.locator('.statusbar-item[id*="geminiAggregator.status"] .codicon-cloud').waitFor();
  });

  await step("no secret is in a log, a file or a console", async () => {
    assert.deepEqual(editor.leaks([key(1), key(2), token]), []);
  });
});
