import { describe, expect, it } from "vitest";
import type { Record as Decision, TryRequestAnswer } from "../../protocol/protocol";
import { type Names, plain, withoutGaps } from "../src/names";
import { modelName, outcomeOf, trialWords } from "../src/trial";
import { MINUTE, NOW, clock } from "./support/views";

const NAMES: Names = {
  key: (id) => `work (${id})`,
  instance: (id) => (id === "us" ? "Deno US" : id),
  isOff: () => false,
};
const OK: TryRequestAnswer = {
  requestId: "r1",
  model: "gemini-x",
  status: 200,
  ms: 640,
  text: "OK",
  error: null,
};
const sent = { outcome: "200", verdict: "deliver", rule: "ok", untilMs: null, ms: 5 };

function record(some: Partial<Decision>): Decision {
  return {
    id: "r1",
    startedMs: NOW,
    front: "gemini",
    model: "gemini-x",
    operation: "generateContent",
    status: 200,
    waitedMs: null,
    firstByteMs: 1,
    totalMs: 1,
    tokens: 1,
    end: "complete",
    attempts: [],
    skipped: [],
    ...some,
  };
}

const words = (answer: Partial<TryRequestAnswer>, of?: Partial<Decision>): string =>
  trialWords({ ...OK, ...answer }, of && record(of), NAMES, clock);

describe("a test request", () => {
  it("that was answered tells by whom, after how long and by which way, and that it counts", () => {
    expect(words({}, { attempts: [{ ...sent, key: "key1", egress: "local" }] })).toBe(
      "gemini-x answered after 640 ms: “OK” It was sent with work (key1) by Direct way. It counts against the quota.",
    );
    const first = { ...sent, key: "key2", egress: "local", rule: "perMinute" };
    expect(words({ ms: 1200 }, { attempts: [first, { ...sent, key: "key1", egress: "us" }] })).toBe(
      "gemini-x answered after 1.2 s: “OK” It was sent with work (key1) by Deno US (attempts: 2). It counts against the quota.",
    );
  });

  it("tells as much without its record, and without a text", () => {
    expect(words({ text: null })).toBe(
      "gemini-x answered after 640 ms, without text. It counts against the quota.",
    );
  });

  it("that failed tells the reason of the last attempt and the sentence that a client gets", () => {
    const attempts = [
      { ...sent, key: "key1", egress: "us", outcome: "429", rule: "perMinute", untilMs: NOW + MINUTE },
    ];
    expect(words({ status: 429, text: null, error: "You exceeded\nyour quota." }, { attempts })).toBe(
      "The test request failed (HTTP status 429). work (key1) by Deno US: limit per minute until 14:01. You exceeded your quota.",
    );
    expect(words({ status: 502, text: null })).toBe("The test request failed (HTTP status 502).");
  });

  it("that no key could serve names a few of those that were left out", () => {
    const skipped = ["1", "2", "3", "4"].map((id) => ({
      key: id,
      rule: "perDay",
      untilMs: NOW + 5 * MINUTE,
    }));
    expect(words({ status: 429, text: null, error: "Dry." }, { skipped })).toBe(
      "The test request failed (HTTP status 429). work (1): limit per day until 14:05. work (2): limit per day until 14:05. work (3): limit per day until 14:05. Dry.",
    );
  });

  it("to a model that is not there names the model", () => {
    const answer = { status: 404, text: null, model: "gemini-9", error: "models/gemini-9 is not found." };
    expect(words(answer)).toBe(
      "The test request failed: the model gemini-9 was not found. models/gemini-9 is not found.",
    );
  });

  it("never turns what others wrote into a link", () => {
    const shown = plain(words({ text: "[Update](command:workbench.action.quit)" }));
    expect(shown).not.toContain("](");
    expect(withoutGaps(shown)).toContain("“[Update](command:workbench.action.quit)”");
  });

  it.each<[number, string]>([
    [200, "answered"],
    [204, "answered"],
    [400, "failed"],
    [404, "unknownModel"],
    [429, "failed"],
    [503, "failed"],
  ])("with status %d counts as %s", (status, outcome) => {
    expect(outcomeOf({ ...OK, status })).toBe(outcome);
  });

  it.each<[string, string | undefined]>([
    ["gemini-2.5-pro", "gemini-2.5-pro"],
    [" models/gemini-2.5_x ", "gemini-2.5_x"],
    ["", undefined],
    ["tunedModels/x", undefined],
    ["x?key=1", undefined],
    ["模型", undefined],
  ])("asks the model %j as %j", (text, name) => {
    expect(modelName(text)).toBe(name);
  });
});
