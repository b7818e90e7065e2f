// Bodies stream both ways and arrive byte for byte.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { bench } from "../lib/bench.mjs";
import { gzipSync } from "node:zlib";
import { chunk, message } from "../lib/wire.mjs";

const on = bench();
const MIB = 1024 * 1024;
const BLOCK = Buffer.from(Array.from({ length: MIB }, (_, at) => (at * 31 + (at >> 8)) & 255));
const hash = () => createHash("sha256");

test("events arrive one by one: each is sent only after the one before was read", async () => {
  const caller = await on.send("POST /v1beta/models/m:streamGenerateContent?alt=sse", { "Content-Length": "2" }, "{}");
  const peer = await on.arrival(caller);
  await peer.message();
  await peer.write(message("HTTP/1.1 200 OK", { "Content-Type": "text/event-stream", "Transfer-Encoding": "chunked" }));
  let pieces;
  for (let n = 0; n < 20; n++) {
    const event = `data: {"n":${n}}\r\n\r\n`;
    await peer.write(chunk(event));
    pieces ??= caller.pieces(await caller.head());
    let got = "";
    while (got.length < event.length) got += (await pieces.next()).value;
    assert.equal(got, event);
  }
  peer.end("0\r\n\r\n");
  assert.equal((await pieces.next()).done, true);
  caller.socket.destroy();
});

test("95 MB go up unchanged, and upstream reads the first before the caller has sent the last", async () => {
  const blocks = 95;
  const head = { "Content-Length": blocks * MIB, "X-Goog-Upload-Offset": "0", "X-Goog-Upload-Command": "upload, finalize" };
  const caller = await on.send("POST /upload/v1beta/files?upload_id=A", head);
  await caller.write(BLOCK);
  const peer = await on.arrival(caller);
  const request = await peer.head();
  assert.ok(Number(request.headers["content-length"]) === blocks * MIB || request.headers["transfer-encoding"] === "chunked");
  const pieces = peer.pieces(request);
  const seen = hash().update((await pieces.next()).value);
  const sent = hash().update(BLOCK);
  const sending = (async () => {
    for (let n = 1; n < blocks; n++) {
      sent.update(BLOCK);
      await caller.write(BLOCK);
    }
  })();
  for await (const piece of pieces) seen.update(piece);
  await sending;
  assert.equal(seen.digest("hex"), sent.digest("hex"));
  await peer.write(message("HTTP/1.1 200 OK", { "X-Goog-Upload-Status": "final", "Content-Length": "2" }, "{}"));
  const reply = await caller.message();
  assert.deepEqual([reply.status, reply.headers["x-goog-upload-status"], reply.body], [200, "final", "{}"]);
  caller.socket.destroy();
  peer.socket.destroy();
});

test("an upload of unknown length arrives whole", async () => {
  const caller = await on.send("PUT /upload/v1beta/files", { "Transfer-Encoding": "chunked" }, chunk("first "));
  const peer = await on.arrival(caller);
  const request = await peer.head();
  const pieces = peer.pieces(request);
  let got = "";
  while (got.length < 6) got += (await pieces.next()).value;
  await caller.write(`${chunk("second")}0\r\n\r\n`);
  for await (const piece of pieces) got += piece;
  assert.equal(got, "first second");
  await peer.write(message("HTTP/1.1 200 OK", { "Content-Length": "0" }));
  assert.equal((await caller.head()).status, 200);
  caller.socket.destroy();
  peer.socket.destroy();
});

for (const [how, head, last] of [
  ["of known length", { "Content-Length": 64 * MIB }, ""],
  ["of unknown length", { "Transfer-Encoding": "chunked" }, "0\r\n\r\n"],
]) {
  test(`64 MiB ${how} come down unchanged, the first read before the last is sent`, async () => {
    const caller = await on.send("GET /download/v1beta/files/f:download?alt=media");
    const peer = await on.arrival(caller);
    await peer.message();
    await peer.write(message("HTTP/1.1 200 OK", { "Content-Type": "video/mp4", ...head }));
    const block = last ? Buffer.concat([Buffer.from(`${MIB.toString(16)}\r\n`), BLOCK, Buffer.from("\r\n")]) : BLOCK;
    await peer.write(block);
    const reply = await caller.head();
    const pieces = caller.pieces(reply);
    const seen = hash().update((await pieces.next()).value);
    const sent = hash().update(BLOCK);
    const sending = (async () => {
      for (let n = 1; n < 64; n++) {
        sent.update(BLOCK);
        await peer.write(block);
      }
      peer.end(last);
    })();
    for await (const piece of pieces) seen.update(piece);
    await sending;
    assert.equal(seen.digest("hex"), sent.digest("hex"));
    if (!last) assert.equal(Number(reply.headers["content-length"] ?? 64 * MIB), 64 * MIB);
    caller.socket.destroy();
  });
}

test("an answer that upstream packs, though identity was asked for, arrives packed and named so", async () => {
  const text = Buffer.from(JSON.stringify({ text: "x".repeat(5000) }));
  const packed = gzipSync(text);
  const head = { "Content-Type": "application/json", "Content-Encoding": "gzip", "Content-Length": packed.length };
  const answer = Buffer.concat([Buffer.from(message("HTTP/1.1 200 OK", head)), packed]);
  const { reply, received } = await on.exchange("GET /v1beta/models", {}, "", answer);
  assert.deepEqual([reply.headers["content-encoding"], received], ["gzip", packed]);
});

test("statuses without a body end at their head", async () => {
  for (const [status, head] of [[204, {}], [304, { ETag: '"e"' }], [200, { "Content-Length": "0" }]]) {
    const answer = message(`HTTP/1.1 ${status} X`, head);
    const { reply, received } = await on.exchange("DELETE /v1beta/files/f", {}, "", answer);
    assert.deepEqual([reply.status, received.length, reply.headers.etag], [status, 0, head.ETag]);
  }
});

test("redirects are handed on and not followed", async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    const location = `${on.upstream.origin}/download/v1beta/files/f:download?alt=media`;
    const before = on.upstream.count();
    const answer = message(`HTTP/1.1 ${status} X`, { Location: location, "Content-Type": "application/json", "Content-Length": "2" }, "{}");
    const { reply, received } = await on.exchange("GET /v1beta/files/f:download?alt=media", {}, "", answer);
    assert.deepEqual([reply.status, reply.headers.location, received.toString()], [status, location, "{}"]);
    assert.equal(on.upstream.count(), before + 1);
  }
});

test("an answer that comes before the upload has ended arrives", async () => {
  const caller = await on.send("POST /upload/v1beta/files?upload_id=A", { "Content-Length": "100" }, "half");
  const peer = await on.arrival(caller);
  await peer.head();
  await peer.write(message("HTTP/1.1 413 X", { "Content-Type": "text/plain", "Content-Length": "3" }, "big"));
  const reply = await caller.message();
  assert.deepEqual([reply.status, reply.body, reply.headers["x-relay-error"]], [413, "big", undefined]);
  caller.socket.destroy();
  peer.socket.destroy();
});

test("calls on one connection do not mix", async () => {
  const caller = await on.send("GET /v1beta/models?n=0");
  for (let n = 0; n < 3; n++) {
    const peer = await on.arrival(caller);
    const { line } = await peer.message();
    await peer.write(message("HTTP/1.1 200 OK", { "Content-Length": line.length, Connection: "close" }, line));
    assert.equal((await caller.message()).body, `GET /v1beta/models?n=${n} HTTP/1.1`);
    peer.socket.destroy();
    if (n < 2) await caller.write(message(`GET /v1beta/models?n=${n + 1} HTTP/1.1`, { Host: "relay.test", "X-Relay-Token": "a-token-of-24-characters" }));
  }
  caller.socket.destroy();
});
