// @ts-check
/**
 * An editor with the packaged extension for a person's own browser: `node open.mjs --vsix FILE [--editor oldest|newest] [--port N]
 * [--endpoint N] [--upstream URL]`. Prints one line with its address, and ends with its profile when stdin ends or on Ctrl-C.
 */

import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openFront } from "./driver/front.mjs";
import { install } from "./driver/install.mjs";
import { Profile } from "./driver/profile.mjs";
import { Server, installExtension } from "./driver/server.mjs";
import { EDITORS } from "./editors.mjs";

const { values } = parseArgs({
  options: {
    vsix: { type: "string" },
    editor: { type: "string", default: "newest" },
    port: { type: "string", default: "0" },
    endpoint: { type: "string", default: "3145" },
    upstream: { type: "string" },
  },
});
const name = Object.keys(EDITORS).find((name) => name === values.editor);
if (name === undefined || values.vsix === undefined) {
  throw new Error("usage: node open.mjs --vsix FILE [--editor oldest|newest] [--port N] [--endpoint N] [--upstream URL]");
}

const editor = await install(/** @type {import("./editors.mjs").EditorName} */ (name), (line) => process.stderr.write(`${line}\n`));
const profile = new Profile(mkdtempSync(join(tmpdir(), "gemini-aggregator-profile-")));
process.once("exit", () => profile.remove());
mkdirSync(profile.folder, { recursive: true });
await installExtension(editor, profile.folder, values.vsix);
profile.writeSettings(values.upstream ? { "geminiAggregator.upstream": values.upstream } : {});
profile.writeMachineSettings({ "geminiAggregator.port": Number(values.endpoint), ...(values.upstream ? { "geminiAggregator.proxy": "direct" } : {}) });
const folder = profile.makeWorkspace("playground");
const server = await Server.start(editor, profile.folder);
const port = await openFront(server, Number(values.port));
process.stdout.write(`http://127.0.0.1:${port}/?folder=${encodeURIComponent(folder)}\n`);

await new Promise((resolve) => {
  process.once("SIGINT", resolve);
  process.once("SIGTERM", resolve);
  process.stdin.once("end", resolve).resume();
  server.child.once("exit", resolve);
});
await server.stop();
process.exit();
