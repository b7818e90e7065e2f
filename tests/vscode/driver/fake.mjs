// @ts-check
/** The fake Gemini of the repository as a process, and what it saw. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { prepared } from "./editor.mjs";

export class Fake {
  /** @param {import("node:child_process").ChildProcess} child @param {string} url */
  constructor(child, url) {
    this.child = child;
    this.url = url;
  }

  /** @returns {Promise<Fake>} */
  static async start() {
    const child = spawn(prepared().fake, [], { stdio: ["ignore", "pipe", "inherit"] });
    process.once("exit", () => child.kill("SIGKILL"));
    for await (const line of createInterface({ input: child.stdout })) {
      child.stdout.resume();
      return new Fake(child, line.trim());
    }
    throw new Error("the fake Gemini ended before it listened");
  }

  /** Requests it saw, as it tells them. @returns {Promise<{ target: string, key: string | null }[]>} */
  async seen() {
    return (await fetch(`${this.url}/__fake/seen`)).json();
  }

  /** How it shall answer, see `tests/fake-gemini/src/script.rs`. @param {object[]} rules */
  async rules(...rules) {
    await fetch(`${this.url}/__fake/rules`, { method: "POST", body: JSON.stringify(rules) });
  }

  /** It forgets rules and requests. */
  async reset() {
    await fetch(`${this.url}/__fake/reset`, { method: "POST" });
  }

  async stop() {
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
  }
}
