// Starts the worker on the runtime under test: RELAY_RUNTIME, one of these names.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const installed = (name) => here(`../../node_modules/.bin/${name}`);
const RELAY = here("../../relay.mjs");

export const COMMANDS = {
  node: [process.execPath, RELAY],
  workerd: [installed("workerd"), "serve", "--control-fd=1", here("workerd.capnp")],
  deno: [installed("deno"), "run", "--no-lock", "--allow-net", "--allow-env", RELAY],
  bun: [installed("bun"), RELAY],
};

export const RUNTIME = process.env.RELAY_RUNTIME;
export const TOKEN = "a-token-of-24-characters";

process.once("SIGTERM", () => process.exit(1)); // a test that took too long; takes the worker along

/** Starts one and waits until it listens. `env` is all that it knows. */
export async function start(env) {
  const [program, ...args] = COMMANDS[RUNTIME];
  const { PATH, HOME, TMPDIR } = process.env;
  const defined = Object.fromEntries(Object.entries({ PATH, HOME, TMPDIR, PORT: "0", ...env }).filter(([, value]) => value !== undefined));
  const child = spawn(program, args, { env: defined, stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (text) => (errors += text));
  process.once("exit", () => child.kill("SIGKILL"));
  const ended = new Promise((resolve) => child.once("close", resolve));
  const failed = new Promise((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${RUNTIME} ended with ${code} before it listened: ${errors}`)));
  });
  failed.catch(() => {});
  const lines = [];
  const listening = new Promise((resolve) => {
    createInterface(child.stdout).on("line", (line) => {
      lines.push(line);
      const port = /^relay listening on http:\/\/127\.0\.0\.1:(\d+)$|"socket":"http","port":(\d+)/.exec(line);
      if (port) resolve(Number(port[1] ?? port[2]));
    });
  });
  const port = await Promise.race([listening, failed]);
  return {
    port,
    /** What it said on stdout so far, and on stderr. */
    lines,
    errors: () => errors,
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
