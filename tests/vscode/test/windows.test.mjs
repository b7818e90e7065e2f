// @ts-check
/** Two windows of one profile: one serves, the other follows and takes over. */

import assert from "node:assert/strict";
import { ask } from "../driver/client.mjs";
import { addKeys, copyToken, key } from "../driver/deeds.mjs";
import { story } from "../driver/story.mjs";
import { until } from "../driver/until.mjs";

story("two windows", { name: "windows" }, async ({ editor, window, step }) => {
  /** @type {import("../driver/window.mjs").Window} */
  let second;
  let token = "";

  await step("the second window shows the same and says that it follows", async () => {
    await addKeys(window, key(1), key(2));
    token = await copyToken(window);
    second = await editor.open({ folder: editor.profile.makeWorkspace("second"), label: "second" });
    await second.waitStatus("local · 2 keys");
    assert.deepEqual(await second.status(), await window.status());
    await second.tooltip("Served by another window");
    await second.screenshot("1-follows");
    await second.leaveTooltip();
    assert.deepEqual(await second.toasts(), []);
  });

  await step("what it shows and does is about the window that serves, and its log begins with that", async () => {
    assert.equal((await ask(editor.endpoint, token)).status, 200);
    await second.command("Gemini: Show Last Requests");
    await second.row(/200 .*gemini-3\.6-flash/).first().waitFor();
    await second.screenshot("2-requests");
    await second.escape();
    await second.command("Gemini: Verify API Keys");
    await second.waitToast(/All 2 keys were accepted/);
    const [first = ""] = (await second.output("Another window serves the requests")).filter((line) => line.includes("[info]"));
    assert.match(first, /Another window serves the requests \(process \d+\)/);
    await second.screenshot("3-log");
  });

  await step("it takes over when the first is closed, while a client goes on", async () => {
    const client = new SteadyClient(editor.endpoint, token);
    await client.answered(5);
    await window.close();
    await second.waitStatus("local · 2 keys");
    await until(() => editor.profile.sidecars().length, (count) => count === 1);
    await client.answered(5);
    const { statuses, gapMs } = await client.stop();
    assert.match(statuses.map((status) => (status === 200 ? "+" : status === 0 ? "-" : `(${status})`)).join(""), /^\++-*\++$/);
    process.stdout.write(`# nobody answered for ${gapMs} ms\n`);
    assert.doesNotMatch(await second.tooltip("Endpoint"), /another window/);
    await second.screenshot("4-serves");
  });
});

/** Sends one request after the other. */
class SteadyClient {
  /** @type {number[]} */
  statuses = [];
  lastGood = Date.now();
  gapMs = 0;
  going = true;

  /** @param {string} endpoint @param {string} token */
  constructor(endpoint, token) {
    this.ended = this.run(endpoint, token);
  }

  /** @param {string} endpoint @param {string} token */
  async run(endpoint, token) {
    while (this.going) {
      const { status } = await ask(endpoint, token);
      this.statuses.push(status);
      if (status === 200) {
        this.gapMs = Math.max(this.gapMs, Date.now() - this.lastGood);
        this.lastGood = Date.now();
      }
    }
  }

  /** Waits for so many more good answers. @param {number} count */
  async answered(count) {
    const good = () => this.statuses.filter((status) => status === 200).length;
    const wanted = good() + count;
    await until(good, (now) => now >= wanted);
  }

  async stop() {
    this.going = false;
    await this.ended;
    return { statuses: this.statuses, gapMs: this.gapMs };
  }
}
