import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Check, CheckCode, Fault } from "../../protocol/protocol";
import { byWay, checkWords, isGood, summary, wayWords } from "../src/checks";
import type { Names } from "../src/names";
import { outcomeWords, ruleWords, verdictWords } from "../src/rules";

const NAMES: Names = {
  key: (id) => (id.startsWith("key") ? `key ${id}` : id),
  instance: (id) => (id === "us" ? "Deno US" : id),
  isOff: () => false,
};

function check(code: CheckCode, detail: Check["detail"] = {}, some: Partial<Check> = {}): Check {
  return { subject: "us", code, ok: detail.fault === undefined, latencyMs: 12, detail, ...some };
}

const CODES: CheckCode[] = [
  "proxy",
  "dns",
  "tcp",
  "tls",
  "relayHealth",
  "relayVersion",
  "relayToken",
  "reach",
  "key",
];

describe("a check in words", () => {
  it("has a title for every code", () => {
    expect(new Set(CODES.map((code) => checkWords(check(code), NAMES).title)).size).toBe(CODES.length);
  });

  it.each<[string, Check, string, boolean]>([
    [
      "a name with its addresses",
      check("dns", { host: "a.example", addresses: ["192.0.2.1", "192.0.2.2"] }),
      "a.example → 192.0.2.1, 192.0.2.2 · 12 ms",
      false,
    ],
    [
      "a name that is unknown",
      check("dns", { fault: "unknownHost", host: "a.example" }),
      "the name has no address · a.example · 12 ms",
      true,
    ],
    [
      "a certificate for another name",
      check("tls", { fault: "certificateName", host: "a:443", certificate: ["b.example"] }),
      "the certificate is for another name · a:443 · certificate for b.example · 12 ms",
      true,
    ],
    ["a good certificate, without its names", check("tls", { certificate: ["a.example"] }), "12 ms", false],
    [
      "a proxy",
      check("proxy", { proxy: "http://p:3128", host: "a:443" }),
      "http://p:3128 · a:443 · 12 ms",
      false,
    ],
    [
      "what a relay says of itself",
      check("relayVersion", { relay: { version: "2.0.0", runtime: "deno", region: "us", legacy: false } }),
      "2.0.0, deno, us · 12 ms",
      false,
    ],
    [
      "the original's relay",
      check("relayVersion", { relay: { legacy: true } }),
      "the original extension's relay, without a token · 12 ms",
      false,
    ],
    [
      "a key that is refused",
      check("key", {
        fault: "keyRefused",
        key: "key1",
        rule: "leaked",
        status: 403,
        message: "It was leaked.",
      }),
      "Google refuses the key · key key1 · HTTP status 403 · found in public by Google: make a new one · “It was leaked.” · 12 ms",
      false,
    ],
    [
      "a key that rests",
      check("key", { key: "key1", rule: "perDay", status: 429 }),
      "key key1 · HTTP status 429 · limit per day · 12 ms",
      false,
    ],
    [
      "an answer whose rule says nothing",
      check("reach", { rule: "ok", status: 200 }),
      "HTTP status 200 · 12 ms",
      false,
    ],
    [
      "settings that do not allow it",
      check("dns", { fault: "settings", rule: "instanceRetired" }, { latencyMs: null }),
      "The instance Deno US is on *.deno.dev, which was shut down on 2026-07-20. Deploy it elsewhere.",
      false,
    ],
    [
      "settings with a word of their own",
      check("dns", { fault: "settings", rule: "trust" }, { latencyMs: null }),
      "the settings do not allow it",
      false,
    ],
    ["nothing but good", check("relayToken", {}, { latencyMs: null }), "good", false],
    ["nothing but bad", check("relayToken", {}, { latencyMs: null, ok: false }), "failed", false],
  ])("tells %s", (_, of, text, helped) => {
    const words = checkWords(of, NAMES);
    expect(words.text).toBe(text);
    expect(words.help !== undefined).toBe(helped);
  });

  it("helps only where something failed", () => {
    const faults: Fault[] = [
      "refused",
      "certificateTime",
      "certificateIssuer",
      "proxyCredentials",
      "tokenUnset",
      "tokenMissing",
      "tokenRejected",
      "otherProtocol",
      "location",
      "noKey",
    ];
    for (const fault of faults) {
      expect([fault, checkWords(check("tcp", { fault }), NAMES).help === undefined]).toEqual([fault, false]);
      expect(checkWords(check("tcp", { fault }, { ok: true }), NAMES).help).toBeUndefined();
    }
  });
});

describe("a diagnosis", () => {
  const good = check("dns", { host: "a" });
  const bad = check("tcp", { fault: "refused" }, { latencyMs: null });

  it("is good if something was tested and nothing failed", () => {
    expect([isGood({ checks: [good] }), isGood({ checks: [good, bad] }), isGood({ checks: [] })]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("is summed up in a sentence", () => {
    expect(summary({ checks: [] }, NAMES)).toBe("There was nothing to test.");
    expect(summary({ checks: [good] }, NAMES)).toBe("Everything that was tested is good.");
    expect(summary({ checks: [good, bad] }, NAMES)).toBe(
      "Deno US: Connection (TCP) failed: connection refused",
    );
    expect(summary({ checks: [bad, bad, bad] }, NAMES)).toBe(
      "Deno US: Connection (TCP) failed: connection refused. And 2 more.",
    );
  });

  it("is told way by way", () => {
    const local = { ...good, subject: "local" };
    expect(byWay({ checks: [good, local, bad] })).toEqual([
      ["us", [good, bad]],
      ["local", [local]],
    ]);
    expect([wayWords("local", NAMES), wayWords("us", NAMES)]).toEqual(["Direct way", "Deno US"]);
  });
});

describe("rules, outcomes and verdicts", () => {
  it("have words for every row of the reference, and are shown as they are if they are unknown", () => {
    const http = readFileSync(join(__dirname, "../../docs/http.md"), "utf8");
    const table = http.slice(
      http.indexOf("| rule | the attempt ended with"),
      http.indexOf("HEAD has no body"),
    );
    const rules = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, rule = ""]) => rule),
    );
    expect(rules.length).toBeGreaterThan(35);
    expect(rules.filter((rule) => ruleWords(rule) === rule)).toEqual([]);
    expect(["429", "constructor", "newer"].map((outcome) => outcomeWords(outcome))).toEqual([
      "429",
      "constructor",
      "newer",
    ]);
    const verdicts = [
      "deliver",
      "return",
      "retry",
      "coolBucket",
      "quarantine",
      "blockPair",
      "blameEgress",
      "blameModel",
      "none",
    ];
    expect(verdicts.filter((verdict) => verdictWords(verdict) === verdict)).toEqual([]);
    const others = [
      "disabled",
      "noEgress",
      "modelResting",
      "tried",
      "left",
      "rejected",
      "billing",
      "noRoute",
      "trust",
      "settings",
    ];
    expect(others.filter((rule) => ruleWords(rule) === rule)).toEqual([]);
  });
});
