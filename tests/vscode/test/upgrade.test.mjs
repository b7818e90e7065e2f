// @ts-check
/** From 1.x and back: another version of the same extension has left keys, a binding and settings in the profile. */

import assert from "node:assert/strict";
import { after } from "node:test";
import { ask } from "../driver/client.mjs";
import { addKeys, key, waitForVersion1 } from "../driver/deeds.mjs";
import { prepared } from "../driver/editor.mjs";
import { Fake } from "../driver/fake.mjs";
import { story } from "../driver/story.mjs";

/** Of `seed/extension.js`. */
const KEYS = ["AIzaSyFromVersionOne-0000000000000000001", "AIzaSyFromVersionOne-0000000000000000002"];

const relay = await Fake.start();
after(() => relay.stop());

const settings = {
  "geminiAggregator.deploymentMode": "hybrid",
  "geminiAggregator.serverlessInstances": [{ id: "instance-1", name: "My relay", url: `${relay.url}/`, maxKeys: 3 }],
};

story("an upgrade from 1.x", { name: "upgrade", template: prepared().templateOf1, settings, version1: true }, async ({ editor, window, fake, step }) => {
  await step("1.x leaves its keys in the secret storage", async () => {
    await waitForVersion1(window, "1.x finds key1, key2; bound key1 to instance-1; next 3");
    await editor.reinstall(prepared().vsix);
  });

  let upgraded = window;
  await step("2.x finds the keys and the instance, and asks no token of clients that know none", async () => {
    upgraded = await editor.open({ label: "2" });
    await upgraded.waitStatus("hybrid 1/1 · 2 keys");
    const answers = [await ask(editor.endpoint, "any"), await ask(editor.endpoint, "any")];
    assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
    assert.deepEqual(answers.map(({ headers }) => headers.get("x-forwarded-to")), ["instance-1", "instance-1"]);
    const seen = (await relay.seen()).filter(({ target }) => target.includes(":generateContent"));
    assert.deepEqual(seen.map(({ key }) => key).sort(), KEYS);
    assert.deepEqual((await fake.seen()).filter(({ target }) => target.includes(":generateContent")), []);
  });

  await step("the person is told once what was taken over, what changed, and that others could reach the endpoint", async () => {
    const toast = await upgraded.waitToast(/goes on with what version 1 left\. Keys: 2, instances: 1, bindings: 1\..*access token/);
    await upgraded.screenshots("1-told");
    assert.equal((await upgraded.toasts()).length, 1);
    await toast.getByRole("button", { name: "Show Details", exact: true }).click();
    const report = await upgraded.preview(/Nothing was deleted or rewritten/);
    assert.match(report, /Bindings take effect/);
    await upgraded.screenshots("2-details");
    await upgraded.page.reload();
    await upgraded.waitStatus("hybrid 1/1 · 2 keys");
    await upgraded.tooltip("Endpoint");
    await upgraded.screenshot("3-second-start");
    assert.deepEqual(await upgraded.toasts(), []);
  });

  await step("settings stay as they were, and no secret is in a log, a file or a console", async () => {
    assert.deepEqual(editor.profile.readSettings()["geminiAggregator.serverlessInstances"], settings["geminiAggregator.serverlessInstances"]);
    assert.deepEqual(editor.leaks(KEYS), []);
  });

  await step("who goes back to 1.x finds every key there, those of 2.x too", async () => {
    await addKeys(upgraded, key(3));
    await upgraded.waitStatus("hybrid 1/1 · 3 keys");
    await editor.restart(() => editor.profile.replaceExtensions(prepared().templateOf1));
    const back = await editor.open({ label: "back", ready: false });
    await back.waitInStatusBar("1.x finds key1, key2, key3; bound key1 to instance-1; next 4");
  });
});
