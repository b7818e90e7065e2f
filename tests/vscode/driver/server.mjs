// @ts-check
/** The process of one editor server over one profile: starts it, knows its address, ends it and everything below it. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** From a gentle signal to a hard one. */
const END_MS = 5_000;

export class Server {
  /** @param {import("node:child_process").ChildProcess} child @param {number} port */
  constructor(child, port) {
    this.child = child;
    this.port = port;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /**
   * Returns when it listens.
   * @param {import("./install.mjs").Installed} editor
   * @param {string} data folder of the profile
   * @param {number} [wanted] port; any free one if it is left out. Windows keep their secrets by address
   * @returns {Promise<Server>}
   */
  static async start(editor, data, wanted = 0) {
    const child = spawn(
      editor.node,
      [
        join(editor.server, "out", "server-main.js"),
        ...["--host", "127.0.0.1", "--port", String(wanted), "--without-connection-token", "--accept-server-license-terms"],
        ...["--server-data-dir", data, "--telemetry-level", "off"],
      ],
      { stdio: ["ignore", "pipe", "pipe"], detached: true, env: quietEnvironment() },
    );
    process.once("exit", () => killGroup(child));
    let output = "";
    child.stderr.on("data", (bytes) => (output += bytes));
    for await (const line of createInterface({ input: child.stdout })) {
      output += `${line}\n`;
      const port = /Extension host agent listening on (\d+)/.exec(line)?.[1];
      if (port !== undefined) {
        child.stdout.resume();
        return new Server(child, Number(port));
      }
    }
    throw new Error(`the editor server ended before it listened:\n${brief(output)}`);
  }

  /** Ends it in order; what is left after that is killed. */
  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = once(this.child, "exit");
      this.child.kill("SIGTERM");
      const timer = setTimeout(() => killGroup(this.child), END_MS);
      await ended;
      clearTimeout(timer);
    }
    killGroup(this.child);
  }
}

/**
 * Installs an extension into a profile.
 * @param {import("./install.mjs").Installed} editor @param {string} data @param {string} vsix
 */
export async function installExtension(editor, data, vsix) {
  const child = spawn(
    editor.node,
    [join(editor.server, "out", "server-main.js"), "--accept-server-license-terms", "--server-data-dir", data, "--force", "--install-extension", vsix],
    { stdio: ["ignore", "pipe", "pipe"], env: quietEnvironment() },
  );
  let output = "";
  child.stdout.on("data", (bytes) => (output += bytes));
  child.stderr.on("data", (bytes) => (output += bytes));
  const [code] = await once(child, "close");
  if (code !== 0 || !/successfully installed/.test(output)) {
    throw new Error(`the extension was not installed (${code}):\n${brief(output)}`);
  }
}

/** The editor quotes its own minified source where it fails. @param {string} output */
function brief(output) {
  return output.split("\n").map((line) => line.slice(0, 300)).join("\n").slice(0, 4_000);
}

/** No proxy or key of the person who runs the tests may reach what is tested. */
function quietEnvironment() {
  const kept = Object.entries(process.env).filter(([name]) => !/proxy$|^GEMINI|^GOOGLE|^VSCODE|^ELECTRON|^NODE_OPTIONS$|^NODE_TEST/i.test(name));
  return Object.fromEntries(kept);
}

/** @param {import("node:child_process").ChildProcess} child */
function killGroup(child) {
  try {
    process.kill(-(child.pid ?? 0), "SIGKILL");
  } catch {
    // Nobody is left.
  }
}
