import { describe, expect, it } from "vitest";
import { findingWords, fixWords } from "../src/findings";
import type { Names } from "../src/names";
import type { Secrets, StoredKey } from "../src/secrets";
import { DEFAULTS, type InstanceSetting, type Settings, readSettings } from "../src/settings";
import { type Facts, type Finding, type Fix, validate } from "../src/validate";
import { down, key, status, up } from "./support/views";

const NAMES: Names = { key: (id) => `key ${id}`, instance: (id) => `instance ${id}`, isOff: () => false };
const GOOD = { id: "us", name: "US", url: "https://us.example" };

function secrets(keys: Partial<StoredKey>[] = [{}], instances: [string, { token?: string }][] = []): Secrets {
  return {
    keys: keys.map((some, index) => ({ id: `key${String(index + 1)}`, value: "v", ...some })),
    instances: new Map(instances),
    unreadable: [],
    listMissing: false,
  };
}

function facts(entries: unknown[] = [], some: Partial<Facts> = {}, settings: Partial<Settings> = {}): Facts {
  const read = readSettings(
    (name) => (name.endsWith("serverlessInstances") ? { globalValue: entries } : {}),
    DEFAULTS,
  );
  return {
    entries,
    settings: { ...read.settings, ...settings },
    secrets: secrets(),
    problems: read.problems,
    ...some,
  };
}

const codes = (of: Facts): string[] => validate(of).map(({ code, severity }) => `${severity} ${code}`);

describe("a look over the configuration", () => {
  it("finds nothing where nothing is wrong", () => {
    expect(codes(facts())).toEqual([]);
    const used = { status: status({ instances: [up("us")], keys: [key("key1")] }) };
    expect(codes(facts([GOOD], used, { deploymentMode: "hybrid" }))).toEqual([]);
  });

  it.each<[string, Facts, string[]]>([
    ["an entry without an id", facts([{ name: "x" }, "text"]), ["error entry", "error entry"]],
    [
      "an id that is not accepted",
      facts([
        { ...GOOD, id: "local" },
        { ...GOOD, id: "a b", name: "b", url: "https://b.example" },
      ]),
      ["error idForm", "error idForm"],
    ],
    ["an id twice", facts([GOOD, { ...GOOD, name: "other" }]), ["error idTwice"]],
    ["a name that is missing", facts([{ ...GOOD, name: " " }]), ["warning nameMissing"]],
    [
      "a long name and a long region",
      facts([{ ...GOOD, name: "x".repeat(101), region: "x".repeat(51) }]),
      ["warning nameLong", "warning regionLong"],
    ],
    [
      "an entry with a field of a wrong type",
      facts([
        { ...GOOD, enabled: "no" },
        { ...GOOD, id: "b", name: "b", url: "https://b.example", region: null },
        { ...GOOD, id: "c", name: "c", url: 5 },
      ]),
      ["error urlMissing", "warning local", "warning local"],
    ],
    ["a URL that is missing", facts([{ ...GOOD, url: "" }]), ["error urlMissing"]],
    ["a URL of Deno Deploy Classic", facts([{ ...GOOD, url: "https://x.deno.dev" }]), ["error url"]],
    ["a relay on this machine", facts([{ ...GOOD, url: "http://127.0.0.1:1" }]), ["info onThisMachine"]],
    [
      "a name twice",
      facts([GOOD, { id: "b", name: "us ", url: "https://b.example" }]),
      ["warning nameTwice"],
    ],
    ["a URL twice", facts([GOOD, { id: "b", name: "b", url: "https://US.example/" }]), ["warning urlTwice"]],
    ["an instance that is off", facts([{ ...GOOD, enabled: false }]), ["info off"]],
    [
      "an instance that is down",
      facts([GOOD], { status: status({ instances: [down("us")] }) }),
      ["warning down"],
    ],
    [
      "more than ten instances",
      facts(
        Array.from({ length: 11 }, (_, n) => ({
          id: `i${String(n)}`,
          name: `n${String(n)}`,
          url: `https://n${String(n)}.example`,
        })),
      ),
      ["warning manyInstances"],
    ],
    ["a mode without instances", facts([], {}, { deploymentMode: "serverless" }), ["error noInstances"]],
    [
      "a mode in which every instance is off",
      facts([{ ...GOOD, enabled: false }], {}, { deploymentMode: "hybrid" }),
      ["error allInstancesOff", "info off"],
    ],
    ["no keys", facts([], { secrets: secrets([]) }), ["error noKeys"]],
    ["every key off", facts([], { secrets: secrets([{ enabled: false }]) }), ["error allKeysOff"]],
    [
      "a binding to a missing instance",
      facts([], { secrets: secrets([{ binding: "gone" }]) }),
      ["warning boundToMissing", "info bindingsRest"],
    ],
    [
      "a binding to an instance that is off",
      facts(
        [
          { ...GOOD, enabled: false },
          { ...GOOD, id: "b", name: "b", url: "https://b.example" },
        ],
        { secrets: secrets([{ binding: "us" }]) },
        { deploymentMode: "serverless" },
      ),
      ["warning boundToOff", "info off"],
    ],
    [
      "a key bound to the direct way in serverless",
      facts([GOOD], { secrets: secrets([{ binding: "local" }]) }, { deploymentMode: "serverless" }),
      ["warning boundToLocal"],
    ],
    [
      "bindings in local mode",
      facts([GOOD], { secrets: secrets([{ binding: "us" }]) }),
      ["info bindingsRest"],
    ],
    [
      "unbound keys beside bound ones and several instances",
      facts(
        [GOOD, { ...GOOD, id: "b", name: "b", url: "https://b.example" }],
        { secrets: secrets([{ binding: "us" }, {}]) },
        { deploymentMode: "hybrid" },
      ),
      ["info unbound"],
    ],
    [
      "keys of one project",
      facts([], { secrets: secrets([{ project: "p" }, { project: "p" }, { project: "q" }]) }),
      ["info sameProject"],
    ],
    [
      "a token of an instance that is gone",
      facts([], { secrets: secrets([{}], [["gone", { token: "t" }]]) }),
      ["info straySecrets"],
    ],
    [
      "a setting of a wrong type",
      facts([], { problems: [{ code: "setting", subject: "port", expected: "wholeNumber" }] }),
      ["warning local"],
    ],
    [
      "what the sidecar says",
      facts([], {
        status: status({
          problems: [
            { code: "portRange", subject: null, severity: "error" },
            { code: "noKeys", subject: null, severity: "error" },
          ],
        }),
      }),
      ["error sidecar"],
    ],
  ])("finds %s", (_, of, expected) => {
    expect(codes(of)).toEqual(expected);
  });

  it("tells a relay that misses its token from one that is down", () => {
    const unauthorized = {
      id: "us",
      health: { kind: "down" as const, sinceMs: 0, nextTryMs: 0, reason: "unauthorized" as const },
    };
    const of = { status: status({ instances: [unauthorized] }) };
    expect(codes(facts([GOOD], of))).toEqual(["error noToken"]);
    expect(codes(facts([GOOD], { ...of, secrets: secrets([{}], [["us", { token: "t" }]]) }))).toEqual([
      "warning down",
    ]);
  });

  it("believes what was learnt of a key's project before what is written", () => {
    const learnt = status({
      keys: [
        { ...key("key1"), project: "x" },
        { ...key("key2"), project: "x" },
      ],
    });
    const [finding] = validate(
      facts([], { secrets: secrets([{ project: "a" }, { project: "b" }]), status: learnt }),
    );
    expect(finding).toMatchObject({ code: "sameProject", keys: ["key1", "key2"], project: "x" });
  });

  it("has words for each, and names keys and instances as people call them", () => {
    const off: InstanceSetting = { id: "off", url: "https://off.example", enabled: false };
    const findings: Finding[] = [
      ...validate(
        facts(
          [
            {},
            { ...GOOD, id: "local", name: "", url: "" },
            GOOD,
            GOOD,
            { ...off, name: "US", url: GOOD.url, region: "x".repeat(51) },
            { id: "l", name: "x".repeat(101), url: "http://localhost" },
            { id: "d", name: "d", url: "https://x.deno.dev" },
          ],
          {
            secrets: secrets(
              [{ binding: "gone", project: "p" }, { binding: "off", project: "p" }, { binding: "local" }, {}],
              [["stray", { token: "t" }]],
            ),
            status: status({
              instances: [down("us")],
              problems: [{ code: "caFile", subject: null, severity: "error" }],
            }),
            problems: [{ code: "keysLost" }],
          },
          { deploymentMode: "serverless" },
        ),
      ),
      ...validate(facts([off], { secrets: secrets([]) }, { deploymentMode: "hybrid" })),
      ...validate(
        facts([], { secrets: secrets([{ enabled: false, binding: "x" }]) }, { deploymentMode: "local" }),
      ),
      ...validate(
        facts(
          Array.from({ length: 11 }, () => ({ ...GOOD })),
          {},
          { deploymentMode: "local" },
        ),
      ),
      ...validate(
        facts([GOOD], {
          status: status({
            instances: [
              { id: "us", health: { kind: "down", sinceMs: 0, nextTryMs: 0, reason: "unauthorized" } },
            ],
          }),
        }),
      ),
      ...validate(facts([], {}, { deploymentMode: "hybrid" })),
    ];
    const said = findings.map((finding) => findingWords(finding, NAMES));
    expect(said.filter((words) => words === "" || words.includes("undefined"))).toEqual([]);
    expect(new Set(findings.map(({ code }) => code)).size).toBeGreaterThan(22);
    expect(said).toContain("key key2 is bound to instance off, which is switched off.");
    expect(said).toContain("Same project, one quota: key key1, key key2");
    expect(
      findings
        .flatMap(({ fix }) => (fix === undefined ? [] : [fixWords(fix)]))
        .every((words) => words !== ""),
    ).toBe(true);
  });

  it("offers what mends it", () => {
    const fixes = (of: Facts): (Fix | undefined)[] => validate(of).map(({ fix }) => fix);
    expect(fixes(facts([], {}, { deploymentMode: "hybrid" }))).toEqual([{ kind: "addInstance" }]);
    expect(fixes(facts([{ ...GOOD, url: "http://x" }]))).toEqual([{ kind: "editInstance", id: "us" }]);
    const told = status({
      problems: [
        { code: "portTaken", subject: "3145", severity: "error" },
        { code: "duplicateSecret", subject: "key2", severity: "warning" },
        { code: "invalidSecret", subject: "accessToken", severity: "error" },
        { code: "instanceToken", subject: "us", severity: "warning" },
        { code: "proxyUrl", subject: null, severity: "error" },
        { code: "ledgerBusy", subject: null, severity: "warning" },
      ],
    });
    expect(fixes(facts([], { status: told }))).toEqual([
      { kind: "anotherPort" },
      undefined,
      { kind: "openSettings", name: "proxy" },
      { kind: "modifyKey", id: "key2" },
      { kind: "editInstance", id: "us" },
      undefined,
    ]);
    const own = facts([], {
      problems: [
        { code: "keysLost" },
        { code: "tlsUnchecked", subject: "http.proxyStrictSSL" },
        { code: "secretInSettings", subject: "us" },
        { code: "secretUnreadable", subject: "x" },
      ],
    });
    expect(fixes(own)).toEqual([
      { kind: "addKey" },
      { kind: "openSettings", name: "strictTls" },
      { kind: "openSettings", name: "serverlessInstances" },
      undefined,
    ]);
  });

  it("has a word for every fix", () => {
    const kinds: Fix[] = [
      { kind: "addKey" },
      { kind: "addInstance" },
      { kind: "editInstance", id: "" },
      { kind: "removeInstance", id: "" },
      { kind: "testInstance", id: "" },
      { kind: "enableInstance", id: "" },
      { kind: "enableKey", id: "" },
      { kind: "modifyKey", id: "" },
      { kind: "bindKey", id: "" },
      { kind: "forgetSecrets", id: "" },
      { kind: "setMode" },
      { kind: "anotherPort" },
      { kind: "openSettings", name: "" },
    ];
    expect(kinds.map(fixWords).filter((words) => words === "")).toEqual([]);
  });
});
