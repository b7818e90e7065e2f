// What passes up and down: what is on the lists, and nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bench, OK } from "../lib/bench.mjs";
import { RUNTIME } from "../lib/runtimes.mjs";
import { message } from "../lib/wire.mjs";

const on = bench();

const UP = {
  accept: "text/event-stream",
  authorization: "Bearer ya29.x",
  "content-type": "application/json",
  "if-match": '"a"',
  "if-none-match": '"b"',
  range: "bytes=0-5",
  "x-goog-api-client": "google-genai-sdk/3.4.0",
  "x-goog-api-key": "AIzaExample",
  "x-goog-future-thing": "1",
  "x-goog-upload-command": "upload, finalize",
  "x-goog-upload-header-content-length": "12345",
  "x-goog-upload-offset": "0",
  "x-goog-user-project": "p",
  "x-server-timeout": "30",
};

const NOT_UP = {
  "accept-language": "de-CH",
  "cdn-loop": "cloudflare",
  "cf-connecting-ip": "192.0.2.7",
  "cf-ipcountry": "CH",
  "cf-ray": "1",
  "cf-worker": "example.test",
  "cache-control": "no-cache",
  cookie: "session=1",
  dnt: "1",
  forwarded: "for=192.0.2.7",
  origin: "https://app.test",
  pragma: "no-cache",
  "proxy-authorization": "Basic eA==",
  referer: "https://app.test/page",
  "sec-ch-ua": "x",
  "sec-fetch-site": "cross-site",
  te: "trailers",
  "true-client-ip": "192.0.2.7",
  "user-agent": "SomeClient/1.0",
  via: "1.1 proxy.test",
  "x-api-key": "no",
  "x-forwarded-for": "192.0.2.7",
  "x-forwarded-host": "relay.test",
  "x-forwarded-proto": "https",
  "x-gemini-api-privileged-user-id": "u",
  "x-real-ip": "192.0.2.7",
  "x-request-id": "1",
  "x-vercel-ip-city": "Bern",
};

/** What each runtime's own HTTP adds, in addition to what the worker sets; all of it says nothing about the caller. */
const OWN = {
  node: { connection: "keep-alive" },
  workerd: {},
  deno: { "accept-language": "*" },
  bun: { connection: "keep-alive" },
}[RUNTIME];

test("upstream gets the listed headers with their values, ours, and no others, the token not either", async () => {
  const sent = { ...NOT_UP, ...UP, "accept-encoding": "gzip, br", "Content-Length": "2" };
  const { request } = await on.exchange("POST /v1beta/models/m:streamGenerateContent?alt=sse", sent, "{}", OK);
  assert.equal(request.body, "{}");
  assert.deepEqual(request.headers, {
    ...UP,
    ...OWN,
    "accept-encoding": "identity",
    "content-length": "2",
    host: `127.0.0.1:${on.upstream.port}`,
    "user-agent": "gemini-aggregator-relay/2.0.0",
  });
  const names = request.pairs.map(([name]) => name);
  assert.equal(new Set(names).size, names.length, "each arrives once");
});

test("a caller without accept and user-agent gets those of the worker", async () => {
  const { request } = await on.exchange("GET /v1beta/models", {}, "", OK);
  assert.deepEqual([request.headers.accept, request.headers["user-agent"]], ["*/*", "gemini-aggregator-relay/2.0.0"]);
  assert.deepEqual([request.headers["content-length"], request.headers["transfer-encoding"]], [undefined, undefined]);
});

test("a packed request body arrives as it is, and is named", async () => {
  const sent = { "content-encoding": "gzip", "content-type": "application/json", "Content-Length": "5" };
  const { request } = await on.exchange("POST /v1beta/models/m:generateContent", sent, "\u001f\u0008abc", OK);
  assert.deepEqual([request.headers["content-encoding"], request.body], ["gzip", "\u001f\u0008abc"]);
});

const DOWN = {
  "accept-ranges": "bytes",
  "content-disposition": "attachment",
  "content-range": "bytes 0-1/2",
  "content-type": "application/json; charset=UTF-8",
  etag: '"e"',
  "last-modified": "Wed, 25 Nov 2026 00:00:00 GMT",
  "retry-after": "7",
  server: "UploadServer",
  "server-timing": "gfet4t7; dur=5",
  vary: "Origin, X-Origin, Referer",
  "x-gemini-service-tier": "standard",
  "x-goog-upload-chunk-granularity": "8388608",
  "x-goog-upload-status": "active",
  "x-goog-upload-url": "https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=A",
};

const NOT_DOWN = {
  "access-control-allow-origin": "*",
  "alt-svc": 'h3=":443"',
  "cf-ray": "1",
  "set-cookie": ["a=1", "b=2"],
  "strict-transport-security": "max-age=1",
  "x-frame-options": "DENY",
  "x-powered-by": "x",
  "x-relay-error": "1",
  "x-xss-protection": "0",
};

test("the caller gets the listed headers with their values, ours, and no others", async () => {
  const answer = message("HTTP/1.1 206 Partial Content", { ...NOT_DOWN, ...DOWN, "cache-control": "private", "Content-Length": "2" }, "{}");
  const { reply, received } = await on.exchange("GET /v1beta/files/f", {}, "", answer);
  assert.deepEqual([reply.status, received.toString()], [206, "{}"]);
  const { date, connection, "keep-alive": alive, ...headers } = reply.headers; // of the caller's own connection
  assert.deepEqual(headers, { ...DOWN, "cache-control": "no-store", "content-length": "2", "x-accel-buffering": "no", "x-relay": "1" });
});

test("Google's errors pass whole, and are not marked as the relay's", async () => {
  const text = '{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}';
  for (const status of [400, 401, 403, 404, 429, 500, 502, 503, 504]) {
    const answer = message(`HTTP/1.1 ${status} X`, { "Content-Type": "text/event-stream", "Content-Length": text.length }, text);
    const { reply, received } = await on.exchange("GET /v1beta/models", {}, "", answer);
    assert.deepEqual([reply.status, received.toString()], [status, text]);
    assert.deepEqual([reply.headers["content-type"], reply.headers["x-relay-error"]], ["text/event-stream", undefined]);
  }
});
