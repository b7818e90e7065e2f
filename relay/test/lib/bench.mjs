// What nearly every test needs: the worker, an upstream behind it, and a caller in front of it.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { connect, listen, message } from "./wire.mjs";
import { start, TOKEN } from "./runtimes.mjs";

/** Starts worker and upstream for the tests of a file, and ends them. */
export function bench(env = { RELAY_TOKEN: TOKEN }) {
  const on = {};
  before(async () => {
    on.upstream = await listen();
    on.relay = await start({ UPSTREAM: on.upstream.origin, ...env });
  });
  after(async () => {
    await on.relay?.stop();
    on.upstream?.close();
  });

  /** Sends the head of a request, with the token unless `headers` says otherwise, and hands back the connection. */
  on.send = async (line, headers = {}, body = "") => {
    const caller = await connect(on.relay.port);
    const all = { Host: "relay.test", "X-Relay-Token": TOKEN, ...headers };
    await caller.write(message(`${line} HTTP/1.1`, all, body));
    return caller;
  };

  /** A request that nobody upstream is to see. */
  on.ask = async (line, headers, body) => {
    const caller = await on.send(line, headers, body);
    const head = await caller.head();
    const text = line.startsWith("HEAD ") ? "" : (await caller.body(head)).toString();
    caller.socket.destroy();
    return { ...head, body: text };
  };

  /** Upstream's end of the request that `caller` sent. */
  on.arrival = async (caller) => {
    const refused = caller.more().then(() => assert.fail(`answered without upstream: ${caller.rest}`));
    refused.catch(() => {});
    return Promise.race([on.upstream.accept(), refused]);
  };

  /** A request that upstream answers whole, and what both ends saw. */
  on.exchange = async (line, headers, body, answer) => {
    const caller = await on.send(line, headers, body);
    const peer = await on.arrival(caller);
    const request = await peer.message();
    await peer.write(answer);
    const reply = await caller.head();
    const received = await caller.body(reply);
    caller.socket.destroy();
    peer.socket.destroy();
    return { request, reply, received };
  };
  return on;
}

export const OK = message("HTTP/1.1 200 OK", { "Content-Type": "application/json", "Content-Length": "2", Connection: "close" }, "{}");
