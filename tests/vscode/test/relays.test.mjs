// @ts-check
/** A relay is added, used, lost, found again and removed. */

import assert from "node:assert/strict";
import { after } from "node:test";
import { ask } from "../driver/client.mjs";
import { addKeys, chooseMode, copyToken, key } from "../driver/deeds.mjs";
import { Relay } from "../driver/relay.mjs";
import { story } from "../driver/story.mjs";
import { until } from "../driver/until.mjs";

const TOKEN = "token-of-the-relay-in-the-stories";

story("relays", { name: "relays" }, async ({ editor, window, fake, step }) => {
  let relay = await Relay.start({ token: TOKEN, upstream: fake.url });
  after(() => relay.stop());
  let token = "";
  const instances = () => /** @type {object[] | undefined} */ (editor.profile.readSettings()["geminiAggregator.serverlessInstances"]);

  await step("an instance is asked for step by step, with advice while one types, and back again", async () => {
    await addKeys(window, key(1), key(2));
    token = await copyToken(window);
    await window.clearToasts();
    await window.command("Gemini: Add Serverless Instance");
    await window.waitQuick("Add Serverless Instance");
    await window.answer("A name for this instance", "My relay");
    await window.prompt("Its URL");
    await window.type("relay.example.org");
    await window.message.filter({ hasText: "https" }).waitFor();
    await window.type("http://relay.example.org");
    await window.screenshots("1-url");
    await window.message.filter({ hasText: "this machine" }).waitFor();
    await window.back();
    await window.prompt("A name for this instance");
    assert.equal(await window.quick.locator(".quick-input-box input").inputValue(), "My relay");
    await window.accept();
    // What was typed is there still, and so is the advice.
    await window.message.filter({ hasText: "this machine" }).waitFor();
    await window.type(relay.url);
    await window.answer("Its URL", relay.url);
    await window.answer("Its token", "a-token-that-the-relay-does-not-know");
    await window.answer("extra header", "");
    await window.answer("Its region", "Here");
  });

  await step("it is tested before it is kept: what is wrong is told, and can be changed", async () => {
    await window.waitQuick("My relay: the test found something");
    await window.row(/Change What Was Entered/).waitFor();
    assert.match((await window.rowTexts()).join("\n"), /token/i);
    await window.screenshots("2-wrong-token");
    assert.equal(instances(), undefined);
    await window.pick(/Change What Was Entered/);
    await window.prompt("Its region");
    await window.back();
    await window.prompt("extra header");
    await window.back();
    await window.answer("Its token", TOKEN);
    await window.answer("extra header", "");
    await window.answer("Its region", "Here");
    await window.waitToast(/The instance My relay was added\./);
    await window.screenshot("3-added");
    assert.deepEqual(instances(), [{ id: "my-relay", name: "My relay", url: relay.url, region: "Here" }]);
  });

  await step("in hybrid mode requests leave by it", async () => {
    await window.clearToasts();
    await chooseMode(window, "hybrid");
    await window.waitStatus("hybrid 1/1 · 2 keys");
    const answer = await ask(editor.endpoint, token);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("x-forwarded-to"), "my-relay");
  });

  await step("a key that is bound to the direct way takes it, and the other the relay", async () => {
    await window.command("Gemini: Bind API Key to Instance");
    await window.pick(/0001/);
    await window.row(/My relay/).waitFor();
    await window.screenshots("4-bind");
    await window.pick(/Direct way/);
    await window.waitToast(/is bound to the direct way/);
    const ways = [await ask(editor.endpoint, token), await ask(editor.endpoint, token)].map(({ headers }) => headers.get("x-forwarded-to"));
    assert.deepEqual(ways.sort(), ["local", "my-relay"]);
    await window.command("Gemini: Bind API Key to Instance");
    await window.pick(/0002/);
    await window.pick(/My relay/);
    await window.waitToast(/0002 is bound to My relay/);
  });

  await step("diagnostics tell of every way out, without a secret", async () => {
    await window.clearToasts();
    await window.command("Gemini: Network Diagnostics");
    const report = await window.preview(/My relay/);
    await window.waitToast(/./);
    await window.screenshots("5-diagnostics");
    assert.match(report, /Direct/);
    assert.deepEqual([key(1), key(2), TOKEN, token].filter((secret) => report.includes(secret)), []);
    await window.pressOnToast(/./, "Copy Report");
    await window.waitInStatusBar("The report was copied.");
    const copied = await window.clipboard();
    assert.match(copied, /My relay/);
    assert.deepEqual([key(1), key(2), TOKEN, token].filter((secret) => copied.includes(secret)), []);
  });

  await step("the check of the configuration finds nothing wrong, and remarks that this relay is no other way out", async () => {
    await window.command("Gemini: Check the Configuration");
    await window.waitQuick("Errors: 0, warnings: 0, remarks: 1");
    await window.row(/My relay is on this machine/).waitFor();
    await window.row(/Test Every Way Out/).waitFor();
    await window.screenshots("6-checked");
    await window.escape();
  });

  await step("a relay that goes is told once and gone round, and is back when it is", async () => {
    await window.clearToasts();
    const { port } = relay;
    await relay.stop();
    const answers = [await ask(editor.endpoint, token), await ask(editor.endpoint, token)];
    assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
    await window.waitStatus("hybrid 0/1");
    await window.waitToast(/My relay/);
    assert.equal((await window.toasts()).length, 1);
    await window.tooltip(/My\srelay:\sdown/);
    await window.screenshots("7-down");
    await window.leaveTooltip();
    relay = await Relay.start({ token: TOKEN, upstream: fake.url, port });
    await window.command("Gemini: Test Connectivity");
    await window.pick(/My relay/);
    await window.waitStatus("hybrid 1/1 · 2 keys");
  });

  await step("its removal asks first, takes its bindings with it, and can be undone with them", async () => {
    await window.escape();
    await window.clearToasts();
    await window.command("Gemini: Remove Serverless Instance");
    await window.pick(/My relay/);
    await window.dialog.waitFor();
    await window.screenshots("8-remove");
    await window.dialog.getByRole("button", { name: "Remove", exact: true }).click();
    const toast = await window.waitToast(/was removed/);
    await window.waitStatus("hybrid · no relay · 2 keys");
    assert.equal(instances(), undefined);
    assert.equal((await ask(editor.endpoint, token)).headers.get("x-forwarded-to"), "local");
    await toast.getByRole("button", { name: "Undo", exact: true }).click();
    await window.waitStatus("hybrid 1/1 · 2 keys");
    await window.command("Gemini: Unbind API Key");
    await window.row(/0002/).waitFor();
    assert.match((await window.rowTexts()).join("\n"), /0002.*My relay/);
    await window.escape();
    const ways = [await ask(editor.endpoint, token), await ask(editor.endpoint, token)].map(({ headers }) => headers.get("x-forwarded-to"));
    assert.deepEqual(ways.sort(), ["local", "my-relay"]);
  });

  await step("no secret is in a log, a file or a console", async () => {
    await until(() => editor.profile.log(), (log) => log.includes("egress=my-relay"));
    assert.deepEqual(editor.leaks([key(1), key(2), token, TOKEN]), []);
  });
});
