/**
 * One life of the sidecar: one process and the client that speaks with it. It ends once; the next one is another object. The library's
 * own restarts, pop-ups and traces are off: they are English, race with a start, and would print keys.
 */

import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { type CancellationToken, type LogOutputChannel, EventEmitter, LogLevel } from "vscode";
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  ResponseError,
  RevealOutputChannelOn,
} from "vscode-languageclient/node";
import {
  type DesiredState,
  type InitializeOptions,
  type LogLevel as Level,
  type LogLevelParams,
  type Status,
  DID_CHANGE_LOG_LEVEL,
  DID_CHANGE_STATE,
  DID_CHANGE_STATUS,
} from "../../protocol/protocol";
import { NotStarted, startProgram } from "./binary";
import { pipeLog } from "./log";
import type { Failure } from "./view";

/** What a life needs to begin. */
export interface Birth {
  /** Where the program is. */
  program: () => Promise<string>;
  /** Its working folder. */
  folder: string;
  /** Read when the process is there, so that the newest state goes with it. */
  options: () => InitializeOptions;
  log: LogOutputChannel;
  onStatus: (status: Status) => void;
  /** The process is gone, and nobody wanted that. `begun`: it had answered before. */
  onCrash: (by: NodeJS.Signals | null, begun: boolean) => void;
}

const INITIALIZE_MS = 10_000;
const STOP_MS = 4_000;
/** From a gentle signal to a hard one. */
const KILL_MS = 700;
/** `initialize` was refused by the sidecar itself: it speaks another protocol, or cannot read what ours says. */
const REFUSED = new Set([-32001, -32602]);
/** In the log, in place of the library's sentences: one is about restarts of its own, the other quotes what it could not read. */
const CLOSED = "the connection to the sidecar closed";
const UNREADABLE = "what the sidecar says cannot be read, or it does not hear";

export class Life {
  /** The process, from the moment on when the system is asked for one. */
  private child: Promise<ChildProcessWithoutNullStreams> | undefined;
  private ended: Promise<unknown> = Promise.resolve();
  private asked = false;
  private silent = false;
  private begun = false;
  /** What the process was told. */
  private level: Level | undefined;
  private readonly client: QuietClient;

  constructor(private readonly birth: Birth) {
    // A process that cannot be spoken with is as good as gone, and the end of it says so.
    const options = clientOptions(birth, () => void this.kill());
    this.client = new QuietClient("geminiAggregator", "Gemini Aggregator", () => this.spawn(), options);
    this.client.onNotification(DID_CHANGE_STATUS, (status: Status) => {
      birth.onStatus(status);
    });
  }

  /** Returns why it did not begin; `undefined` if it runs, or if its process ended and `onCrash` was told, or if it was ended. */
  async begin(): Promise<Failure | undefined> {
    const timer = setTimeout(() => {
      this.silent = true;
      this.asked = true;
      void this.kill("SIGKILL");
    }, INITIALIZE_MS);
    try {
      await this.client.start();
      this.begun = true;
      return undefined;
    } catch (error) {
      const failure = this.failure(error);
      this.asked ||= failure !== undefined;
      await this.kill();
      return failure;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it in order, and by force if that takes too long. */
  async end(): Promise<void> {
    this.asked = true;
    try {
      await this.client.stop(STOP_MS);
    } catch {
      // It had not begun, or did not answer: the process is ended all the same.
    }
    await this.kill();
  }

  /** Sends the whole state. */
  async push(state: DesiredState): Promise<void> {
    await this.client.sendNotification(DID_CHANGE_STATE, state);
  }

  /** Lets the process log as much as the channel shows. */
  async tellLevel(): Promise<void> {
    const level = levelOf(this.birth.log);
    if (level !== this.level) {
      this.level = level;
      await this.client.sendNotification(DID_CHANGE_LOG_LEVEL, { level } satisfies LogLevelParams);
    }
  }

  /** Asks the sidecar something. */
  request<Answer>(method: string, params: object, token?: CancellationToken): Promise<Answer> {
    // An undefined token would go out as one more parameter.
    return token
      ? this.client.sendRequest<Answer>(method, params, token)
      : this.client.sendRequest<Answer>(method, params);
  }

  private async spawn(): Promise<ChildProcessWithoutNullStreams> {
    const { program, folder, log } = this.birth;
    const found = await program();
    if (this.asked) {
      throw new Error("it was ended before it began");
    }
    this.level = levelOf(log);
    const env = { GEMINI_AGGREGATOR_LOG: this.level };
    this.child = startProgram(found, folder, env).then((child) => {
      this.ended = this.endOf(child);
      return child;
    });
    return this.child;
  }

  /** Returns when the process is gone. */
  private endOf(child: ChildProcessWithoutNullStreams): Promise<void> {
    // A signal that could not be sent; its exit is what counts.
    child.on("error", () => undefined);
    return new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        if (!this.asked) {
          this.birth.log.error(`the sidecar ended by itself: ${signal ?? `exit code ${String(code)}`}`);
          this.birth.onCrash(signal, this.begun);
        }
        resolve();
      });
    });
  }

  /** Returns when the process is gone, also one that is only about to be there. The second signal cannot be overheard. */
  private async kill(first: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = await this.child?.catch(() => undefined);
    child?.kill(first);
    const timer = setTimeout(() => child?.kill("SIGKILL"), KILL_MS);
    await this.ended;
    clearTimeout(timer);
  }

  private failure(error: unknown): Failure | undefined {
    if (error instanceof NotStarted) {
      return error.failure;
    }
    if (this.silent) {
      return { kind: "silent" };
    }
    if (error instanceof ResponseError && REFUSED.has(error.code)) {
      return { kind: "refused" };
    }
    return this.child === undefined && !this.asked ? { kind: "notStarted", code: String(error) } : undefined;
  }
}

/** A client whose errors go to the log and never into a pop-up of the library's. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data instanceof NotStarted ? undefined : data, false);
  }

  /**
   * When the process ends meanwhile, the library says that it started, and drops the promise that knows better. A second call gets that
   * promise.
   */
  override async start(): Promise<void> {
    await Promise.all([super.start(), super.start()]);
  }

  /** The library stops a client that never ran, and nobody hears its complaint. */
  override stop(timeout?: number): Promise<void> {
    return this.isRunning() ? super.stop(timeout) : Promise.resolve();
  }
}

/** `onLost`: the process cannot be spoken with any more. */
function clientOptions({ log, options }: Birth, onLost: () => void): LanguageClientOptions {
  return {
    documentSelector: [],
    outputChannel: log,
    traceOutputChannel: silentChannel(),
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    initializationOptions: options,
    initializationFailedHandler: () => false,
    errorHandler: {
      error: () => {
        onLost();
        return { action: ErrorAction.Continue, handled: true, message: UNREADABLE };
      },
      closed: () => {
        onLost();
        return { action: CloseAction.DoNotRestart, handled: true, message: CLOSED };
      },
    },
    stdioOptions: {
      stdout: () => undefined,
      stderr: (input) => {
        pipeLog(input, log);
      },
    },
  };
}

/** For the library's traces, which hold whole messages and so every key: its level is off, and it writes nothing. */
function silentChannel(): LogOutputChannel {
  const nothing = (): void => undefined;
  return {
    name: "",
    logLevel: LogLevel.Off,
    onDidChangeLogLevel: new EventEmitter<LogLevel>().event,
    trace: nothing,
    debug: nothing,
    info: nothing,
    warn: nothing,
    error: nothing,
    append: nothing,
    appendLine: nothing,
    replace: nothing,
    clear: nothing,
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- both overloads are one member
    show: nothing,
    hide: nothing,
    dispose: nothing,
  };
}

function levelOf({ logLevel }: LogOutputChannel): Level {
  switch (logLevel) {
    case LogLevel.Trace:
      return "trace";
    case LogLevel.Debug:
      return "debug";
    default:
      return "info";
  }
}
