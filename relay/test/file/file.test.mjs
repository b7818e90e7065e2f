// The file itself and what is deployed around it.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

const at = (path) => new URL(`../../${path}`, import.meta.url);
const read = (path) => readFileSync(at(path), "utf8");
const RELAY = read("relay.mjs");

test("the version is that of the workspace", () => {
  const [, workspace] = /\[workspace\.package\]\s+version = "([^"]+)"/.exec(read("../Cargo.toml"));
  const [, own] = /const VERSION = "([^"]+)"/.exec(RELAY);
  assert.deepEqual([own, JSON.parse(read("package.json")).version], [workspace, workspace]);
});

test("the file can be pasted: it imports nothing when it is loaded, and names no module that a bundler would look for", () => {
  assert.doesNotMatch(RELAY, /^\s*import\b[^.(]/m);
  assert.doesNotMatch(RELAY, /import\(\s*["'`]/);
  assert.doesNotMatch(RELAY, /\brequire\(/);
});

test("the file is short enough to be read before keys are trusted to it", () => assert.ok(RELAY.split("\n").length < 400));

test("it holds no log and no address but Google's", () => {
  assert.deepEqual(RELAY.match(/console\.\w+\([^\n]*/g).length, 1);
  assert.deepEqual(RELAY.match(/https?:\/\/[a-z][\w.-]+/g), ["https://generativelanguage.googleapis.com"]);
});

for (const [adapter, path] of [["deno/main.ts", "../../relay.mjs"], ["netlify/edge-functions/relay.js", "../../../relay.mjs"]]) {
  test(`deploy/${adapter} imports the relay`, () => {
    const [, imported] = /from "([^"]+)"/.exec(read(`deploy/${adapter}`));
    assert.equal(imported, path);
    assert.ok(existsSync(new URL(imported, at(`deploy/${adapter}`))));
  });
}

test("wrangler.jsonc points at the relay and says where it runs", () => {
  const config = JSON.parse(read("deploy/cloudflare/wrangler.jsonc").replace(/^\s*\/\/.*$/gm, ""));
  assert.ok(existsSync(new URL(config.main, at("deploy/cloudflare/wrangler.jsonc"))));
  assert.deepEqual(config.placement, { region: "gcp:us-east4" });
});

test("vercel.json leads everything to the function", () => {
  const { functions, rewrites } = JSON.parse(read("deploy/vercel/vercel.json"));
  assert.ok(Object.keys(functions).every((path) => existsSync(at(`deploy/vercel/${path}`))));
  assert.deepEqual(rewrites, [{ source: "/(.*)", destination: "/api/relay" }]);
});

test("both documents have the same parts", () => {
  const parts = (path) => read(path).match(/^#+ |^```\w*|^\|/gm);
  assert.deepEqual(parts("README.zh-CN.md"), parts("README.md"));
});
