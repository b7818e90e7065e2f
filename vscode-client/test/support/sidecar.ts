/**
 * A sidecar for each test, whose program is a stand-in; what happens to it is kept. At the end nothing of it runs, nothing popped up, and
 * no key is in the log.
 */

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, vi } from "vitest";
import * as vscode from "vscode";
import { type DesiredState, PROTOCOL } from "../../../protocol/protocol";
import { Sidecar } from "../../src/sidecar";
import type { Failure } from "../../src/view";

export const PROGRAM = join(__dirname, "program.mjs");

export let folder: string;
export let sidecar: Sidecar;
export let state: DesiredState;
/** Of the log. */
export let lines: string[];
export let failures: Failure[];
/** That were told. */
export let crashes: number;
/** Of the channel. */
let level: vscode.LogLevel;
let levels: vscode.EventEmitter<vscode.LogLevel>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sidecar-"));
  chmodSync(PROGRAM, 0o755);
  state = {
    revision: 1,
    port: 4000,
    mode: "local",
    keys: [{ id: "key1", secret: "AIzaSyFAKE-never-in-a-log" }],
  };
  lines = [];
  failures = [];
  crashes = 0;
  open(() => Promise.resolve(PROGRAM));
});
afterEach(async () => {
  await sidecar.stop();
  sidecar.dispose();
  expect(pids().filter(alive)).toEqual([]);
  rmSync(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
  vi.useRealTimers();
  expect((vscode as unknown as { shown: string[] }).shown).toEqual([]);
  expect(lines.join("\n")).not.toContain("AIzaSyFAKE");
});

/** Another sidecar, with this program. */
export function open(program: () => Promise<string>, first = vscode.LogLevel.Info): void {
  level = first;
  levels = new vscode.EventEmitter();
  const write = (line: string): void => void lines.push(line);
  const log = {
    get logLevel(): vscode.LogLevel {
      return level;
    },
    trace: write,
    debug: write,
    info: write,
    warn: write,
    error: write,
    append: write,
    appendLine: write,
  };
  sidecar = new Sidecar({
    program,
    folder,
    options: () => ({ protocol: PROTOCOL, storageDir: folder, pool: "p", host: "h", state }),
    log: Object.assign(log, { onDidChangeLogLevel: levels.event }) as unknown as vscode.LogOutputChannel,
  });
  sidecar.onDidFail((failure) => failures.push(failure));
  sidecar.onDidCrash(() => (crashes += 1));
}

/** Of the channel. */
export function setLevel(next: vscode.LogLevel): void {
  level = next;
  levels.fire(next);
}

/** What the sidecar shall have. */
export function setState(some: Partial<DesiredState>): void {
  state = { ...state, ...some };
}

/** Waits for a change after which this holds. */
export function until(holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (holds()) {
        listener.dispose();
        resolve();
      }
    };
    const listener = sidecar.onDidChange(look);
    look();
  });
}

export const running = (): boolean => sidecar.status !== undefined;
/** Of every process that there was. */
export const pids = (): number[] =>
  lines.flatMap((line) => (/pid=(\d+)/.exec(line) ?? []).slice(1).map(Number));

export function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
