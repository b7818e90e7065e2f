// @ts-check
/** A new user: the walkthrough opens by itself, once, and ticks by what happens. */

import assert from "node:assert/strict";
import { key } from "../driver/deeds.mjs";
import { story } from "../driver/story.mjs";

const machine = { "workbench.welcomePage.walkthroughs.openOnInstall": true };

story("the first run", { name: "first-run", machine }, async ({ editor, window, step }) => {
  const { page } = window;
  const steps = page.locator(".getting-started-step");
  const ticked = (/** @type {string} */ name) => steps.filter({ hasText: name }).locator(".codicon.complete");

  await step("the walkthrough opens by itself", async () => {
    await page.getByText("First Steps with Gemini Aggregator").first().waitFor();
    await steps.filter({ hasText: "Add your API keys" }).waitFor();
    assert.equal(await page.locator(".getting-started-step .codicon.complete").count(), 0);
    assert.deepEqual(await window.toasts(), []);
    await window.screenshots("1-opened");
  });

  await step("a key that is added and accepted ticks two steps", async () => {
    await page.locator(".getting-started-step .monaco-button", { hasText: "Add API Keys" }).click();
    await window.waitQuick("Add API Keys");
    await window.type(key(1));
    await window.message.filter({ hasText: "1 new" }).waitFor();
    await window.accept();
    await window.waitToast(/accepted/);
    await ticked("Add your API keys").waitFor();
    await ticked("Test them").waitFor();
    await window.screenshots("2-two-steps");
  });

  await step("what a client needs is copied, with the word where it goes", async () => {
    await window.clearToasts();
    await steps.filter({ hasText: "Point a client at the pool" }).click();
    await page.locator(".getting-started-step .monaco-button", { hasText: "Copy Endpoint for" }).click();
    await window.waitQuick("Copy Endpoint for");
    await window.row("Cline").waitFor();
    await window.screenshots("3-clients");
    await window.pick("Cline");
    await window.waitToast(/Copied.*base URL/i);
    assert.equal(await window.clipboard(), editor.endpoint);
    await ticked("Point a client at the pool").waitFor();
    await window.screenshots("4-copied");
  });

  await step("a test request is answered without a client, and ticks the last step", async () => {
    await window.clearToasts();
    assert.equal(await ticked("See the first request").count(), 0);
    await steps.filter({ hasText: "See the first request" }).click();
    await page.locator(".getting-started-step .monaco-button", { hasText: "Send Test Request" }).click();
    await window.waitToast(/gemini-flash-lite-latest answered after .*0001 by Direct way.*counts against the quota/);
    await ticked("See the first request").waitFor();
    await window.screenshots("5-done");
    await window.pressOnToast(/answered after/, "Show Requests");
    await window.row(/200 gemini-flash-lite-latest generateContent/).waitFor();
    await window.escape();
  });

  await step("it opens in no other window, and at no later start", async () => {
    const second = await editor.open({ folder: editor.profile.makeWorkspace("second"), label: "second" });
    await second.waitStatus("local · 1 key");
    await second.tooltip("Served by another window");
    assert.equal(await second.page.getByText("First Steps with Gemini Aggregator").count(), 0);
    await second.close();
    await window.close();
    // Another folder, as the editor itself may open again what was open in this one.
    const later = await editor.open({ folder: editor.profile.makeWorkspace("third"), label: "later" });
    await later.waitStatus("local · 1 key");
    await later.tooltip("Endpoint");
    assert.equal(await later.page.getByText("First Steps with Gemini Aggregator").count(), 0);
  });
});
