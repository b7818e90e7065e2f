import { describe, expect, it } from "vitest";
import type { Record as Decision } from "../../protocol/protocol";
import type { Names } from "../src/names";
import { requestLines, requestRow } from "../src/requests";
import { MINUTE, NOW, clock } from "./support/views";

const NAMES: Names = {
  key: (id) => `key ${id}`,
  instance: (id) => (id === "us" ? "Deno US" : id),
  isOff: () => false,
};

function record(some: Partial<Decision> = {}): Decision {
  return {
    id: "abc123",
    startedMs: NOW,
    front: "gemini",
    model: "gemini-2.5-flash",
    operation: "streamGenerateContent",
    status: 200,
    waitedMs: null,
    firstByteMs: 840,
    totalMs: 5210,
    tokens: 1234,
    end: "complete",
    attempts: [
      {
        key: "key1",
        egress: "us",
        outcome: "429",
        verdict: "coolBucket",
        rule: "perMinute",
        untilMs: NOW + MINUTE,
        ms: 120,
      },
      {
        key: "key2",
        egress: "local",
        outcome: "200",
        verdict: "deliver",
        rule: "ok",
        untilMs: null,
        ms: 5000,
      },
    ],
    skipped: [
      { key: "key3", rule: "perDay", untilMs: NOW + 5 * MINUTE },
      { key: "key4", rule: "disabled", untilMs: null },
    ],
    ...some,
  };
}

describe("a request", () => {
  it("is a row with how it ended, when, and by which way", () => {
    expect(requestRow(record(), NAMES, clock)).toEqual({
      end: "good",
      label: "200 gemini-2.5-flash streamGenerateContent",
      description: "14:00 · 5.2 s · tokens: 1234",
      detail: "key key2 by Direct way · attempts: 2",
    });
  });

  it.each<[string, Partial<Decision>, string, string]>([
    ["was refused", { status: 429, tokens: null }, "bad", "attempts: 2"],
    ["broke off", { end: "broken" }, "bad", "the answer broke off"],
    ["was left", { end: "left", status: null, attempts: [] }, "left", "never sent · the client left"],
  ])("that %s is seen", (_, some, end, detail) => {
    const row = requestRow(record(some), NAMES, clock);
    expect(row.end).toBe(end);
    expect(row.detail).toContain(detail);
  });

  it("tells its attempts with their reasons, and who was left out", () => {
    expect(requestLines(record({ waitedMs: 300 }), NAMES, clock)).toEqual([
      "Request abc123 at 14:00 (gemini)",
      "It waited 300 ms for a key.",
      "1. key key1 by Deno US: 429 (limit per minute) after 120 ms: the key rests for this model until 14:01",
      "2. key key2 by Direct way: 200 after 5.0 s: passed on",
      "Left out: key key3: limit per day until 14:05",
      "Left out: key key4: switched off",
      "The first byte came after 840 ms, the end after 5.2 s.",
    ]);
  });

  it("says when no byte reached the client, and names no reason twice", () => {
    const attempts = [
      {
        key: "key1",
        egress: "us",
        outcome: "timeout",
        verdict: "return",
        rule: "timeout",
        untilMs: null,
        ms: 1,
      },
    ];
    const lines = requestLines(
      record({ firstByteMs: null, status: null, end: "left", attempts, skipped: [] }),
      NAMES,
      clock,
    );
    expect(lines.slice(1)).toEqual([
      "1. key key1 by Deno US: no answer in time after 1 ms: passed on as it is",
      "It took 5.2 s; no byte reached the client.",
      "the client left",
    ]);
  });
});
