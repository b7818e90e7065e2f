// Runs the tests of the file once, then the contract on each runtime: all, or those named in RELAY_RUNTIMES.
// A runtime that is not there fails.

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { COMMANDS } from "./lib/runtimes.mjs";

const named = process.env.RELAY_RUNTIMES?.split(",").map((name) => name.trim()) ?? Object.keys(COMMANDS);
const unknown = named.filter((name) => !(name in COMMANDS));
if (unknown.length > 0) {
  console.error(`RELAY_RUNTIMES names ${unknown.join(", ")}; there are ${Object.keys(COMMANDS).join(", ")}.`);
  process.exit(2);
}

function passes(title, folder, env) {
  console.log(`\n# The relay: ${title}`);
  const path = fileURLToPath(new URL(folder, import.meta.url));
  const files = readdirSync(path).filter((name) => name.endsWith(".test.mjs")).map((name) => path + name);
  const args = ["--test", "--test-timeout=60000", ...files];
  return spawnSync(process.execPath, args, { stdio: "inherit", env: { ...process.env, ...env } }).status === 0;
}

const runs = [["the file", "file/", {}], ...named.map((name) => [`the contract on ${name}`, "contract/", { RELAY_RUNTIME: name }])];
const failed = runs.filter((run) => !passes(...run)).map(([title]) => title);
if (failed.length > 0) {
  console.error(`\nFailed: ${failed.join(", ")}.`);
  process.exit(1);
}
