import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as vscode from "vscode";
import type { App } from "../src/app";
import { findProgram } from "../src/binary";
import { Folder } from "../src/folder";
import { notify } from "../src/notify";
import type { Action } from "../src/say";
import { folder, open, running, sidecar, until } from "./support/sidecar";
import { view } from "./support/views";

/** Messages with their buttons, and those that go by themselves. */
let told: string[][];
let buttons: Action[];
let passing: string[];
let done: unknown[];
let logShown: number;

beforeEach(() => {
  told = [];
  passing = [];
  done = [];
  logShown = 0;
  vi.spyOn(vscode.window, "showErrorMessage").mockImplementation(((text: string, ...actions: Action[]) => {
    told.push([text, ...actions.map(({ title }) => title)]);
    buttons = actions;
    return Promise.resolve(undefined);
  }) as never);
  vi.spyOn(vscode.window, "withProgress").mockImplementation(({ title }) => {
    passing.push(title ?? "");
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

/** From now on a window tells of this sidecar. */
function tell(): void {
  const app = {
    get view() {
      const { phase, status } = sidecar;
      return view(undefined, { phase, ...(status ? { status } : {}) });
    },
    onDidChange: sidecar.onDidChange,
    sidecar,
    log: { show: () => (logShown += 1), error: () => undefined },
  };
  notify(app as unknown as App, new Folder(folder), false);
}

const REMEDIES = ["Restart", "Show Log"];

describe("people are told once", () => {
  it("of a program that is missing, with what helps", async () => {
    open(() => findProgram(folder, false));
    tell();
    await sidecar.start();
    await vi.waitFor(() => {
      expect(told).toHaveLength(1);
    }, 20_000);
    expect(told).toEqual([[expect.stringContaining("holds no program for"), ...REMEDIES]]);
    expect(passing).toEqual([]);
    buttons.forEach(({ run }) => void run());
    expect([done, logShown]).toEqual([["geminiAggregator.restartServer"], 1]);
  });

  it("of one that does not fit the extension", async () => {
    vi.stubEnv("FAKE_PROGRAM", "refuses");
    tell();
    await sidecar.start();
    await vi.waitFor(() => {
      expect(told).toHaveLength(1);
    }, 20_000);
    expect(told).toEqual([[expect.stringContaining("does not fit this extension"), ...REMEDIES]]);
  });

  it("of one that crashes: of the first time in passing, with the way to the log, and of the end", async () => {
    vi.stubEnv("FAKE_PROGRAM", "dies");
    tell();
    await sidecar.start();
    await vi.waitFor(() => {
      expect(told).toHaveLength(1);
    }, 20_000);
    expect(passing).toEqual([
      expect.stringMatching(/is started again\. \[Show Log\]\(command:.*showLogs\)$/),
    ]);
    expect(told).toEqual([[expect.stringContaining("crashed five times"), ...REMEDIES]]);
  }, 20_000);

  it("of nothing when it begins, is restarted and ends as it should", async () => {
    tell();
    await sidecar.start();
    await until(running);
    await sidecar.restart();
    await sidecar.stop();
    expect([told, passing]).toEqual([[], []]);
  });
});
