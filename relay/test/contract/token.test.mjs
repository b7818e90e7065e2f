// Who may call: the holder of the token, and nobody where there is none.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bench, OK } from "../lib/bench.mjs";
import { RUNTIME, TOKEN } from "../lib/runtimes.mjs";
import { connect, message } from "../lib/wire.mjs";

const CALL = "POST /v1beta/models/m:generateContent";

function isOwnError(reply, code, status) {
  assert.equal(reply.status, code);
  assert.equal(reply.headers["x-relay-error"], "1");
  assert.equal(reply.headers["x-relay"], "1");
  assert.equal(reply.headers["cache-control"], "no-store");
  const { error } = JSON.parse(reply.body);
  assert.deepEqual([error.code, error.status, typeof error.message], [code, status, "string"]);
}

describe("with a token", () => {
  const on = bench();

  test("the right token opens", async () => {
    const { reply, received } = await on.exchange("GET /v1beta/models", {}, "", OK);
    assert.deepEqual([reply.status, received.toString()], [200, "{}"]);
    assert.equal(reply.headers["x-relay-error"], undefined);
  });

  test("any other token is refused, and upstream hears nothing", async () => {
    const before = on.upstream.count();
    const wrong = ["", TOKEN.slice(0, -1), `${TOKEN}x`, TOKEN.toUpperCase(), `${TOKEN}, ${TOKEN}`, "x".repeat(24), "ü".repeat(24)];
    for (const token of wrong) {
      isOwnError(await on.ask(CALL, { "X-Relay-Token": token, "Content-Length": "2" }, "{}"), 401, "UNAUTHENTICATED");
    }
    const bare = await connect(on.relay.port);
    await bare.write(message(`${CALL} HTTP/1.1`, { Host: "relay.test", "Content-Length": "0" }));
    isOwnError(await bare.message(), 401, "UNAUTHENTICATED");
    bare.socket.destroy();
    assert.equal(on.upstream.count(), before);
  });

  test("a token elsewhere than in its header does not open", async () => {
    const spread = { "X-Relay-Token": "", Authorization: `Bearer ${TOKEN}`, Cookie: `x-relay-token=${TOKEN}` };
    isOwnError(await on.ask(`GET /v1beta/models?x-relay-token=${TOKEN}`, spread), 401, "UNAUTHENTICATED");
  });

  test("it says one line when it listens, and nothing about calls", () => {
    const own = `relay listening on http://127.0.0.1:${on.relay.port}`;
    assert.deepEqual(on.relay.lines, [RUNTIME === "workerd" ? `{"event":"listen","socket":"http","port":${on.relay.port}}` : own]);
  });
});

for (const [what, token] of [["no", undefined], ["an empty", ""], ["a too short", TOKEN.slice(0, 23)]]) {
  describe(`with ${what} token`, () => {
    const on = bench({ RELAY_TOKEN: token });

    test("the relay is closed, whatever the caller sends", async () => {
      for (const sent of ["", token ?? "undefined", TOKEN]) {
        isOwnError(await on.ask("GET /v1beta/models", { "X-Relay-Token": sent }), 503, "UNAVAILABLE");
      }
      assert.equal(on.upstream.count(), 0);
    });

    test("health says so", async () => {
      const reply = await on.ask("GET /health", { "X-Relay-Token": token ?? "" });
      assert.deepEqual(JSON.parse(reply.body), { status: "ok", relay: "gemini-aggregator", protocol: 1, auth: "unset" });
    });
  });
}
