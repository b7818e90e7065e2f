import { describe, expect, it } from "vitest";
import type { Status } from "../../protocol/protocol";
import { describe as face, headline, instanceState } from "../src/describe";
import type { View } from "../src/view";
import { NOW, clock, down, key, keys, out, rest, up, view } from "./support/views";

const problem = (
  code: Status["problems"][number]["code"],
  severity: "error" | "warning" = "error",
): Status["problems"] => [{ code, subject: null, severity }];
const strict: Partial<View> = { settings: { port: 3145, fallbackToLocal: false } };

describe("the status bar", () => {
  it.each<[string, Partial<Status> | undefined, Partial<View>, string, string?]>([
    ["starting", undefined, { phase: { kind: "starting" } }, "$(sync~spin) Gemini: starting"],
    ["running without a status", undefined, {}, "$(sync~spin) Gemini: starting"],
    ["nothing bound yet", { role: { kind: "starting" } }, {}, "$(sync~spin) Gemini: starting"],
    [
      "no valid port",
      { role: { kind: "starting" }, problems: problem("portRange") },
      {},
      "$(error) Gemini: stopped",
      "error",
    ],
    ["stopped", undefined, { phase: { kind: "stopped" } }, "$(error) Gemini: stopped", "error"],
    [
      "crashed",
      undefined,
      { phase: { kind: "failed", failure: { kind: "crashed" } } },
      "$(error) Gemini: stopped",
      "error",
    ],
    ["no keys", {}, {}, "$(key) Gemini: add a key"],
    ["one key", { keys: keys(1) }, {}, "$(cloud) Gemini: local · 1 key"],
    ["five keys", { keys: keys(5) }, {}, "$(cloud) Gemini: local · 5 keys"],
    [
      "a key that is out",
      { keys: [...keys(4), key("key5", out())] },
      {},
      "$(cloud) Gemini: local · 4/5 keys",
    ],
    [
      "keys that rest or are switched off",
      { keys: [...keys(1), key("a", rest(["m", 5])), key("b", { kind: "disabled" })] },
      {},
      "$(cloud) Gemini: local · 1/3 keys",
    ],
    [
      "a model no tier includes",
      { keys: [key("a", rest(["pro", 999, "notEntitled"]), ["pro"])] },
      {},
      "$(cloud) Gemini: local · 1 key",
    ],
    [
      "hybrid, two of three up",
      { mode: "hybrid", activeInstances: 2, instances: [up("a"), up("b"), down("c")], keys: keys(5) },
      {},
      "$(cloud) Gemini: hybrid 2/3 · 5 keys",
    ],
    [
      "an instance that is switched off",
      { mode: "serverless", activeInstances: 1, instances: [up("a"), down("off")], keys: keys(5) },
      {},
      "$(cloud) Gemini: serverless 1/1 · 5 keys",
    ],
    [
      "hybrid, none up, direct allowed",
      { mode: "hybrid", instances: [down("a"), down("b"), down("c")], keys: keys(5) },
      {},
      "$(warning) Gemini: hybrid 0/3",
    ],
    [
      "hybrid, none up, no fallback",
      { mode: "hybrid", instances: [down("a")], keys: keys(5) },
      strict,
      "$(warning) Gemini: hybrid 0/1",
      "warning",
    ],
    [
      "serverless without instances",
      { mode: "serverless", keys: keys(5) },
      {},
      "$(warning) Gemini: serverless · no relay · 5 keys",
      "warning",
    ],
    [
      "hybrid without instances, direct allowed",
      { mode: "hybrid", keys: keys(2) },
      {},
      "$(warning) Gemini: hybrid · no relay · 2 keys",
    ],
    [
      "hybrid, every instance switched off, no fallback",
      { mode: "hybrid", instances: [down("off")], keys: keys(1) },
      strict,
      "$(warning) Gemini: hybrid · no relay · 1 key",
      "warning",
    ],
    [
      "dry",
      { keys: [key("a", rest(["m", 5])), key("b", rest(["m", 9]))] },
      {},
      "$(watch) Gemini: dry, 14:05",
      "warning",
    ],
    [
      "dry for one model of two",
      { keys: [key("a", rest(["m", 5]), ["n"]), key("b", rest(["m", 9]))] },
      {},
      "$(cloud) Gemini: local · 0/2 keys",
    ],
    [
      "dry, and the others are out",
      { keys: [key("a", rest(["*", 5]), ["n"]), key("b", out())] },
      {},
      "$(watch) Gemini: dry, 14:05",
      "warning",
    ],
    [
      "all out",
      { keys: [key("a", out()), key("b", out(5)), key("c", { kind: "disabled" })] },
      {},
      "$(error) Gemini: all keys invalid",
      "error",
    ],
    [
      "the alarm",
      { keys: keys(3), problems: problem("allKeysInvalid") },
      {},
      "$(error) Gemini: all keys invalid",
      "error",
    ],
    ["all switched off", { keys: [key("a", { kind: "disabled" })] }, {}, "$(cloud) Gemini: local · 0/1 key"],
    [
      "a taken port",
      { role: { kind: "blocked", port: 3145, by: "portTaken" }, keys: keys(1) },
      {},
      "$(error) Gemini: port 3145 taken",
      "error",
    ],
    [
      "a follower",
      { role: { kind: "follower", port: 3145, leader: { pid: 7, version: "2" } }, keys: keys(5) },
      {},
      "$(cloud) Gemini: local · 5 keys",
    ],
    ["a change under way", { keys: keys(5) }, { applying: true }, "$(sync~spin) Gemini: local · 5 keys"],
    [
      "a wrong setting",
      { keys: keys(5) },
      { problems: [{ code: "setting", subject: "port", expected: "wholeNumber" }] },
      "$(warning) Gemini: local · 5 keys",
    ],
    [
      "a state that was refused",
      { keys: keys(5), problems: problem("undecodable") },
      {},
      "$(warning) Gemini: local · 5 keys",
    ],
    [
      "a warning of the sidecar's",
      { keys: keys(5), problems: problem("ledgerBusy", "warning") },
      {},
      "$(cloud) Gemini: local · 5 keys",
    ],
    [
      "a proxy that is refused",
      { keys: keys(5), problems: problem("proxyUrl") },
      {},
      "$(error) Gemini: local · 5 keys",
      "error",
    ],
    [
      "no upstream",
      { keys: keys(5), problems: problem("upstreamUrl") },
      {},
      "$(error) Gemini: local · 5 keys",
      "error",
    ],
    [
      "no upstream, but relays",
      {
        mode: "serverless",
        activeInstances: 1,
        instances: [up("a")],
        keys: keys(5),
        problems: problem("upstreamUrl"),
      },
      {},
      "$(warning) Gemini: serverless 1/1 · 5 keys",
    ],
  ])("%s", (_, of, some, text, colour) => {
    const shown = face(view(of, some), NOW, clock);
    expect([shown.text, shown.colour]).toEqual([text, colour]);
    expect(headline(shown)).toBe(text.replace(/^\S+ /, ""));
  });
});

describe("the tooltip", () => {
  const lines = (of: Partial<Status> | undefined, some: Partial<View> = {}): string[] =>
    face(view(of, some), NOW, clock).tooltip.map(({ text }) => text);

  it("tells endpoint, each key and relay, and the next recovery", () => {
    const legacy = { id: "old", health: { kind: "up", latencyMs: 9, version: null, legacy: true } } as const;
    expect(
      lines({
        mode: "hybrid",
        activeInstances: 1,
        keys: [
          key("a"),
          key("b", rest(["m", 5], ["*", 9, "perDay"])),
          key("c", out()),
          key("d", out(7)),
          key("e", { kind: "disabled" }),
        ],
        instances: [up("us"), legacy, down("eu"), { id: "new", health: { kind: "unknown" } }, up("off1")],
      }),
    ).toEqual([
      "Endpoint: http://127.0.0.1:3145",
      "Keys",
      "name of a: ready; 0 requests today",
      "name of b: rests for m until 14:05 (limit per minute), all models until 14:09 (limit per day); 0 requests today",
      "name of c: out: not accepted by Google; 0 requests today",
      "name of d: out until 14:07: not accepted by Google; 0 requests today",
      "name of e: switched off; 0 requests today",
      "Next recovery: 14:05",
      "Instances",
      "us: up, 84 ms",
      "old: up, 9 ms (legacy, no token)",
      "eu: down: not reachable; next try 14:01",
      "new: not asked yet",
      "off1: switched off",
    ]);
    expect(instanceState(down("x"), NOW + 9e9, clock)).toBe("down: not reachable");
  });

  it("tells what a mode without a relay means", () => {
    const noInstances = { keys: keys(1), problems: problem("noInstances") };
    const told = (mode: Status["mode"], some: Partial<View> = {}): string[] =>
      lines({ mode, ...noInstances }, some).filter((line) => /relay|instance/.test(line));
    expect(told("hybrid")).toEqual(["There is no relay in use: requests go directly."]);
    expect(told("hybrid", strict)).toEqual([
      "There is no relay in use: only keys that are bound to the direct way can send.",
    ]);
    expect(told("serverless")).toEqual([
      "There is no relay in use, so no request can leave. Add an instance, or choose another mode.",
    ]);
    expect(lines({ mode: "hybrid", instances: [up("us")], keys: keys(1) }).join()).not.toContain("no relay");
  });

  it("says of each line what picking it does, or that it belongs to the one above", () => {
    const deeds = (of: Partial<Status> | undefined, some: Partial<View> = {}): unknown[] =>
      face(view(of, some), NOW, clock).tooltip.map(({ kind, does }) => (kind === "heading" ? kind : does));
    expect(
      deeds({
        mode: "hybrid",
        activeInstances: 1,
        role: { kind: "follower", port: 4000, leader: { pid: 7, version: "2" } },
        keys: [key("a", rest(["m", 5]))],
        instances: [up("us")],
        problems: problem("undecodable"),
      }),
    ).toEqual([
      { command: "copyEndpoint", about: "address" },
      undefined,
      { command: "validateConfig" },
      "heading",
      { key: "a" },
      { command: "listApiKeys" },
      { command: "listApiKeys" },
      "heading",
      { instance: "us" },
    ]);
    expect(deeds({ problems: problem("noKeys", "warning") })).toEqual([
      { command: "copyEndpoint", about: "address" },
      { command: "addApiKey" },
    ]);
    expect(deeds({ role: { kind: "blocked", port: 3145, by: "portTaken" } })).toEqual([
      { command: "useAnotherPort" },
    ]);
    expect(deeds(undefined, { phase: { kind: "stopped" } })).toEqual([{ command: "startServer" }, undefined]);
  });

  it("counts one request as one", () => {
    expect(lines({ keys: [{ ...key("a"), usedToday: 1 }] })).toContain("name of a: ready; 1 request today");
  });

  it("tells a follower's window whom it follows, and that a change is under way", () => {
    expect(
      lines({ role: { kind: "follower", port: 4000, leader: { pid: 7, version: "2" } } }, { applying: true }),
    ).toEqual([
      "Endpoint: http://127.0.0.1:4000",
      "Served by another window (process 7); this one takes over when it goes.",
      "A change is being applied.",
    ]);
  });

  it("tells what is wrong, with the names that people gave", () => {
    expect(
      lines(
        {
          role: { kind: "blocked", port: 3145, by: "portTaken" },
          problems: [{ code: "unknownInstance", subject: "key2", severity: "warning" }],
        },
        { problems: [{ code: "keysLost" }] },
      ),
    ).toEqual([
      "No request is answered",
      "Your keys were not kept: this editor has no system keyring.",
      "name of key2 is bound to an instance that does not exist; it is used as if unbound.",
    ]);
  });

  it("tells for which models no key is left", () => {
    expect(lines({ keys: [key("a", rest(["m", 5], ["n", 9]))] })).toContain(
      "No key is left for m, n until 14:05",
    );
    expect(lines({ keys: [key("a", rest(["*", 5]))] })).toContain(
      "No key is left for all models until 14:05",
    );
  });

  it.each<[View["phase"], string]>([
    [{ kind: "starting" }, "Starting"],
    [
      { kind: "stopped" },
      "The server of this window does not run. Requests are answered only if another window has the port.",
    ],
    [
      { kind: "failed", failure: { kind: "crashed" } },
      "The server crashed five times within three minutes and is not started again.",
    ],
    [
      { kind: "failed", failure: { kind: "silent" } },
      "The server did not answer within 10 seconds and was ended.",
    ],
    [
      { kind: "failed", failure: { kind: "refused" } },
      "The server's program does not fit this extension. Install the extension anew.",
    ],
    [
      { kind: "failed", failure: { kind: "heldBack", code: "EACCES" } },
      "The system does not let the server's program run (EACCES). Allow it in the virus scanner or in the security settings of the system, or install the extension anew.",
    ],
    [
      { kind: "failed", failure: { kind: "notStarted", code: "EACCES" } },
      "The server could not be started (EACCES).",
    ],
    [
      { kind: "failed", failure: { kind: "binaryMissing", platform: "sunos-x64" } },
      "The extension holds no program for sunos-x64. Install the extension for this platform. If a virus scanner took the program away, allow it there first.",
    ],
    [
      { kind: "failed", failure: { kind: "binaryForeign", platform: "linux-arm" } },
      "The program in the extension does not run on linux-arm. Install the extension for this platform.",
    ],
  ])("tells why nothing runs: %o", (phase, sentence) => {
    expect(lines(undefined, { phase })).toContain(sentence);
  });
});
