// @ts-check
/** Keys are named, switched off, deleted and brought back. */

import assert from "node:assert/strict";
import { ask } from "../driver/client.mjs";
import { copyToken, key } from "../driver/deeds.mjs";
import { story } from "../driver/story.mjs";

story("keys", { name: "keys" }, async ({ editor, window, fake, step }) => {
  let token = "";
  /** Which keys the fake saw with requests since it was last asked. */
  const used = async () => {
    const seen = (await fake.seen()).filter(({ target }) => target.includes(":generateContent")).map(({ key }) => key);
    await fake.reset();
    return [...new Set(seen)].sort();
  };

  await step("a key that Google refuses is told with its reason, and can be deleted there", async () => {
    await fake.rules({ key: key(3), fixture: "InvalidKey" });
    await window.command("Gemini: Add API Keys");
    await window.waitQuick("Add API Keys");
    await window.type(`GEMINI_API_KEY="${key(1)}", '${key(2)}' ; ${key(3)} short ${key(1)}`);
    await window.message.filter({ hasText: "3 new" }).waitFor();
    await window.screenshots("1-paste");
    await window.accept();
    const toast = await window.waitToast(/accepted/);
    await window.waitStatus("local · 2/3 keys");
    await window.screenshots("2-one-refused");
    await toast.getByRole("button", { name: "Details", exact: true }).click();
    await window.row(/0003/).waitFor();
    await window.screenshots("3-details");
    await window.escape();
    token = await copyToken(window);
  });

  await step("a label is shown as it was typed, and never as markdown or an icon", async () => {
    await window.clearToasts();
    await window.command("Gemini: Modify API Key");
    await window.pick(/0001/);
    await window.pick("Label");
    await window.type("[home](command:workbench.action.quit) $(zap)");
    await window.accept();
    const tooltip = await window.tooltip(/\[home\]/);
    assert.match(tooltip, /\[home\]\(command:workbench\.action\.quit\) \$\(zap\)/);
    assert.equal(await window.page.locator('a[href*="workbench.action.quit"]').count(), 0);
    await window.screenshots("4-label");
    await window.leaveTooltip();
  });

  await step("a key that is switched off takes no part", async () => {
    await fake.reset();
    await window.command("Gemini: Switch API Key Off or On");
    await window.pick(/0002/);
    await window.waitToast(/0002 is not used any more/);
    await window.waitStatus("local · 1/3 keys");
    assert.deepEqual([await ask(editor.endpoint, token), await ask(editor.endpoint, token)].map(({ status }) => status), [200, 200]);
    assert.deepEqual(await used(), [key(1)]);
  });

  await step("a deletion asks first, and Undo brings the key back with its label", async () => {
    await window.clearToasts();
    await window.command("Gemini: Delete API Key");
    await window.pick(/home/);
    await window.dialog.waitFor();
    await window.screenshots("5-delete");
    await window.dialog.getByRole("button", { name: "Delete", exact: true }).click();
    const toast = await window.waitToast(/was deleted/);
    await window.waitStatus("all keys invalid");
    assert.equal((await ask(editor.endpoint, token)).status, 503);
    await window.screenshots("6-deleted");
    await toast.getByRole("button", { name: "Undo", exact: true }).click();
    await window.waitStatus("local · 1/3 keys");
    await window.tooltip(/\[home\]/);
    await window.leaveTooltip();
    assert.equal((await ask(editor.endpoint, token)).status, 200);
    assert.deepEqual(await used(), [key(1)]);
  });

  await step("changes are undone and done again from the palette, until the history is cleared", async () => {
    await window.clearToasts();
    await window.command("Gemini: Undo Configuration Change");
    await window.waitToast(/Undone/);
    await window.waitStatus("local · 2/3 keys");
    await window.screenshot("7-undone");
    await window.clearToasts();
    await window.command("Gemini: Redo Configuration Change");
    await window.waitToast(/Redone/);
    await window.waitStatus("local · 1/3 keys");
    await window.command("Gemini: Clear Undo History");
    await window.dialog.getByRole("button", { name: "Clear", exact: true }).click();
    await window.waitToast(/history is empty/);
    await window.clearToasts();
    await window.command("Gemini: Undo Configuration Change");
    await window.waitToast("There is nothing to undo.");
  });

  await step("no secret is in a log, a file or a console", async () => {
    assert.deepEqual(editor.leaks([key(1), key(2), key(3), token]), []);
  });
});
