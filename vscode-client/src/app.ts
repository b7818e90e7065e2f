/**
 * What commands and views work with: keys, settings and sidecar of this window, wired. A change of a setting or a secret, in whatever
 * window, is in the sidecar a moment later. Never shows anything.
 */

import {
  type Disposable,
  type ExtensionContext,
  type LogOutputChannel,
  ConfigurationTarget,
  EventEmitter,
  ExtensionMode,
  env,
  workspace,
} from "vscode";
import { PROTOCOL } from "../../protocol/protocol";
import { findProgram } from "./binary";
import { Configuration } from "./configuration";
import type { Folder } from "./folder";
import { Journal } from "./journal";
import { type Keys, SETTLE_MS } from "./keys";
import { l10n } from "./l10n";
import { namesOf, plain } from "./names";
import { type SecretStore, KEY_ID, NAMES } from "./secrets";
import { type Inspect, SECTION } from "./settings";
import { takeSecrets } from "./settingsSecrets";
import { Sidecar } from "./sidecar";
import { Source } from "./source";
import type { View } from "./view";

/** Several changes at once become one state. */
const DEBOUNCE_MS = 100;
/** How long a command waits for the sidecar to have what it stored. */
const APPLY_MS = 5_000;

export class App implements Disposable {
  readonly sidecar: Sidecar;
  /** As they lie there, for whoever only looks. */
  readonly secrets: SecretStore;
  readonly configuration: Configuration;
  readonly journal: Journal;
  private readonly source: Source;
  private readonly changed = new EventEmitter<void>();
  private readonly disposables: { dispose(): unknown }[] = [this.changed];
  private leader: number | undefined;
  private readTimer: NodeJS.Timeout | undefined;
  private mergeTimer: NodeJS.Timeout | undefined;

  /** Anything that is shown. */
  readonly onDidChange = this.changed.event;

  private constructor(
    context: ExtensionContext,
    readonly log: LogOutputChannel,
    readonly keys: Keys,
    folder: Folder,
    ids: { pool: string; host: string },
    cameFromVersion1: boolean,
  ) {
    this.secrets = context.secrets;
    const place = { remote: env.remoteName !== undefined, cameFromVersion1 };
    const inspect: Inspect = (name) => workspace.getConfiguration().inspect(name);
    const update = (name: string, value: unknown): Thenable<void> =>
      workspace.getConfiguration(SECTION).update(name, value, ConfigurationTarget.Global);
    this.source = new Source(inspect, keys, folder, place);
    this.configuration = new Configuration(inspect, update, keys);
    this.journal = new Journal(this.configuration);
    this.sidecar = new Sidecar({
      program: () => findProgram(context.extensionPath, context.extensionMode === ExtensionMode.Development),
      folder: folder.path,
      options: () => ({
        protocol: PROTOCOL,
        storageDir: folder.path,
        ...ids,
        state: this.source.reading.state,
      }),
      log,
    });
    this.disposables.push(
      this.sidecar,
      this.sidecar.onDidChange(() => {
        this.tellWhoLogs();
        this.changed.fire();
      }),
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration(SECTION) || event.affectsConfiguration("http")) {
          this.readSoon();
        }
      }),
      context.secrets.onDidChange(({ key }) => {
        if (KEY_ID.test(key) || Object.values<string>(NAMES).includes(key)) {
          this.readSoon();
          this.mergeSoon();
        }
      }),
    );
  }

  /** Reads everything for the first time; the sidecar is not started yet. */
  static async open(
    context: ExtensionContext,
    log: LogOutputChannel,
    keys: Keys,
    folder: Folder,
    cameFromVersion1: boolean,
  ): Promise<App> {
    const ids = { pool: await keys.poolId(), host: await folder.hostId() };
    const app = new App(context, log, keys, folder, ids, cameFromVersion1);
    await app.source.read();
    return app;
  }

  /** Everything that is shown, as it is now. */
  get view(): View {
    const { settings, secrets, problems } = this.source.reading;
    const { phase, status, applying } = this.sidecar;
    return {
      phase,
      applying,
      problems,
      settings,
      names: namesOf(settings, secrets),
      ...(status ? { status } : {}),
    };
  }

  /** What was read last. */
  get reading(): Source["reading"] {
    return this.source.reading;
  }

  /** Reads everything anew and hands it on. */
  async refresh(): Promise<void> {
    const { state } = await this.source.read();
    this.attempt(this.journal.look());
    this.changed.fire();
    await this.sidecar.push(state);
  }

  /** Like {@link refresh}, and returns once the state is in force; `false` if the sidecar does not run or does not say so in time. */
  async applied(): Promise<boolean> {
    await this.refresh();
    const inForce = (): boolean => this.sidecar.status !== undefined && !this.sidecar.applying;
    if (inForce()) {
      return true;
    }
    return new Promise((resolve) => {
      const finish = (good: boolean): void => {
        clearTimeout(timer);
        listener.dispose();
        resolve(good);
      };
      const listener = this.onDidChange(() => {
        const { kind } = this.sidecar.phase;
        if (inForce() || kind === "stopped" || kind === "failed") {
          finish(inForce());
        }
      });
      const timer = setTimeout(() => {
        finish(false);
      }, APPLY_MS);
      // Nothing will change of itself.
      if (this.sidecar.phase.kind === "stopped" || this.sidecar.phase.kind === "failed") {
        finish(false);
      }
    });
  }

  /** Moves tokens and headers out of the settings into the secrets; returns the instances whose they were. */
  async moveSecrets(): Promise<string[]> {
    const settings = workspace.getConfiguration(SECTION);
    const found = takeSecrets(settings.inspect("serverlessInstances")?.globalValue);
    if (found === undefined) {
      return [];
    }
    // Nobody wants to put them back into the settings.
    await this.journal.silently(async () => {
      for (const [id, secrets] of found.secrets) {
        await this.keys.adoptInstanceSecrets(id, secrets);
      }
      await this.configuration.setEntries(found.cleaned);
    });
    return [...found.secrets.keys()];
  }

  dispose(): void {
    clearTimeout(this.readTimer);
    clearTimeout(this.mergeTimer);
    for (const disposable of this.disposables) {
      disposable.dispose();
    }
  }

  /** In a window that follows, the lines of requests are elsewhere: its log begins with where. */
  private tellWhoLogs(): void {
    const role = this.sidecar.status?.role;
    const leader = role?.kind === "follower" ? role.leader.pid : undefined;
    if (leader !== undefined && leader !== this.leader) {
      this.log.info(
        l10n.t("Another window serves the requests (process {0}); its log has their lines.", String(leader)),
      );
    }
    this.leader = leader;
  }

  private readSoon(): void {
    clearTimeout(this.readTimer);
    this.readTimer = setTimeout(() => {
      this.attempt(this.refresh());
    }, DEBOUNCE_MS);
  }

  private mergeSoon(): void {
    clearTimeout(this.mergeTimer);
    this.mergeTimer = setTimeout(() => {
      this.attempt(this.keys.merge());
    }, SETTLE_MS);
  }

  private attempt(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      this.log.error("a change could not be taken over", error instanceof Error ? plain(error.message) : "");
    });
  }
}
