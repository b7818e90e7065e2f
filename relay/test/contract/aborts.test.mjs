// Whoever hangs up, the other side learns it; nothing that broke off looks whole.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { bench } from "../lib/bench.mjs";
import { connect, listen, chunk, message } from "../lib/wire.mjs";
import { start, RUNTIME, TOKEN } from "../lib/runtimes.mjs";

const on = bench();
const STREAM = "POST /v1beta/models/m:streamGenerateContent?alt=sse&key=secret-key";
const EVENT = 'data: {"n":1}\r\n\r\n';
const SSE = message("HTTP/1.1 200 OK", { "Content-Type": "text/event-stream", "Transfer-Encoding": "chunked" }, chunk(EVENT));

// workerd takes a bare FIN for a half-close: it sees the caller's end by a reset, or when it next has something to write.
const HALF_CLOSES = RUNTIME === "workerd";

for (const way of HALF_CLOSES ? ["reset"] : ["end", "reset"]) {
  test(`a caller that hangs up (${way}) before the answer ends the call upstream`, async () => {
    const caller = await on.send(STREAM, { "Content-Length": "2" }, "{}");
    const peer = await on.arrival(caller);
    await peer.message();
    caller[way]();
    await peer.gone();
    peer.socket.destroy();
  });
}

for (const way of ["end", "reset"]) {
  test(`a caller that hangs up (${way}) in mid-stream ends the call upstream`, async () => {
    const caller = await on.send(STREAM, { "Content-Length": "2" }, "{}");
    const peer = await on.arrival(caller);
    await peer.message();
    await peer.write(SSE);
    await caller.until(EVENT);
    caller.socket[way === "end" ? "destroy" : "resetAndDestroy"]();
    const gone = peer.gone();
    if (HALF_CLOSES) await goOn(peer, gone);
    await gone;
    peer.socket.destroy();
  });
}

/** Sends one event after the other until nobody takes them. */
async function goOn(peer, gone) {
  let over = false;
  gone.then(() => (over = true));
  while (!over && !peer.socket.destroyed) {
    peer.socket.write(chunk(EVENT));
    await setImmediate();
  }
}

test("a caller that hangs up in the middle of an upload leaves upstream with a broken request", async () => {
  const caller = await on.send("POST /upload/v1beta/files?upload_id=A", { "Content-Length": "1000" }, "first");
  const peer = await on.arrival(caller);
  const pieces = peer.pieces(await peer.head());
  assert.equal(String((await pieces.next()).value), "first");
  caller.reset();
  await assert.rejects(async () => {
    for await (const _ of pieces);
  });
  peer.socket.destroy();
});

for (const [framing, head] of [["chunked", SSE], ["with a length", message("HTTP/1.1 200 OK", { "Content-Length": "1000" }, EVENT)]]) {
  for (const way of ["end", "reset"]) {
    test(`an answer, ${framing}, that upstream breaks off (${way}) breaks off for the caller`, async () => {
      const caller = await on.send(STREAM, { "Content-Length": "2" }, "{}");
      const peer = await on.arrival(caller);
      await peer.message();
      await peer.write(head);
      const pieces = caller.pieces(await caller.head());
      assert.equal(String((await pieces.next()).value), EVENT);
      peer[way]();
      await assert.rejects(async () => {
        for await (const _ of pieces);
      });
      caller.socket.destroy();
    });
  }
}

function isUnreachable(reply) {
  assert.deepEqual([reply.status, reply.headers["x-relay-error"], reply.headers["x-relay"]], [502, "1", "1"]);
  const message = "The relay could not reach the Gemini API.";
  assert.deepEqual(JSON.parse(reply.body), { error: { code: 502, message, status: "UNAVAILABLE" } });
}

for (const way of ["end", "reset"]) {
  test(`an upstream that hangs up (${way}) without an answer is the relay's 502, without a reason`, async () => {
    const caller = await on.send(STREAM, { "Content-Length": "2" }, "{}");
    const peer = await on.arrival(caller);
    await peer.message();
    peer[way]();
    isUnreachable(await caller.message());
    caller.socket.destroy();
  });
}

test("an upstream that speaks something else is the relay's 502", async () => {
  const caller = await on.send(STREAM, { "Content-Length": "2" }, "{}");
  const peer = await on.arrival(caller);
  await peer.message();
  peer.end("SSH-2.0-OpenSSH\r\n\r\n");
  isUnreachable(await caller.message());
  caller.socket.destroy();
});

test("an upstream that is not there is the relay's 502", async () => {
  const closed = await listen();
  const relay = await start({ RELAY_TOKEN: TOKEN, UPSTREAM: closed.origin });
  closed.close();
  const caller = await connect(relay.port);
  await caller.write(message("GET /v1beta/models HTTP/1.1", { Host: "relay.test", "X-Relay-Token": TOKEN }));
  isUnreachable(await caller.message());
  caller.socket.destroy();
  await relay.stop();
});

test("after all that the relay still serves, and nothing of a call was printed", async () => {
  const answer = message("HTTP/1.1 200 OK", { "Content-Length": "2" }, "{}");
  const { reply } = await on.exchange("GET /v1beta/models", {}, "", answer);
  assert.equal(reply.status, 200);
  const printed = on.relay.errors() + on.relay.lines.join();
  for (const part of ["v1beta", "secret-key", TOKEN]) assert.ok(!printed.includes(part), printed);
});
