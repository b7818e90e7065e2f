#!/usr/bin/env node
// Stands for the sidecar's program: speaks its protocol, and fails in the way that FAKE_PROGRAM names.
import { closeSync } from "node:fs";

const how = process.env.FAKE_PROGRAM ?? "well";
process.stderr.write(` INFO begun pid=${process.pid} level=${process.env.GEMINI_AGGREGATOR_LOG}\n`);
if (how === "dies") {
  process.exit(3);
}
if (how === "is forbidden") {
  process.kill(process.pid, "SIGKILL");
}
if (["silent", "deaf", "goes mute"].includes(how)) {
  process.on("SIGTERM", () => undefined);
}
if (how === "babbles") {
  process.stdout.write("a line that is no message\n");
}

let bytes = Buffer.alloc(0);
process.stdin.on("data", (more) => {
  bytes = Buffer.concat([bytes, more]);
  for (;;) {
    const end = bytes.indexOf("\r\n\r\n");
    const length = Number(/content-length: (\d+)/i.exec(bytes.subarray(0, Math.max(end, 0)).toString())?.[1]);
    if (end < 0 || bytes.length < end + 4 + length) {
      return;
    }
    const message = JSON.parse(bytes.subarray(end + 4, end + 4 + length).toString());
    bytes = bytes.subarray(end + 4 + length);
    take(message);
  }
});
process.stdin.on("end", () => ["deaf", "goes mute"].includes(how) || process.exit(0));

let state;
/** Of the window that serves. */
let knows = [];
function take({ id, method, params }) {
  switch (method) {
    case "initialize":
      state = params.initializationOptions.state;
      if (how === "refuses" || how === "understands nothing") {
        const code = how === "refuses" ? -32001 : -32602;
        send({ id, error: { code, message: "it speaks another protocol" } });
      } else if (how !== "silent") {
        send({ id, result: { capabilities: {} } });
      }
      break;
    case "initialized":
      status();
      break;
    case "aggregator/didChangeState":
      if (params.port === 666) {
        process.exit(9);
      }
      if (params.port === 667) {
        process.stdout.write("a line that is no message\n");
      }
      if (params.port === 668) {
        // Nobody can hear it any more, and it goes on.
        closeSync(1);
        break;
      }
      state = params;
      status();
      break;
    case "aggregator/didChangeLogLevel":
      process.stderr.write(` INFO told level=${params.level}\n`);
      // In the window that serves, something is changed.
      knows = state.keys;
      status();
      break;
    case "aggregator/retest":
      if (how === "follows" && !knows.some((key) => key.id === params.keyId)) {
        send({ id, error: { code: -32001, message: "there is no key with this id" } });
        break;
      }
      send({ id, result: { keyId: params.keyId, state: { kind: "ready" }, detail: { ok: true } } });
      break;
    case "aggregator/tryRequest":
      if (params.model === "slow") {
        process.stderr.write(" INFO waiting\n");
      } else {
        send({ id, result: { status: 200, model: params.model ?? "small" } });
      }
      break;
    case "$/cancelRequest":
      send({ id: params.id, error: { code: -32800, message: "Canceled" } });
      break;
    case "shutdown":
      if (how !== "deaf") {
        setTimeout(() => send({ id, result: null }), how === "lingers" ? 1000 : 0);
      }
      break;
    case "exit":
      process.exit(0);
  }
}

function role() {
  return how === "follows"
    ? { kind: "follower", port: state.port, leader: { pid: 1, version: "2" } }
    : { kind: "leader", port: state.port };
}

function status() {
  const rejected = state.port === 0 ? state.revision : null;
  send({
    method: "aggregator/didChangeStatus",
    params: {
      appliedRevision: rejected === null ? state.revision : state.revision - 1,
      rejectedRevision: rejected,
      version: String(process.pid),
      mode: state.mode,
      activeInstances: 0,
      role: JSON.parse(process.env.FAKE_ROLE ?? JSON.stringify(role())),
      instances: [],
      keys: knows.map(({ id }) => ({ id, state: { kind: "ready" } })),
      problems: [],
    },
  });
}

function send(message) {
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
  process.stdout.write(`Content-Length: ${body.length}\r\n\r\n`);
  process.stdout.write(body);
}
