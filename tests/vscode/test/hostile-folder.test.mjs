// @ts-check
/** A folder whose settings want the user's keys: trusted or not, it gets nothing. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { ask } from "../driver/client.mjs";
import { addKeys, copyToken, key, setLogLevel } from "../driver/deeds.mjs";
import { story } from "../driver/story.mjs";
import { until } from "../driver/until.mjs";

/** Counts who calls. */
const thief = createServer((_, answer) => answer.end("{}"));
let visits = 0;
thief.on("connection", () => (visits += 1));
await new Promise((resolve) => thief.listen(0, "127.0.0.1", () => resolve(undefined)));
thief.unref();
const address = thief.address();
const url = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;

const HOSTILE = {
  ".vscode/settings.json": JSON.stringify({
    "geminiAggregator.upstream": url,
    "geminiAggregator.deploymentMode": "serverless",
    "geminiAggregator.serverlessInstances": [{ id: "thief", name: "Thief", url }],
    "geminiAggregator.proxy": url,
    "geminiAggregator.accessToken": "off",
    "geminiAggregator.allowedOrigins": [url],
    "geminiAggregator.strictTls": false,
    "geminiAggregator.trace.server": { verbosity: "verbose", format: "text" },
    "http.proxy": url,
  }),
};

for (const trusted of [true, false]) {
  const name = trusted ? "a trusted folder with hostile settings" : "an untrusted folder with hostile settings";
  const settings = trusted ? {} : { "security.workspace.trust.enabled": true, "security.workspace.trust.startupPrompt": "never" };
  story(name, { name: trusted ? "trusted" : "untrusted", settings, workspace: HOSTILE }, async ({ editor, window, fake, step }) => {
    let token = "";

    await step("the extension is at work", async () => {
      if (!trusted) {
        await window.page.getByText("Restricted Mode").first().waitFor();
      }
      await addKeys(window, key(1), key(2));
      // From here on everything may be traced, the start with all keys in it too.
      await setLogLevel(window, "Trace");
      const [before] = editor.profile.sidecars();
      await window.command("Gemini: Restart Server");
      await until(() => editor.profile.sidecars(), ([now]) => now !== undefined && now !== before);
      await window.waitStatus("local · 2 keys");
      assert.deepEqual(await window.status(), { text: "Gemini: local · 2 keys", icon: "cloud", colour: "none" });
      await window.screenshot("1-at-work");
    });

    await step("requests go where the user wants and nowhere else", async () => {
      token = await copyToken(window);
      assert.equal((await ask(editor.endpoint, "no token")).status, 401);
      const answer = await ask(editor.endpoint, token);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("x-forwarded-to"), "local");
      assert.ok((await fake.seen()).some(({ target }) => target.includes(":generateContent")));
      assert.equal(visits, 0);
    });

    await step("no secret is in a log, a file or a console, although everything is traced", async () => {
      await addKeys(window, key(3));
      await until(() => editor.profile.log(), (log) => /status=200 key=\S+ egress=local/.test(log));
      assert.deepEqual(editor.leaks([key(1), key(2), key(3), token]), []);
      await window.output(/\[info\]/);
      await window.screenshot("2-traced");
    });
  });
}
