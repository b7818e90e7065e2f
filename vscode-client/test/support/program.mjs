#!/usr/bin/env node
// Stands for the sidecar's program: speaks its protocol, and fails in the way that FAKE_PROGRAM names.
const how = process.env.FAKE_PROGRAM ?? "well";
process.stderr.write(` INFO begun pid=${process.pid} level=${process.env.GEMINI_AGGREGATOR_LOG}\n`);
if (how === "dies") {
  process.exit(3);
}
if (how === "silent" || how === "deaf") {
  process.on("SIGTERM", () => undefined);
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
process.stdin.on("end", () => how === "deaf" || process.exit(0));

let state;
function take({ id, method, params }) {
  switch (method) {
    case "initialize":
      state = params.initializationOptions.state;
      if (how === "refuses") {
        send({ id, error: { code: -32001, message: "it speaks another protocol" } });
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
      state = params;
      status();
      break;
    case "aggregator/didChangeLogLevel":
      process.stderr.write(` INFO told level=${params.level}\n`);
      break;
    case "aggregator/retest":
      send({ id, result: { keyId: params.keyId, state: { kind: "ready" }, detail: { ok: true } } });
      break;
    case "shutdown":
      if (how !== "deaf") {
        send({ id, result: null });
      }
      break;
    case "exit":
      process.exit(0);
  }
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
      role: JSON.parse(process.env.FAKE_ROLE ?? JSON.stringify({ kind: "leader", port: state.port })),
      instances: [],
      keys: [],
      problems: [],
    },
  });
}

function send(message) {
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
  process.stdout.write(`Content-Length: ${body.length}\r\n\r\n`);
  process.stdout.write(body);
}
