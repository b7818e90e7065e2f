import { describe, expect, it } from "vitest";
import type { Inspect } from "../src/settings";
import { type Change, type Legacy, type SettingsFile, readLegacy, settingsIn } from "../src/upgrade/legacy";
import { type Step, stepWords, upgradeNotice, upgradeReport } from "../src/upgrade/words";
import { SharedSecrets } from "./support/secrets";

const NAMES = { key: (id: string) => `name of ${id}`, instance: (id: string) => id, isOff: () => false };
const OLD_KEY = "AIzaSyFromVersionOne-0000000000000000001";
const bound = (keyId: string, instanceId: string): unknown => ({
  keyId,
  instanceId,
  createdAt: "2025-07-10T08:00:00.000Z",
});

/** A profile as 1.0.0 leaves it: three keys, two relays, one binding. */
const SECRETS = {
  geminiApiKeysIds: '["key1","key2","key3"]',
  geminiApiKeyCounter: "4",
  key1: OLD_KEY,
  key2: "AIzaSyFromVersionOne-0000000000000000002",
  key3: "AIzaSyFromVersionOne-0000000000000000003",
  geminiApiKeyBindings: JSON.stringify([bound("key2", "instance-1")]),
};
/** It was used, and every key deleted. */
const SEEN = { geminiApiKeysIds: "[]", geminiApiKeyCounter: "7" };
const RELAY = { id: "instance-1", name: "My relay", url: "https://relay.example/" };
const SETTINGS = {
  deploymentMode: "hybrid",
  serverlessInstances: [RELAY, { id: "instance-2", name: "", url: "https://two.example" }],
};

async function read(
  secrets: Record<string, string>,
  settings: Record<string, unknown> = {},
  files: SettingsFile[] = [],
): Promise<Legacy | undefined> {
  const shared = new SharedSecrets(secrets);
  const inspect: Inspect = (name) => ({ globalValue: settings[name.replace("geminiAggregator.", "")] });
  const legacy = await readLegacy(shared.window(), inspect, files);
  expect(shared.writes).toEqual([]);
  return legacy;
}
const changes = async (...of: Parameters<typeof read>): Promise<Change[]> =>
  (await read(...of))?.changes ?? [];
const codes = async (...of: Parameters<typeof read>): Promise<string[]> =>
  (await changes(...of)).map(({ code }) => code);

describe("what 1.x left", () => {
  it("is nothing at a first installation, whatever 2.x has stored since", async () => {
    expect(await read({})).toBeUndefined();
    expect(
      await read({ geminiAggregatorPoolId: "x", geminiAggregatorAccessToken: "y" }, SETTINGS),
    ).toBeUndefined();
  });

  it("is counted: keys, instances, bindings, mode", async () => {
    expect(await read(SECRETS, SETTINGS)).toMatchObject({
      keys: 3,
      instances: 2,
      bindings: 1,
      mode: "hybrid",
    });
    expect(await codes(SECRETS, SETTINGS)).toEqual(["bindings"]);
  });

  it.each<[string, Record<string, string>, Record<string, unknown>]>([
    ["keys in the setting that 1.x read", {}, { apiKeys: [OLD_KEY] }],
    ["an empty list of keys and a counter", { geminiApiKeysIds: "[]", geminiApiKeyCounter: "7" }, {}],
    ["a binding alone", { geminiApiKeyBindings: JSON.stringify([bound("key1", "x")]) }, {}],
    ["a list that cannot be read", { geminiApiKeysIds: "{" }, {}],
  ])("is there with %s", async (_, secrets, settings) => {
    expect(await read(secrets, settings)).toBeDefined();
  });

  it("changes nothing for keys alone", async () => {
    const { geminiApiKeyBindings: _, ...keysOnly } = SECRETS;
    expect(await codes(keysOnly)).toEqual([]);
  });

  it.each<[string, Record<string, unknown>, Change[]]>([
    ["a port that 1.x did not read", { port: 4000 }, [{ code: "port", port: 4000 }]],
    ["not the port that it used", { port: 3145 }, []],
    [
      "serverless with nothing to serve",
      { deploymentMode: "serverless" },
      [{ code: "serverless", usable: 0 }],
    ],
    [
      "serverless with a relay",
      { deploymentMode: "serverless", serverlessInstances: [RELAY] },
      [{ code: "serverless", usable: 1 }],
    ],
    ["hybrid without fallback", { deploymentMode: "hybrid", fallbackToLocal: false }, [{ code: "hybrid" }]],
    ["not hybrid with fallback", { deploymentMode: "hybrid" }, []],
    ["keys in a setting that nobody uses", { apiKeys: [OLD_KEY, "", 3] }, [{ code: "apiKeys", count: 1 }]],
    ["a timeout that now holds everywhere", { requestTimeout: 5000 }, [{ code: "timeout", ms: 5000 }]],
    [
      "not a value of a wrong type",
      { port: "4000", serverlessInstances: "x", deploymentMode: 3, requestTimeout: null },
      [],
    ],
  ])("names %s", async (_, settings, expected) => {
    expect(await changes(SEEN, settings)).toEqual(expected);
  });

  it("names relays that are dead, unsafe or refused, by their names", async () => {
    const relay = (name: string, url: string): unknown => ({ id: `id of ${name}`, name, url });
    const serverlessInstances = [
      relay("dead", "https://a.deno.dev"),
      relay("dead too", "http://b.deno.dev/x"),
      relay("open", "http://192.168.1.2:80"),
      relay("here", "http://127.0.0.1:9"),
      relay("query", "https://a.example/?k=1"),
      { id: "broken" },
    ];
    expect(await changes(SEEN, { deploymentMode: "serverless", serverlessInstances })).toEqual([
      { code: "serverless", usable: 1 },
      { code: "retired", instances: ["dead", "dead too"] },
      { code: "plainHttp", instances: ["open"] },
      { code: "refusedUrl", instances: ["query"] },
    ]);
  });

  it("tells bindings that take effect from those that mean nothing", async () => {
    const geminiApiKeyBindings = JSON.stringify([
      bound("key1", "instance-1"),
      bound("key9", "instance-1"),
      bound("key2", "gone"),
      { keyId: 3 },
    ]);
    expect(await changes({ ...SECRETS, geminiApiKeyBindings }, SETTINGS)).toEqual([
      { code: "bindings", bindings: [{ keyId: "key1", instanceId: "instance-1" }], resting: false },
      {
        code: "orphans",
        bindings: [
          { keyId: "key9", instanceId: "instance-1" },
          { keyId: "key2", instanceId: "gone" },
        ],
      },
    ]);
    expect((await changes(SECRETS, { ...SETTINGS, deploymentMode: "local" }))[0]).toMatchObject({
      code: "bindings",
      resting: true,
    });
  });

  it("takes a binding to an instance that is refused for one that means nothing", async () => {
    const dead = { ...SETTINGS, serverlessInstances: [{ ...RELAY, url: "https://dead.deno.dev" }] };
    expect(await codes(SECRETS, dead)).toEqual(["retired", "orphans"]);
  });

  it("names keys twice there, ids without a value, and a lost counter, and counts each value once", async () => {
    const legacy = await read({
      geminiApiKeysIds: '["key1","key2","key3","key5"]',
      key1: OLD_KEY,
      key2: ` ${OLD_KEY}\n`,
      key3: " ",
    });
    expect(legacy?.keys).toBe(1);
    expect(legacy?.changes).toEqual([
      { code: "duplicates", keys: ["key2"] },
      { code: "noValue", keys: ["key3", "key5"] },
      { code: "counter" },
    ]);
  });

  it("names what cannot be read and leaves it", async () => {
    expect(await changes({ ...SECRETS, geminiApiKeyBindings: "no JSON" })).toEqual([
      { code: "unreadable", names: ["geminiApiKeyBindings"] },
    ]);
  });

  it("names settings of a workspace, where they stand", async () => {
    const text =
      '{ // ours\n "geminiAggregator.port" : 1, "editor.tabSize": 2, "geminiAggregator.deploymentMode": "local", "geminiAggregator.port": 2 }';
    expect(settingsIn(text)).toEqual(["port", "deploymentMode"]);
    const commented =
      '{ // "geminiAggregator.port": 1\n /* "geminiAggregator.upstream": "x",\n */ "a": "https://b.example/*", "c\\"": "//", "geminiAggregator.proxy": "d" }';
    expect(settingsIn(commented)).toEqual(["proxy"]);
    expect(settingsIn('{ "unfinished: 1,\n"geminiAggregator.port": 1')).toEqual(["port"]);
    const files = [
      { path: "a/.vscode/settings.json", text },
      { path: "b/.vscode/settings.json", text: "{}" },
    ];
    expect(await changes(SECRETS, {}, files)).toContainEqual({
      code: "workspace",
      places: [{ path: "a/.vscode/settings.json", settings: ["port", "deploymentMode"] }],
    });
    expect(await read({}, {}, files)).toBeUndefined();
  });

  it("is told without the value of any key", async () => {
    const legacy = await read(
      { ...SECRETS, geminiApiKeyCounter: OLD_KEY },
      { apiKeys: [OLD_KEY], ...SETTINGS },
    );
    expect(JSON.stringify(legacy)).not.toContain("AIza");
  });
});

describe("an upgrade", () => {
  const EVERYTHING: Legacy = {
    keys: 3,
    instances: 2,
    bindings: 1,
    mode: "serverless",
    changes: [
      { code: "port", port: 4000 },
      { code: "serverless", usable: 0 },
      { code: "serverless", usable: 1 },
      { code: "hybrid" },
      { code: "apiKeys", count: 2 },
      { code: "timeout", ms: 5000 },
      { code: "retired", instances: ["Deno"] },
      { code: "plainHttp", instances: ["Open"] },
      { code: "refusedUrl", instances: ["Odd"] },
      { code: "bindings", bindings: [{ keyId: "key1", instanceId: "us" }], resting: false },
      { code: "bindings", bindings: [{ keyId: "key1", instanceId: "us" }], resting: true },
      { code: "workspace", places: [{ path: "a/.vscode/settings.json", settings: ["port"] }] },
      { code: "orphans", bindings: [{ keyId: "key9", instanceId: "us" }] },
      { code: "duplicates", keys: ["key2"] },
      { code: "noValue", keys: ["key3"] },
      { code: "counter" },
      { code: "unreadable", names: ["geminiApiKeyBindings"] },
    ],
  };

  it("is told in one message: what was taken over, what is different, and what helps first", () => {
    const { text, steps } = upgradeNotice(EVERYTHING, false);
    expect(text).toBe(
      "Gemini Aggregator 2 goes on with what version 1 left. Keys: 3, instances: 2, bindings: 1. Different for you: port 4000 is used and no longer 3145; serverless mode never goes directly, and there is no instance it can use; serverless mode never goes directly; hybrid mode does not go directly without local fallback; instances on *.deno.dev, which are dead: 1; instances by http, which are refused: 1; instances whose URL is refused: 1; bindings that take effect: 1; settings of a workspace are not read; and 8 more.",
    );
    expect(steps).toEqual(["setMode", "keepPort"]);
  });

  it.each<[Change[], string, Step[]]>([
    [[], "Some things work differently now.", []],
    [[{ code: "counter" }], "Changes that concern your setup: 1.", []],
    [
      [{ code: "serverless", usable: 1 }, { code: "counter" }],
      "Different for you: serverless mode never goes directly; and 1 more.",
      [],
    ],
  ])("is told without steps where nothing has to be done: %o", (changes, end, steps) => {
    const told = upgradeNotice({ ...EVERYTHING, changes }, false);
    expect(told.text.endsWith(` bindings: 1. ${end}`)).toBe(true);
    expect(told.steps).toEqual(steps);
  });

  it.each<[Change[], Step[]]>([
    [[{ code: "port", port: 4000 }], ["keepPort"]],
    [[{ code: "serverless", usable: 0 }], ["setMode"]],
    [[{ code: "hybrid" }], ["fallBack"]],
    [[{ code: "apiKeys", count: 1 }], ["addKeys"]],
    [[{ code: "workspace", places: [] }], ["openSettings"]],
    [
      [
        { code: "retired", instances: ["a"] },
        { code: "plainHttp", instances: ["b"] },
        { code: "refusedUrl", instances: ["c"] },
      ],
      ["editInstance"],
    ],
    [
      [
        { code: "bindings", bindings: [], resting: false },
        { code: "orphans", bindings: [] },
      ],
      ["reviewBindings"],
    ],
  ])("offers each step once: %o", (changes, steps) => {
    expect(upgradeNotice({ ...EVERYTHING, changes }, false).steps).toEqual(steps);
  });

  it("is told together with who may reach the endpoint, and how to keep them out", () => {
    const { text, steps } = upgradeNotice(EVERYTHING, true);
    expect(text).toMatch(/and 8 more\. Others on this remote machine may reach your endpoint\./);
    expect(steps).toEqual(["setMode", "askForToken"]);
  });

  it("has words for every button", () => {
    const steps: Step[] = [
      "keepPort",
      "setMode",
      "fallBack",
      "editInstance",
      "reviewBindings",
      "addKeys",
      "openSettings",
      "askForToken",
    ];
    expect(new Set(steps.map(stepWords)).size).toBe(steps.length);
  });

  it("is laid open in a document: one line a change, and what changed for everybody", () => {
    const report = upgradeReport(EVERYTHING, NAMES);
    const [, taken = "", own = "", all = ""] = report.split(/^## .*$/m);
    expect(taken).toContain("- Deployment mode: serverless");
    expect(own.match(/^- /gm)).toHaveLength(EVERYTHING.changes.length);
    expect(own).toContain("name of key1 → us");
    expect(own).toContain("geminiAggregator.port");
    expect(all).toContain("Only this machine can connect");
    expect(upgradeReport({ ...EVERYTHING, changes: [] }, NAMES)).toContain("- Nothing that could be found.");
  });

  it("shows names of the user's as text", () => {
    const changes: Change[] = [{ code: "retired", instances: ["[x](command:y) <img src=z>\n# h"] }];
    expect(upgradeReport({ ...EVERYTHING, changes }, NAMES)).toContain(
      "\\[x\\](command:y) \\<img src=z\\> \\# h",
    );
  });
});
