/**
 * The extension's rim with a sidecar that is only told about: commands and views run as they are, before a `Screen`.
 */

import { EventEmitter } from "vscode";
import type {
  Diagnosis,
  Record as Decision,
  RetestAnswer,
  Status,
  TryRequestAnswer,
} from "../../../protocol/protocol";
import { App } from "../../src/app";
import { registerCommands } from "../../src/commands";
import { Folder } from "../../src/folder";
import { Keys } from "../../src/keys";
import type { Phase } from "../../src/view";
import { Screen } from "./screen";
import { SharedSecrets } from "./secrets";
import { keys as readyKeys, status, up } from "./views";

/** A pool of two keys, of which one is bound, and two instances, of which one has a token. */
export const US = { id: "us", name: "US", url: "https://us.example", maxKeys: 3 };
export const EU = { id: "eu", name: "EU", url: "https://eu.example" };
export const [A, B] = ["AIzaSyFAKE-first-of-two-keys-1234", "AIzaSyFAKE-second-of-two-keys-567"] as const;
const SECRETS = {
  geminiApiKeysIds: '["key1","key2"]',
  geminiApiKeyCounter: "3",
  key1: A,
  key2: B,
  geminiApiKeyBindings: '[{"keyId":"key1","instanceId":"us","createdAt":""}]',
  geminiAggregatorInstanceSecrets: JSON.stringify({
    us: { token: "t".repeat(24) },
    gone: { token: "stray" },
  }),
  geminiAggregatorAccessToken: "access-token",
  geminiAggregatorPoolId: "pool",
};
export const LIST = "geminiAggregator.serverlessInstances";

/** What the sidecar is and answers, as a test says. */
export class FakeSidecar {
  phase: Phase = { kind: "running" };
  status: Status | undefined = status();
  applying = false;
  diagnosis: Diagnosis = { checks: [] };
  decisions: Decision[] = [];
  retested: Omit<RetestAnswer, "keyId"> = {
    state: { kind: "ready" },
    detail: { ok: true, egress: "local", status: 200, rule: "ok", message: null, counted: false, ms: 1 },
  };
  tried: TryRequestAnswer = { requestId: "r1", model: "m", status: 200, ms: 1, text: "yes", error: null };
  /** What it was asked and told, in order. */
  readonly heard: unknown[][] = [];
  failure: Error | undefined;
  readonly changed = new EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  readonly onDidFail = new EventEmitter<never>().event;
  readonly onDidCrash = new EventEmitter<void>().event;
  readonly onDidAccept = new EventEmitter<void>().event;

  start = (): Promise<void> => this.enter("running", "start");
  stop = (): Promise<void> => this.enter("stopped", "stop");
  restart = (): Promise<void> => this.enter("running", "restart");
  push = (state: unknown): Promise<void> => this.hear(undefined, "push", state);
  diagnose = (params: unknown): Promise<Diagnosis> => this.hear(this.diagnosis, "diagnose", params);
  records = (params: unknown): Promise<Decision[]> => this.hear(this.decisions, "records", params);
  retest = (keyId: string): Promise<RetestAnswer> => this.hear({ keyId, ...this.retested }, "retest", keyId);

  tryRequest = (params: unknown): Promise<TryRequestAnswer> => this.hear(this.tried, "tryRequest", params);

  private hear<T>(answer: T, ...what: unknown[]): Promise<T> {
    this.heard.push(what);
    return this.failure === undefined ? Promise.resolve(answer) : Promise.reject(this.failure);
  }

  private enter(kind: "running" | "stopped", what: string): Promise<void> {
    this.phase = { kind };
    this.changed.fire();
    return this.hear(undefined, what);
  }
}

/** A folder that answers at once. */
class MemoryFolder extends Folder {
  private count = 0;
  private marks: readonly string[] = [];

  override hostId = (): Promise<string> => Promise.resolve("host");
  override keyCount = (): Promise<number> => Promise.resolve(this.count);
  override setKeyCount = (count: number): Promise<void> => Promise.resolve(void (this.count = count));
  override told = (): Promise<string[]> => Promise.resolve([...this.marks]);
  override setTold = (marks: readonly string[]): Promise<void> => Promise.resolve(void (this.marks = marks));
}

/** A window with the extension in it. */
export interface Rim {
  app: App;
  screen: Screen;
  sidecar: FakeSidecar;
  shared: SharedSecrets;
  folder: Folder;
  /** Runs a command as the palette or a row does; returns when nothing more happens by itself. */
  run: (name: string, id?: string) => Promise<void>;
  close: () => void;
}

/** Opens one; `secrets` and `settings` are there before it. */
export async function openRim(
  secrets: Record<string, string> = {},
  settings: Record<string, unknown> = {},
): Promise<Rim> {
  const screen = new Screen();
  Object.assign(screen.settings, settings);
  const shared = new SharedSecrets(secrets);
  const context = screen.context(shared, "/nowhere");
  const [keys, folder] = [new Keys(context.secrets, () => Promise.resolve()), new MemoryFolder("/nowhere")];
  const sidecar = new FakeSidecar();
  const app = await App.open(context, screen.channel(), keys, folder, false);
  app.sidecar.dispose();
  Object.defineProperty(app, "sidecar", { value: sidecar });
  const disposables = [app, ...registerCommands(app)];
  return {
    app,
    screen,
    sidecar,
    shared,
    folder,
    run: async (name, id) => {
      await screen.commands.get(`geminiAggregator.${name}`)?.(id);
      await quiet();
    },
    close: () => {
      disposables.forEach((disposable) => {
        disposable.dispose();
      });
      screen.leave();
    },
  };
}

/** A window with the pool of two keys, and all of it at work. */
export async function openPool(): Promise<Rim> {
  const rim = await openRim(SECRETS, { [LIST]: [US, EU] });
  rim.sidecar.status = status({ keys: readyKeys(2), instances: [up("us"), up("eu")] });
  return rim;
}

/** Everything that was begun has gone as far as it goes without a timer: secrets answer after one turn of the loop each. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 60; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
