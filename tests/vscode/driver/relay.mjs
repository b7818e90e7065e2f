// @ts-check
/** The repository's relay worker as a process on this machine. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const WORKER = join(import.meta.dirname, "..", "..", "..", "relay", "relay.mjs");

export class Relay {
  /** @param {import("node:child_process").ChildProcess} child @param {string} url */
  constructor(child, url) {
    this.child = child;
    this.url = url;
  }

  /** @param {{ token: string, upstream: string, port?: number }} wanted @returns {Promise<Relay>} */
  static async start({ token, upstream, port = 0 }) {
    const env = { ...process.env, HOST: "127.0.0.1", PORT: String(port), RELAY_TOKEN: token, UPSTREAM: upstream };
    const child = spawn(process.execPath, [WORKER], { stdio: ["ignore", "pipe", "inherit"], env });
    process.once("exit", () => child.kill("SIGKILL"));
    for await (const line of createInterface({ input: child.stdout })) {
      child.stdout.resume();
      return new Relay(child, line.trim().split(" ").at(-1) ?? "");
    }
    throw new Error("the relay ended before it listened");
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = once(this.child, "exit");
      this.child.kill("SIGKILL");
      await ended;
    }
  }
}
