// @ts-check
/** The view of the pool: what it says when it is empty, live rows, their actions, and the attempts of a request. */

import assert from "node:assert/strict";
import { ask } from "../driver/client.mjs";
import { addKeys, copyToken, key } from "../driver/deeds.mjs";
import { story } from "../driver/story.mjs";

story("the view", { name: "view" }, async ({ editor, window, fake, step }) => {
  let token = "";
  const { page } = window;
  const badge = page.locator(".activitybar .action-item", { has: page.locator('[aria-label^="Gemini Aggregator"]') }).locator(".badge-content", { hasText: /\d/ });

  await step("an empty view says what to do", async () => {
    await window.command("Gemini: Open Configuration Panel");
    await page.getByText("There is no key yet.").waitFor();
    await page.getByText("There is no relay.").waitFor();
    await page.getByText("Requests need a key.").waitFor();
    await window.screenshots("1-empty");
    assert.equal(await badge.count(), 0);
    await page.locator(".monaco-button", { hasText: "Add API Keys" }).first().click();
    await window.waitQuick("Add API Keys");
    await window.escape();
  });

  await step("keys have live rows, and a badge counts those that need somebody", async () => {
    await fake.rules({ key: key(3), fixture: "InvalidKey" });
    await addKeys(window, key(1), key(2), key(3));
    token = await copyToken(window);
    await window.clearToasts();
    await window.item(/^AIza…0001\b.*requests today: 0/).waitFor();
    await window.item(/^AIza…0003\b.*out: not accepted by Google/).waitFor();
    await badge.filter({ hasText: "1" }).waitFor();
    await page.getByText("No request has come yet.").waitFor();
    await window.screenshots("2-keys");
  });

  await step("a request shows its attempts with their reasons, and a key that rests when it is back", async () => {
    await fake.rules({ key: key(1), path: ":generateContent", fixture: "MinuteQuota" });
    const answers = [await ask(editor.endpoint, token), await ask(editor.endpoint, token)];
    assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
    await window.item(/^AIza…0001\b.*until \d/).waitFor();
    const request = window.item(/^200 gemini-3\.6-flash.*attempts: 2/).first();
    await request.click();
    await window.item(/^1\. 429 \(limit per minute\).*AIza…0001 by Direct way.*until/).waitFor();
    await window.item(/^2\. 200.*AIza…0002 by Direct way/).waitFor();
    await window.screenshots("3-attempts");
  });

  await step("rows are acted on where they stand, and by the menu", async () => {
    await window.rowAction(/^AIza…0002/, "Do Not Use This Key");
    await window.item(/^AIza…0002\b.*switched off/).waitFor();
    await window.screenshots("4-off");
    await window.rowAction(/^AIza…0002/, "Use This Key");
    await window.item(/^AIza…0002\b.*requests today: 2/).waitFor();
    await window.rowMenu(/^AIza…0003/, "Delete API Key");
    await window.dialog.getByRole("button", { name: "Delete", exact: true }).click();
    await window.item(/^AIza…0003/).waitFor({ state: "detached" });
    await badge.waitFor({ state: "detached" });
  });

  await step("no secret is in a log, a file or a console", async () => {
    assert.deepEqual(editor.leaks([key(1), key(2), key(3), token]), []);
  });
});
