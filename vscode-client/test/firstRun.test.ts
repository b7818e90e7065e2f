import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as vscode from "vscode";
import type { App } from "../src/app";
import { copyEndpoint } from "../src/commands/endpoint";
import { greet, greeter } from "../src/firstStart";
import { Folder } from "../src/folder";
import { Keys } from "../src/keys";
import type { Legacy } from "../src/upgrade/legacy";
import type { View } from "../src/view";
import { followMilestones } from "../src/walkthrough";
import { SharedSecrets } from "./support/secrets";
import { key, view } from "./support/views";

const WALKTHROUGH = "ShaneYang.api-key-aggregetor#geminiAggregator.start";
const LEGACY: Legacy = { keys: 1, instances: 0, bindings: 0, mode: "local", changes: [] };

/** Every command of the editor's, with what it was given. */
let done: unknown[][];
let copied: string[];
/** So often the editor does not know the walkthrough yet. */
let unknown: number;
let shown: string[];

beforeEach(() => {
  done = [];
  copied = [];
  unknown = 0;
  ({ shown } = vscode as unknown as { shown: string[] });
  shown.length = 0;
  vi.spyOn(vscode.commands, "executeCommand").mockImplementation((...args: unknown[]) => {
    done.push(args);
    return args[0] === "welcome.markStepIncomplete" && unknown-- > 0
      ? Promise.reject(new Error("no such step"))
      : Promise.resolve(undefined as never);
  });
  vi.spyOn(vscode.env.clipboard, "writeText").mockImplementation((text) => {
    copied.push(text);
    return Promise.resolve();
  });
});
afterEach(() => {
  shown.length = 0;
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const opened = (): unknown[][] => done.filter(([command]) => command === "workbench.action.openWalkthrough");
/** Context keys as they were set, one after the other. */
const set = (): string[] =>
  done
    .filter(([command]) => command === "setContext")
    .map(([, name, value]) => `${String(name).replace("geminiAggregator.", "")}=${String(value)}`);

class Window {
  readonly changed = new vscode.EventEmitter<void>();
  readonly accepted = new vscode.EventEmitter<void>();
  view: View = view({ keys: [] });
  keys = 0;

  readonly app = this as unknown as App;
  readonly onDidChange = this.changed.event;
  readonly sidecar = { onDidAccept: this.accepted.event };

  get reading(): object {
    return {
      secrets: { keys: Array.from({ length: this.keys }, () => ({})) },
      settings: { serverlessInstances: [] },
      state: { accessToken: null },
    };
  }

  change(to: View, keys = this.keys): void {
    this.view = to;
    this.keys = keys;
    this.changed.fire();
  }
}

describe("the walkthrough", () => {
  let folders: string[];
  let folder: Folder;
  beforeEach(() => {
    folders = [mkdtempSync(join(tmpdir(), "first-")), mkdtempSync(join(tmpdir(), "first-"))];
    folder = new Folder(folders[0] ?? "");
  });
  afterEach(() => {
    folders.forEach((path) => {
      rmSync(path, { recursive: true, force: true });
    });
  });

  /** A start of the extension, in this folder. */
  async function start(shared: SharedSecrets, at = folder): Promise<boolean> {
    const keys = new Keys(shared.window(), () => Promise.resolve());
    const isFirst = await greeter(keys, at);
    await keys.poolId();
    return isFirst();
  }

  it("is for the very first start: for one of several windows, and for no other start, profile or editor without keyring", async () => {
    const shared = new SharedSecrets();
    const windows = await Promise.all([start(shared), start(shared), start(shared)]);
    expect(windows.filter(Boolean)).toHaveLength(1);
    expect(await start(shared)).toBe(false);
    expect(await start(shared, new Folder(folders[1] ?? ""))).toBe(false);
    expect(await start(new SharedSecrets())).toBe(false);
  });

  it("opens at a first installation, once the editor knows it", async () => {
    vi.useFakeTimers();
    unknown = 3;
    const greeted = greet(new Window().app, undefined, false);
    await vi.advanceTimersByTimeAsync(299);
    expect(opened()).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    await greeted;
    expect(opened()).toEqual([["workbench.action.openWalkthrough", WALKTHROUGH, false]]);
    expect(shown).toEqual([]);
  });

  it("does not open for people who do not want that, nor for those who come from 1.x", async () => {
    const get = vi.fn((name: string) => name !== "workbench.welcomePage.walkthroughs.openOnInstall");
    vi.spyOn(vscode.workspace, "getConfiguration").mockReturnValue({ get } as never);
    await greet(new Window().app, undefined, false);
    expect(get).toHaveBeenCalled();
    vi.mocked(vscode.workspace.getConfiguration).mockRestore();
    await greet(new Window().app, LEGACY, false);
    expect(opened()).toEqual([]);
    expect(shown).toEqual([expect.stringContaining("goes on with what version 1 left")]);
  });

  it("ticks by what happened, and is told of nothing twice", () => {
    const window = new Window();
    followMilestones(window.app);
    expect(set()).toEqual([
      "active=true",
      "hasKeys=false",
      "hasInstances=false",
      "running=true",
      "verified=false",
      "firstRequest=false",
    ]);
    done = [];
    window.change(view({ keys: [key("key1")] }), 1);
    expect(set()).toEqual(["hasKeys=true"]);
    window.accepted.fire();
    expect(set()).toEqual(["hasKeys=true", "verified=true"]);
    window.change(view({ keys: [{ ...key("key1"), usedToday: 1 }] }));
    window.change(view({ keys: [{ ...key("key1"), usedToday: 2 }] }));
    expect(set()).toEqual(["hasKeys=true", "verified=true", "firstRequest=true"]);
  });

  it.each([
    ["address", true],
    ["cline", true],
    ["geminiCli", true],
    ["curl", false],
  ])("takes a copy for %s as a client that is pointed at the pool: %s", async (id, ticks) => {
    expect(await copyEndpoint(new Window().app, id)).toBe(true);
    expect(copied.join("")).toContain("http://127.0.0.1:3145");
    expect(set()).toEqual(ticks ? ["endpointCopied=true"] : []);
  });
});
