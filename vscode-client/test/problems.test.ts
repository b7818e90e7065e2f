import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { DownReason, Fault, ProblemCode, Reason, RetestAnswer } from "../../protocol/protocol";
import { fill, l10n, speak } from "../src/l10n";
import { downWords, faultWords, localWords, problemWords, reasonWords, retestWords } from "../src/problems";
import { keys, status, view } from "./support/views";

const contract = readFileSync(join(__dirname, "../../protocol/protocol.ts"), "utf8");
const { names } = view({});

/** The words of a union in the contract. */
function union(name: string): string[] {
  const words = new RegExp(`export type ${name} = (.+);`).exec(contract)?.[1] ?? "";
  return [...words.matchAll(/"(\w+)"/g)].map(([, word]) => word ?? "");
}

describe("words", () => {
  it.each<[string, (code: string) => string]>([
    [
      "ProblemCode",
      (code) => problemWords({ code: code as ProblemCode, subject: "x", severity: "error" }, names),
    ],
    ["Reason", (code) => reasonWords(code as Reason)],
    ["DownReason", (code) => downWords(code as DownReason)],
    ["Fault", (code) => faultWords(code as Fault)],
  ])("are there for every %s of the contract, and say what it is", (name, words) => {
    const codes = union(name);
    expect(codes.length).toBeGreaterThan(5);
    const sentences = codes.map(words);
    expect(sentences.filter((sentence) => sentence.length < 5 || /[{}]|undefined/.test(sentence))).toEqual(
      [],
    );
    expect(new Set(sentences).size).toBe(codes.length);
  });

  it("name what a problem is about", () => {
    const about = (code: ProblemCode, subject: string | null): string =>
      problemWords({ code, subject, severity: "error" }, names);
    expect(about("emptySecret", "key2")).toBe("name of key2 is empty and left out.");
    expect(about("invalidSecret", "accessToken")).toBe(
      "The access token has a character that cannot be sent. Enter it anew.",
    );
    expect(about("proxyUrl", null)).not.toContain("null");
    expect(about("attemptsRange", null)).toBe(
      "geminiAggregator.maxAttempts must be from 1 to 20; the last good value stays.",
    );
  });

  it("tell no key from no enabled one", () => {
    const noKeys = { code: "noKeys", subject: null, severity: "warning" } as const;
    expect(problemWords(noKeys, names, status({ keys: [] }))).toBe("There is no key yet. Add one.");
    expect(problemWords(noKeys, names, status({ keys: keys(1) }))).toBe("There is no enabled key. Add one.");
    expect(problemWords(noKeys, names)).toBe("There is no enabled key. Add one.");
  });

  it("say what the extension itself found", () => {
    expect(localWords({ code: "setting", subject: "port", expected: "wholeNumber" })).toBe(
      "geminiAggregator.port must be a whole number; the last good value stays.",
    );
    expect(
      localWords({ code: "setting", subject: "serverlessInstances[1]", expected: "instance" }),
    ).toContain("it is left out");
    for (const code of ["secretInSettings", "secretUnreadable", "tlsUnchecked"] as const) {
      expect(localWords({ code, subject: "the-subject" })).toContain("the-subject");
    }
  });

  it.each<[Partial<RetestAnswer["detail"]>, RetestAnswer["state"], string]>([
    [{ ok: true }, { kind: "ready" }, "accepted"],
    [{ ok: true, counted: true }, { kind: "ready" }, "accepted; the test counted against the quota"],
    [
      {},
      { kind: "quarantined", reason: "leaked", sinceMs: 0, untilMs: null },
      "found in public by Google: make a new one",
    ],
    [{ rule: "timeout" }, { kind: "ready" }, "no answer in time"],
    [{ rule: "unreachable" }, { kind: "ready" }, "Google could not be reached"],
    [{ rule: "unreachable", egress: "us" }, { kind: "ready" }, "the instance us could not be reached"],
    [{ rule: "noRoute" }, { kind: "ready" }, "there is no way out for this key"],
    [{ rule: "stopped" }, { kind: "ready" }, "the server was stopped"],
    [{ status: 503 }, { kind: "ready" }, "HTTP status 503"],
    [{}, { kind: "ready" }, "an answer that was not expected"],
  ])("tell what a test of a key found: %o %o", (detail, state, words) => {
    const whole = {
      ok: false,
      egress: "local",
      status: null,
      rule: "x",
      message: null,
      counted: false,
      ms: 1,
      ...detail,
    };
    expect(retestWords({ keyId: "key1", state, detail: whole }, names)).toBe(words);
  });

  it("are spoken in the user's language once the editor has given it", () => {
    speak((sentence) => `<${sentence}>`);
    expect(l10n.t("ready")).toBe("<ready>");
    speak(fill);
    expect(l10n.t("{0} of {1}, {2}", 1, "{0}")).toBe("1 of {0}, {2}");
  });
});
