// Where a call may go: to the API's paths on the one upstream, however the target is spelled.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bench, OK } from "../lib/bench.mjs";
import { listen } from "../lib/wire.mjs";

const on = bench();
let decoy;
before(async () => (decoy = await listen()));
after(() => decoy.close());

const PASS = [
  "/v1/models",
  "/v1beta/models/gemini-2.5-flash:generateContent",
  "/v1alpha/auth_tokens",
  "/v1beta/openai/chat/completions",
  "/v1beta/models?pageSize=1&filter=a%20b%2Fc&x=%2e%2e/..//y",
  "/upload/v1beta/files?upload_id=ABC&upload_protocol=resumable",
  "/download/v1beta/files/f:download?alt=media",
  "/v1beta/files/a%C3%A9%3Ab...c..",
];

for (const target of PASS) {
  test(`${target} arrives as it is`, async () => {
    const { request } = await on.exchange(`GET ${target}`, {}, "", OK);
    assert.equal(request.line, `GET ${target} HTTP/1.1`);
    assert.equal(request.headers.host, `127.0.0.1:${on.upstream.port}`);
  });
}

test("other paths are not found", async () => {
  const before = on.upstream.count();
  const others = [
    "/", "/v1", "/v1beta", "/v1betax/models", "/v2/models", "/V1beta/models", "/x/v1beta/models", "/upload/files", "/upload/", "/healthz",
    "/health/", "/ws/", "/ws/other.Service", "/ws/google.ai.other", "/upload/ws/google.ai.generativelanguage.v1beta", "/%761beta/models",
  ];
  for (const target of others) {
    const { status, headers, body } = await on.ask(`GET ${target}`);
    assert.deepEqual([target, status, headers["x-relay-error"], headers["x-relay"]], [target, 404, "1", "1"]);
    assert.equal(JSON.parse(body).error.status, "NOT_FOUND");
  }
  assert.equal(on.upstream.count(), before);
});

test("other methods are not allowed", async () => {
  const before = on.upstream.count();
  for (const method of ["HEAD", "OPTIONS", "PROPFIND"]) {
    const { status, headers } = await on.ask(`${method} /v1beta/models`);
    assert.deepEqual([method, status, headers["x-relay-error"]], [method, 405, "1"]);
    assert.equal(headers["access-control-allow-origin"], undefined);
  }
  assert.equal(on.upstream.count(), before);
});

/** Each of these would leave the API's paths, or the upstream, if it were read carelessly. */
function tricks(host) {
  return [
    `//${host}/v1beta/models`, `///${host}/v1beta/models`, `/\\${host}/v1beta/models`, `/v1beta/../../v2/x`, `/v1beta/../v2/x`,
    `/v1beta/%2e%2e/v2/x`, `/v1beta/%2E./v2/x`, `/v1beta/.%2E/v2/x`, `/v1beta/..%2fv2/x`, `/v1beta/..%5cv2/x`, `/v1beta/%2e%2e%2fv2/x`,
    `/v1beta/a%2f..%2f..%2fv2/x`, `/v1beta/a%5C%2E%2E%5Cx`, `/v1beta\\..\\v2\\x`, `/v1beta/..\\v2`, `/v1beta/./models`, `/v1beta/models/..`,
    `/v1beta/models/%2e`, `http://${host}/v1beta/models`, `http://${host}//v1beta/models`, `http://a@${host}/v1beta/models`, `@${host}/v1beta/models`,
    `.${host}/v1beta/models`, `:80@${host}/v1beta/models`, `/v1beta/@${host}/`, `/v1beta/..;/v2`, `/v1beta/..?/../v2`, `*`, `${host}`,
  ];
}

test("no spelling of the target moves the upstream or leaves the API's paths", async () => {
  const host = `127.0.0.1:${decoy.port}`;
  for (const target of tricks(host)) {
    const caller = await on.send(`GET ${target}`);
    const answered = caller.head().then((reply) => ({ reply }), () => ({}));
    const arrived = on.upstream.accept().then((peer) => ({ peer }));
    const { peer, reply } = await Promise.race([answered, arrived]);
    if (peer) {
      const { line, headers } = await peer.head();
      assert.match(line, /^GET \/(v1|v1beta|v1alpha)\/[^\\]* HTTP\/1\.1$/, target);
      assert.doesNotMatch(line.split("?")[0], /(\/|\\|%2f|%5c)(\.|%2e){1,2}(\/|\\|%2f|%5c| |$)/i, target);
      assert.equal(headers.host, `127.0.0.1:${on.upstream.port}`);
      peer.socket.destroy();
    } else {
      // Refused by the worker, or by the runtime before it.
      assert.ok(reply === undefined || reply.status === 404 || (reply.status === 400 && !reply.headers["x-relay"]), `${target}: ${reply?.line}`);
      on.upstream.forget();
    }
    caller.socket.destroy();
  }
  assert.equal(decoy.count(), 0);
});
