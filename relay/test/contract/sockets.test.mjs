// The Live API: WebSockets pass both ways, with what was agreed on and how they end.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { bench } from "../lib/bench.mjs";
import { start, RUNTIME, TOKEN } from "../lib/runtimes.mjs";
import { message } from "../lib/wire.mjs";

const LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";

describe("a socket", () => {
  let relay;
  let server;
  before(async () => {
    server = new WebSocketServer({ port: 0, host: "127.0.0.1", maxPayload: 2 ** 28, handleProtocols: (names) => [...names].at(-1) });
    await once(server, "listening");
    relay = await start({ RELAY_TOKEN: TOKEN, UPSTREAM: `http://127.0.0.1:${server.address().port}` });
  });
  after(async () => {
    await relay?.stop();
    server?.close();
  });

  /** Both ends, open, and the request that arrived. Nothing that is said at once is missed. */
  async function open(headers = {}, target = LIVE, protocols = []) {
    const arriving = once(server, "connection");
    const all = { "x-relay-token": TOKEN, ...headers };
    const caller = listening(new WebSocket(`ws://127.0.0.1:${relay.port}${target}`, protocols, { headers: all, maxPayload: 2 ** 28 }));
    const opened = once(caller.socket, "open");
    const [socket, request] = await arriving;
    const peer = listening(socket);
    await opened;
    return { caller, peer, request };
  }

  /** A socket whose messages wait until they are asked for. */
  function listening(socket) {
    const inbox = [];
    const asked = [];
    socket.on("message", (data, binary) => {
      const said = binary ? data : String(data);
      asked.length > 0 ? asked.shift()(said) : inbox.push(said);
    });
    const closed = once(socket, "close").then(([code, reason]) => [code, String(reason)]);
    return { socket, closed, hear: () => (inbox.length > 0 ? Promise.resolve(inbox.shift()) : new Promise((resolve) => asked.push(resolve))) };
  }

  test("text and bytes go both ways, in order and whole", async () => {
    const { caller, peer } = await open();
    const large = Buffer.alloc(5 * 1024 * 1024, "ab");
    for (const [from, to] of [[caller, peer], [peer, caller]]) {
      for (const said of ['{"setup":{"model":"models/m"}}', "", "grüezi 你好", Buffer.from([0, 255, 10]), large]) {
        from.socket.send(said);
        assert.deepEqual(await to.hear(), said);
      }
    }
    caller.socket.close(1000, "done");
    assert.deepEqual(await peer.closed, [1000, "done"]);
    assert.deepEqual(await caller.closed, [1000, "done"]);
  });

  test("upstream gets path, query, key and protocol, and nothing of the caller's surroundings", async () => {
    const spread = { "x-goog-api-key": "AIzaExample", "x-goog-api-client": "c/1", cookie: "a=b", origin: "https://app.test", "user-agent": "SomeClient/1.0", "x-forwarded-for": "192.0.2.7" };
    const { caller, request } = await open(spread, `${LIVE}?alt=x`, ["one", "two"]);
    assert.equal(request.url, `${LIVE}?alt=x`);
    assert.equal(caller.socket.protocol, "two");
    const seen = request.headers;
    assert.deepEqual([seen["x-goog-api-key"], seen["x-goog-api-client"], seen["sec-websocket-protocol"]?.replace(/\s/g, "")], ["AIzaExample", "c/1", "one,two"]);
    for (const name of ["cookie", "origin", "x-forwarded-for", "x-relay-token", "referer"]) assert.equal(seen[name], undefined, name);
    assert.match(seen["user-agent"], RUNTIME === "deno" ? /^Deno\/[\d.]+$/ : /^gemini-aggregator-relay\/2\.0\.0$/); // Deno insists
    assert.equal(seen["accept-language"] ?? "*", "*");
    caller.socket.close();
    await caller.closed;
  });

  test("what upstream says at once is not lost", async () => {
    server.once("connection", (socket) => {
      socket.send("first");
      socket.close(1008, "API key not valid.");
    });
    const { caller } = await open();
    assert.equal(await caller.hear(), "first");
    assert.deepEqual(await caller.closed, [1008, "API key not valid."]);
  });

  for (const [code, reason] of [[1000, ""], [1007, "User location is not supported for the API use."], [1008, "denied"], [1011, "credit exhausted"], [4001, "own"]]) {
    test(`the caller learns that upstream closed with ${code}`, async () => {
      const { caller, peer } = await open();
      peer.socket.close(code, reason);
      assert.deepEqual(await caller.closed, [code, reason]);
    });
  }

  test("upstream learns that the caller closed with 4002", async () => {
    const { caller, peer } = await open();
    caller.socket.close(4002, "mine");
    assert.deepEqual(await peer.closed, [4002, "mine"]);
  });

  test("a caller that vanishes ends the socket upstream", async () => {
    const { caller, peer } = await open();
    caller.socket.terminate();
    await peer.closed;
  });

  test("an upstream that vanishes ends the caller's socket, and not as if all were well", async () => {
    const { caller, peer } = await open();
    peer.socket.terminate();
    const [code] = await caller.closed;
    assert.notEqual(code, 1000);
  });
});

describe("a handshake", () => {
  const on = bench();
  const HANDSHAKE = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" };

  test("is refused without the token, and off the Live API's path", async () => {
    for (const [target, token, status] of [[LIVE, "wrong", 401], ["/v1beta/models", TOKEN, 404], ["/ws/other", TOKEN, 404]]) {
      const reply = await on.ask(`GET ${target}`, { ...HANDSHAKE, "X-Relay-Token": token });
      assert.deepEqual([target, reply.status, reply.headers["x-relay-error"]], [target, status, "1"]);
    }
    assert.equal(on.upstream.count(), 0);
  });

  test("that upstream refuses is refused", async () => {
    const caller = await on.send(`GET ${LIVE}`, HANDSHAKE);
    const peer = await on.arrival(caller);
    await peer.head();
    peer.end(message("HTTP/1.1 403 Forbidden", { "Content-Type": "text/plain", "Content-Length": "6", Connection: "close" }, "denied"));
    const reply = await caller.message();
    // Deno and Bun do not say how upstream refused.
    const expected = ["deno", "bun"].includes(RUNTIME) ? [502, "1"] : [403, undefined];
    assert.deepEqual([reply.status, reply.headers["x-relay-error"]], expected);
    caller.socket.destroy();
  });

  test("that upstream does not answer is the relay's 502", async () => {
    const caller = await on.send(`GET ${LIVE}`, HANDSHAKE);
    const peer = await on.arrival(caller);
    await peer.head();
    peer.reset();
    const reply = await caller.message();
    assert.deepEqual([reply.status, reply.headers["x-relay-error"]], [502, "1"]);
    caller.socket.destroy();
  });
});
