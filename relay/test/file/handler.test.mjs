// `fetch` on Node, as Vercel calls it: there Node's own fetch() carries the call.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import relay from "../../relay.mjs";
import { chunk, listen, message } from "../lib/wire.mjs";

const TOKEN = "a-token-of-24-characters";
const original = globalThis.fetch;
let upstream;
let env;
before(async () => {
  upstream = await listen();
  env = { RELAY_TOKEN: TOKEN, UPSTREAM: upstream.origin };
});
after(() => upstream.close());
afterEach(() => (globalThis.fetch = original));

const call = (path, { headers, ...rest } = {}) => new Request(`https://relay.test${path}`, { headers: { "x-relay-token": TOKEN, ...headers }, ...rest });

test("upstream gets the headers of the lists, and what Node's fetch() adds", async () => {
  const headers = { "x-goog-api-key": "AIzaExample", "x-forwarded-for": "192.0.2.7", "user-agent": "SomeClient/1.0", "accept-language": "de-CH" };
  const answered = relay.fetch(call("/v1beta/models/m:generateContent", { method: "POST", body: "{}", headers }), env);
  const peer = await upstream.accept();
  const request = await peer.message();
  peer.end(message("HTTP/1.1 200 OK", { "Content-Length": "2", "Set-Cookie": "a=1" }, "{}"));
  const reply = await answered;
  assert.deepEqual([reply.status, await reply.text(), reply.headers.get("set-cookie")], [200, "{}", null]);
  const { host, connection, "content-length": length, "transfer-encoding": framing, ...seen } = request.headers;
  assert.deepEqual(seen, {
    accept: "*/*",
    "accept-encoding": "identity",
    "accept-language": "*",
    "content-type": "text/plain;charset=UTF-8",
    "sec-fetch-mode": "cors",
    "user-agent": "gemini-aggregator-relay/2.0.0",
    "x-goog-api-key": "AIzaExample",
  });
});

test("an answer that upstream packs arrives unpacked and is not named packed", async () => {
  const packed = gzipSync("hello");
  const answered = relay.fetch(call("/v1beta/models"), env);
  const peer = await upstream.accept();
  await peer.message();
  peer.end(Buffer.concat([Buffer.from(message("HTTP/1.1 200 OK", { "Content-Encoding": "gzip", "Content-Length": packed.length })), packed]));
  const reply = await answered;
  assert.deepEqual([await reply.text(), reply.headers.get("content-encoding"), reply.headers.get("content-length")], ["hello", null, null]);
});

test("events arrive one by one, and a reader that leaves ends the call upstream", async () => {
  const answered = relay.fetch(call("/v1beta/models/m:streamGenerateContent?alt=sse"), env);
  const peer = await upstream.accept();
  await peer.message();
  await peer.write(message("HTTP/1.1 200 OK", { "Content-Type": "text/event-stream", "Transfer-Encoding": "chunked" }));
  const reader = (await answered).body.getReader();
  for (const event of ["data: 1\r\n\r\n", "data: 2\r\n\r\n"]) {
    await peer.write(chunk(event));
    assert.equal(String(Buffer.from((await reader.read()).value)), event);
  }
  await reader.cancel();
  await peer.gone();
  peer.socket.destroy();
});

test("a caller that hangs up before the answer ends the call upstream", async () => {
  const caller = new AbortController();
  const answered = relay.fetch(call("/v1beta/models", { signal: caller.signal }), env);
  const peer = await upstream.accept();
  await peer.message();
  caller.abort();
  await peer.gone();
  assert.equal((await answered).headers.get("x-relay-error"), "1");
  peer.socket.destroy();
});

test("no setting but a loopback one moves the upstream", async () => {
  const went = [];
  globalThis.fetch = async (url) => {
    went.push(new URL(url).origin);
    return new Response("{}");
  };
  const elsewhere = [
    "https://evil.test", "http://127.0.0.1.evil.test", "http://localhost.evil.test", "http://evil.test#127.0.0.1", "http://127.0.0.1@evil.test",
    "http://192.0.2.1", "http://0.0.0.0", "ftp://127.0.0.1", "not a url", "",
  ];
  for (const UPSTREAM of elsewhere) await relay.fetch(call("/v1beta/models"), { RELAY_TOKEN: TOKEN, UPSTREAM });
  assert.deepEqual(went.splice(0), elsewhere.map(() => "https://generativelanguage.googleapis.com"));
  for (const UPSTREAM of ["http://localhost:1", "http://127.0.0.2:1", "https://[::1]:1"]) await relay.fetch(call("/v1beta/models"), { RELAY_TOKEN: TOKEN, UPSTREAM });
  assert.deepEqual(went, ["http://localhost:1", "http://127.0.0.2:1", "https://[::1]:1"]);
});

test("no text of an exception reaches the caller", async () => {
  globalThis.fetch = async () => {
    throw new Error("secret detail");
  };
  const reply = await relay.fetch(call("/v1beta/models"), env);
  assert.equal(reply.status, 502);
  assert.doesNotMatch(await reply.text(), /secret/);
});

test("a WebSocket is refused, and health does not promise one", async () => {
  const live = call("/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", { headers: { upgrade: "websocket" } });
  const reply = await relay.fetch(live, env);
  assert.deepEqual([reply.status, reply.headers.get("x-relay-error")], [501, "1"]);
  const { features, runtime } = await (await relay.fetch(call("/health"), env)).json();
  assert.deepEqual([features, runtime], [["stream", "upload"], "node"]);
});
