import { afterEach, beforeEach, expect, it, vi } from "vitest";
import * as vscode from "vscode";
import type { Record as Decision } from "../../protocol/protocol";
import type { App } from "../src/app";
import { openConfigPanel, rows } from "../src/commands/rows";
import { NOW, view } from "./support/views";

const RECORD: Decision = {
  id: "r1",
  startedMs: NOW,
  front: "gemini",
  model: "pro",
  operation: "generateContent",
  status: 429,
  waitedMs: null,
  firstByteMs: 1,
  totalMs: 2,
  tokens: null,
  end: "complete",
  attempts: [
    { key: "k", egress: "local", outcome: "429", verdict: "return", rule: "perDay", untilMs: null, ms: 1 },
  ],
  skipped: [],
};

let copied: string[];
let done: unknown[];
beforeEach(() => {
  copied = [];
  done = [];
  vi.spyOn(vscode.env.clipboard, "writeText").mockImplementation((text) => {
    copied.push(text);
    return Promise.resolve();
  });
  vi.spyOn(vscode.commands, "executeCommand").mockImplementation((command) => {
    done.push(command);
    return Promise.resolve(undefined as never);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const app = {
  view: view({}),
  sidecar: {
    records: ({ requestId }: { requestId: string }) =>
      Promise.resolve(requestId === RECORD.id ? [RECORD] : []),
  },
} as unknown as App;

it("the panel that users know is the view", async () => {
  await openConfigPanel();
  expect(done).toEqual(["geminiAggregator.keys.focus"]);
});

it("a request is copied with its attempts and their reasons, and one that is forgotten is not", async () => {
  await rows.copyRequest?.(app, "r1");
  await rows.copyRequest?.(app, "r2");
  await rows.copyRequest?.(app);
  expect(copied).toHaveLength(1);
  expect(copied[0]).toMatch(/^Request r1 at .*\n1\. name of k by Direct way: 429 \(limit per day\)/);
});

it("an id is copied as it is", async () => {
  await rows.copyId?.(app, "key1");
  expect(copied).toEqual(["key1"]);
});
