// @ts-check
/**
 * Runs the tests in both editors at once, or in one: `node run.mjs --vsix FILE --fake FILE [--editor oldest|newest] [--only PART]`.
 * `--vsix` is the packaged extension, `--fake` the program of tests/fake-gemini, `--only` a part of the names of test files.
 * With `--pictures FOLDER` it takes the documents' pictures instead, in the newest editor.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { findChromium } from "./driver/chromium.mjs";
import { prepare } from "./driver/prepare.mjs";
import { EDITORS } from "./editors.mjs";

/** No test takes longer, on whatever machine. */
const TIMEOUT_MS = 300_000;

const { values } = parseArgs({
  options: {
    vsix: { type: "string" },
    fake: { type: "string" },
    editor: { type: "string" },
    only: { type: "string" },
    pictures: { type: "string" },
  },
});
process.exitCode = (await main()) ? 0 : 1;

async function main() {
  findChromium();
  const files = { vsix: existing("--vsix", values.vsix), fake: existing("--fake", values.fake) };
  const names = /** @type {import("./editors.mjs").EditorName[]} */ (Object.keys(EDITORS)).filter((name) => (values.editor ?? (values.pictures ? "newest" : name)) === name);
  const folder = mkdtempSync(join(tmpdir(), "gemini-aggregator-editors-"));
  try {
    const all = [];
    for (const name of names) {
      all.push(await prepare(name, join(folder, name), files, (line) => process.stdout.write(`${line}\n`)));
    }
    // At once: most of the time each waits for its editor.
    const good = await Promise.all(all.map((prepared) => test(prepared, join(folder, `${prepared.editor.name}.json`))));
    return good.length > 0 && good.every(Boolean);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Tells what came out when it is over. @param {import("./driver/editor.mjs").Prepared} prepared @param {string} file where the tests find it */
async function test(prepared, file) {
  const { name, version } = prepared.editor;
  writeFileSync(file, JSON.stringify(prepared));
  const folder = join(import.meta.dirname, values.pictures ? "pictures" : "test");
  const tests = readdirSync(folder).filter((test) => test.endsWith(".test.mjs") && test.includes(values.only ?? ""));
  const child = spawn(
    process.execPath,
    ["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-force-exit", `--test-timeout=${TIMEOUT_MS}`, ...tests.map((test) => join(folder, test))],
    { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, EDITOR_TESTS_PREPARED: file, EDITOR_PICTURES: resolve(values.pictures ?? "") } },
  );
  const ended = once(child, "close");
  let output = "";
  for await (const line of createInterface({ input: child.stdout })) {
    output += `${line}\n`;
    // It takes minutes, and both write at once: in between only how each story ended.
    if (/^[✔✖] /.test(line)) {
      process.stderr.write(`${name} ${line}\n`);
    }
  }
  const [code] = await ended;
  process.stdout.write(`\nVS Code ${version} (${name})\n${output}`);
  return code === 0;
}

/** @param {string} option @param {string | undefined} file */
function existing(option, file) {
  if (file === undefined || !existsSync(file)) {
    throw new Error(`name a file with ${option}; \`cargo xtask test\` does all of this`);
  }
  return resolve(file);
}
