// `/health`: says who answers to anybody, and what it is to the holder of the token.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bench } from "../lib/bench.mjs";
import { RUNTIME, TOKEN } from "../lib/runtimes.mjs";

const on = bench({ RELAY_TOKEN: TOKEN, RELAY_REGION: "test-1" });
const PUBLIC = { status: "ok", relay: "gemini-aggregator", protocol: 1, auth: "required" };

test("a caller without the token learns that one is required, a wrong one nothing else", async () => {
  for (const token of ["", "wrong", "x".repeat(24)]) {
    const reply = await on.ask("GET /health", { "X-Relay-Token": token });
    assert.equal(reply.status, 200);
    assert.match(reply.headers["content-type"], /^application\/json/);
    assert.deepEqual(JSON.parse(reply.body), PUBLIC);
  }
});

test("the holder of the token learns version, runtime, region and features", async () => {
  const { body } = await on.ask("GET /health?x=1");
  const { version, ...facts } = JSON.parse(body);
  assert.match(version, /^\d+\.\d+\.\d+$/);
  const features = ["stream", "upload", "websocket"];
  assert.deepEqual(facts, { ...PUBLIC, auth: "ok", runtime: RUNTIME, region: "test-1", features });
});

test("HEAD is answered without a body, other methods are refused", async () => {
  const head = await on.ask("HEAD /health");
  assert.deepEqual([head.status, head.headers["x-relay"]], [200, "1"]);
  const post = await on.ask("POST /health", { "Content-Length": "0" });
  assert.deepEqual([post.status, post.headers["x-relay-error"]], [405, "1"]);
});

test("upstream is not asked", () => assert.equal(on.upstream.count(), 0));
