import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { AttemptRecord, Record as Decision } from "../../protocol/protocol";
import chinese from "../l10n/bundle.l10n.zh-cn.json";
import { fill, speak } from "../src/l10n";
import { requestLines } from "../src/requests";
import { outcomeWords, ruleWords, verdictWords } from "../src/rules";
import { requestNodes } from "../src/tree/requests";
import { NOW, clock, view } from "./support/views";

const read = (path: string): string => readFileSync(join(__dirname, "../..", path), "utf8");
const contract = read("protocol/protocol.ts");

/** Everything that one expression finds, each once. */
function all(text: string, expression: RegExp): string[] {
  return [...new Set([...text.matchAll(expression)].map(([, found]) => found ?? ""))];
}

/** The words in the contract's comment on a field that holds one of them as a text. */
function told(type: string, field: string): string[] {
  const body = contract.slice(contract.indexOf(`export type ${type} = {`));
  const comment =
    body
      .slice(0, body.indexOf(`\n${field}: string`))
      .split("/**")
      .at(-1) ?? "";
  return all(comment, /`(\w+)`/g);
}

const REASONS = all(/export type Reason = (.+);/.exec(contract)?.[1] ?? "", /"(\w+)"/g);
/** Where the server gives its rules their names: a row of the table is one call with the name in front. */
const RULES = all(
  read("server/src/policy/verdict.rs"),
  /\b(?:row|out|rests|service|other_egress|relay_failed)\(\s*"(\w+)"/g,
);
const OUTCOMES = [
  ...told("AttemptRecord", "outcome"),
  ...all(/fn name\(.*?\n {4}\}/s.exec(read("server/src/attempt.rs"))?.[0] ?? "", /"(\w+)"\.into/g),
];
const VERDICTS = [
  ...told("AttemptRecord", "verdict"),
  ...all(/fn verdict_name\(.*?\n\}/s.exec(read("server/src/record.rs"))?.[0] ?? "", /=> "(\w+)"/g),
  // An attempt that was broken off.
  "none",
];
const SKIPPED = [
  ...REASONS,
  ...told("SkippedRecord", "rule"),
  ...all(/pub fn skipped\(.*?\n {4}\}/s.exec(read("server/src/policy/pool/scene.rs"))?.[0] ?? "", /"(\w+)"/g),
].filter((word) => word !== "Reason");

const LANGUAGES: [string, RegExp][] = [
  ["English", /^[\p{ASCII}’]+$/u],
  ["Chinese", /\p{Script=Han}/u],
];

afterEach(() => {
  speak(fill);
});

/** Speaks the language; a sentence that it lacks is English, as in the editor. */
function use(language: string): void {
  speak((sentence, ...args) =>
    fill(
      language === "English" ? sentence : ((chinese as Record<string, string>)[sentence] ?? sentence),
      ...args,
    ),
  );
}

describe.each(LANGUAGES)("in %s", (language, looks) => {
  it.each<[string, string[], number, (code: string) => string]>([
    ["rule of the server's table", RULES, 30, ruleWords],
    ["reason of the contract", REASONS, 10, ruleWords],
    ["rule by which a key is left out", SKIPPED, 15, ruleWords],
    ["outcome of an attempt", OUTCOMES, 10, outcomeWords],
    ["verdict", VERDICTS, 9, verdictWords],
  ])("there are words for every %s", (_, codes, least, words) => {
    use(language);
    expect(new Set(codes).size).toBeGreaterThanOrEqual(least);
    expect(codes.filter((code) => words(code) === code || !looks.test(words(code)))).toEqual([]);
  });

  it("every attempt, as a row and as a line, gives its reason in words and no code", () => {
    use(language);
    for (const rule of RULES) {
      for (const outcome of ["429", ...OUTCOMES]) {
        const attempt = { key: "k", egress: "local", outcome, verdict: "retry", rule, untilMs: NOW, ms: 1 };
        const record = withAttempt(attempt);
        const { names } = view({});
        const [row] = requestNodes([record], names, clock)[0]?.children ?? [];
        const line = requestLines(record, names, clock)[1] ?? "";
        for (const text of [row?.label ?? "", line]) {
          // A code is written in camel case; words are not.
          expect(text).not.toMatch(/\b[a-z]+[A-Z]\w*/);
          expect(text).toContain(rule === "ok" ? "" : ruleWords(rule));
        }
      }
    }
  });
});

it("a code that is not known is shown as it is", () => {
  expect([ruleWords("ofTomorrow"), outcomeWords("418"), verdictWords("constructor")]).toEqual([
    "ofTomorrow",
    "418",
    "constructor",
  ]);
});

function withAttempt(attempt: AttemptRecord): Decision {
  return {
    id: "r1",
    startedMs: NOW,
    front: "gemini",
    model: "pro",
    operation: "generate",
    status: 200,
    waitedMs: null,
    firstByteMs: 1,
    totalMs: 2,
    tokens: null,
    end: "complete",
    attempts: [attempt],
    skipped: [],
  };
}
