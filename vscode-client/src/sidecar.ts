/**
 * The sidecar over all its lives: start, stop, restart after a crash, push the state, receive the status. Never reads settings or
 * secrets and never shows anything.
 */

import { type CancellationToken, type Disposable, EventEmitter } from "vscode";
import {
  type DesiredState,
  type DiagnoseParams,
  type Diagnosis,
  type InitializeOptions,
  type Record as Decision,
  type RecordsParams,
  type RetestAnswer,
  type RetestParams,
  type Status,
  type TryRequestAnswer,
  type TryRequestParams,
  DIAGNOSE,
  RECORDS,
  RETEST,
  TRY_REQUEST,
} from "../../protocol/protocol";
import { Crashes } from "./crashes";
import { l10n } from "./l10n";
import { type Birth, Life } from "./life";
import type { Failure, Phase } from "./view";

/** A key that was added in this window is in the one that serves so much later at most; one that it left out never is. */
const SPREAD_MS = 2_000;

/** What stays the same over all lives. */
export type Terms = Pick<Birth, "program" | "folder" | "log" | "options">;

export class Sidecar implements Disposable {
  private readonly changed = new EventEmitter<void>();
  private readonly failed = new EventEmitter<Failure>();
  private readonly crashed = new EventEmitter<void>();
  private readonly accepted = new EventEmitter<void>();
  private readonly crashes = new Crashes();
  private life: Life | undefined;
  /** Of all lives before the present one: two at a time would fight for the port and the ledger. */
  private ended: Promise<unknown> = Promise.resolve();
  private restartTimer: NodeJS.Timeout | undefined;
  private sent = 0;
  private current: Phase = { kind: "stopped" };
  private lastStatus: Status | undefined;
  private readonly listener: Disposable;

  /** Phase, status, or whether something is being applied. */
  readonly onDidChange = this.changed.event;
  /** It does not run and is not started again by itself. */
  readonly onDidFail = this.failed.event;
  /** It crashed for the first time in a while, and is started again. */
  readonly onDidCrash = this.crashed.event;

  /** A key was tested, and Google accepted it. */
  readonly onDidAccept = this.accepted.event;

  constructor(private readonly terms: Terms) {
    this.listener = terms.log.onDidChangeLogLevel(() => void this.tellLevel());
  }

  get phase(): Phase {
    return this.current;
  }

  get status(): Status | undefined {
    return this.lastStatus;
  }

  /** A state that was sent is not in force yet, and was not refused. */
  get applying(): boolean {
    const { lastStatus: status, sent } = this;
    return status !== undefined && sent > status.appliedRevision && sent !== status.rejectedRevision;
  }

  /** Starts it, unless it runs or is about to. */
  async start(): Promise<void> {
    if (this.life === undefined) {
      clearTimeout(this.restartTimer);
      this.crashes.forget();
      await this.launch();
    }
  }

  /** Ends it; it stays so until it is started. Returns when no process is left. */
  async stop(): Promise<void> {
    this.leave();
    this.enter({ kind: "stopped" });
    await this.ended;
  }

  /** Another process in its place. What is asked for meanwhile counts, and not this. */
  async restart(): Promise<void> {
    this.leave();
    await this.start();
  }

  /** Sends a state, if there is somebody to send it to who does not know it; the others get it with their start. */
  async push(state: DesiredState): Promise<void> {
    if (this.current.kind !== "running" || this.life === undefined || state.revision <= this.sent) {
      return;
    }
    this.sent = state.revision;
    this.changed.fire();
    // What cannot be sent went with the process, and the next one begins with the newest state.
    await this.life.push(state).catch(() => undefined);
  }

  /** Tests one key by its own way out. */
  async retest(keyId: string, token?: CancellationToken): Promise<RetestAnswer> {
    await this.known(keyId, token);
    const answer = await this.ask<RetestAnswer>(RETEST, { keyId } satisfies RetestParams, token);
    if (answer.detail.ok) {
      this.accepted.fire();
    }
    return answer;
  }

  /** Looks at ways out, step by step. */
  async diagnose(params: DiagnoseParams, token?: CancellationToken): Promise<Diagnosis> {
    return this.ask<Diagnosis>(DIAGNOSE, params, token);
  }

  /** Sends a small request to the endpoint, as a client would; it counts against the quota. */
  async tryRequest(params: TryRequestParams, token?: CancellationToken): Promise<TryRequestAnswer> {
    return this.ask<TryRequestAnswer>(TRY_REQUEST, params, token);
  }

  /** What happened to the last requests, newest first. */
  async records(params: RecordsParams): Promise<Decision[]> {
    return this.ask<Decision[]>(RECORDS, params);
  }

  dispose(): void {
    clearTimeout(this.restartTimer);
    this.listener.dispose();
    this.changed.dispose();
    this.failed.dispose();
    this.crashed.dispose();
    this.accepted.dispose();
  }

  /** A process that is being started is told when it runs. */
  private async tellLevel(): Promise<void> {
    if (this.current.kind === "running") {
      // What cannot be sent went with the process, and the next one begins with the newest level.
      await this.life?.tellLevel().catch(() => undefined);
    }
  }

  /** The window that serves tests the key, and hears of a new one by itself: it is given the time for it. */
  private async known(keyId: string, token?: CancellationToken): Promise<void> {
    const isOver = (): boolean =>
      this.lastStatus?.role.kind !== "follower" || this.lastStatus.keys.some(({ id }) => id === keyId);
    if (isOver()) {
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, SPREAD_MS);
      const listeners = [
        this.changed.event(() => {
          if (isOver()) {
            finish();
          }
        }),
        token?.onCancellationRequested(() => {
          finish();
        }),
      ];
      const finish = (): void => {
        clearTimeout(timer);
        listeners.forEach((listener) => void listener?.dispose());
        resolve();
      };
    });
  }

  /** What goes wrong is said in the user's language; how the library or the server calls it is in the log. */
  private async ask<Answer>(method: string, params: object, token?: CancellationToken): Promise<Answer> {
    if (this.life === undefined) {
      throw new Error(l10n.t("the server does not run"));
    }
    try {
      return await this.life.request<Answer>(method, params, token);
    } catch (error) {
      if (token?.isCancellationRequested) {
        throw error;
      }
      this.terms.log.warn(`${method}: ${error instanceof Error ? error.message : ""}`);
      throw new Error(l10n.t("the server did not answer"), { cause: error });
    }
  }

  /** Lets the present life go; its end is waited for by the next one. */
  private leave(): void {
    clearTimeout(this.restartTimer);
    const { life } = this;
    this.life = undefined;
    if (life !== undefined) {
      this.ended = Promise.all([this.ended, life.end()]);
    }
  }

  private async launch(): Promise<void> {
    const life = this.beget();
    this.life = life;
    this.enter({ kind: "starting" });
    await this.ended;
    const failure = this.life === life ? await life.begin() : undefined;
    if (this.life !== life) {
      return;
    }
    if (failure !== undefined) {
      this.life = undefined;
      this.fail(failure);
      return;
    }
    this.enter({ kind: "running" });
    await this.tellLevel();
    await this.push(this.terms.options().state);
  }

  private beget(): Life {
    const life: Life = new Life({
      ...this.terms,
      options: () => this.firstWords(),
      onStatus: (status) => {
        if (this.life === life) {
          this.lastStatus = status;
          this.changed.fire();
        }
      },
      onCrash: (by, begun) => {
        if (this.life === life) {
          this.onCrash(by === "SIGKILL" && !begun);
        }
      },
    });
    return life;
  }

  private firstWords(): InitializeOptions {
    const options = this.terms.options();
    this.sent = options.state.revision;
    return options;
  }

  /** `forbidden`: somebody else ended it before it said a word. */
  private onCrash(forbidden: boolean): void {
    this.life = undefined;
    const verdict = this.crashes.add(Date.now());
    if (verdict.kind === "giveUp") {
      this.fail(forbidden ? { kind: "heldBack", code: "SIGKILL" } : { kind: "crashed" });
      return;
    }
    this.enter({ kind: "starting" });
    if (verdict.first) {
      this.crashed.fire();
    }
    this.restartTimer = setTimeout(() => void this.launch(), verdict.afterMs);
  }

  private fail(failure: Failure): void {
    this.enter({ kind: "failed", failure });
    this.failed.fire(failure);
  }

  private enter(phase: Phase): void {
    this.current = phase;
    if (phase.kind !== "running") {
      this.lastStatus = undefined;
    }
    this.changed.fire();
  }
}
