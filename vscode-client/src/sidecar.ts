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
  DIAGNOSE,
  RECORDS,
  RETEST,
} from "../../protocol/protocol";
import { Crashes } from "./crashes";
import { type Birth, Life } from "./life";
import type { Failure, Phase } from "./view";

/** What stays the same over all lives. */
export type Terms = Pick<Birth, "program" | "folder" | "log" | "options">;

export class Sidecar implements Disposable {
  private readonly changed = new EventEmitter<void>();
  private readonly failed = new EventEmitter<Failure>();
  private readonly crashed = new EventEmitter<void>();
  private readonly accepted = new EventEmitter<void>();
  private readonly crashes = new Crashes();
  private life: Life | undefined;
  /** The next life begins when the last one is over: they want the same port. */
  private ending: Promise<unknown> = Promise.resolve();
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

  /** Ends it; it stays so until it is started. */
  async stop(): Promise<void> {
    this.endLife();
    this.enter({ kind: "stopped" });
    await this.ending;
  }

  /** Ends it and starts it, unless it is stopped meanwhile. */
  async restart(): Promise<void> {
    this.endLife();
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

  private async ask<Answer>(method: string, params: object, token?: CancellationToken): Promise<Answer> {
    if (this.life === undefined) {
      throw new Error("the sidecar does not run");
    }
    return this.life.request<Answer>(method, params, token);
  }

  private endLife(): void {
    clearTimeout(this.restartTimer);
    this.ending = Promise.all([this.ending, this.life?.end()]);
    this.life = undefined;
  }

  private async launch(): Promise<void> {
    const life = this.beget();
    this.life = life;
    this.enter({ kind: "starting" });
    await this.ending;
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
      onEnd: (asked) => {
        if (this.life === life && !asked) {
          this.onCrash();
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

  private onCrash(): void {
    this.life = undefined;
    const verdict = this.crashes.add(Date.now());
    if (verdict.kind === "giveUp") {
      this.fail({ kind: "crashed" });
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
