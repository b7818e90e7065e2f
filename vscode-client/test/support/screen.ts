/**
 * A person before a window: everything that the editor would show is kept, and lists, boxes and messages are answered as a test says.
 * Put in place of the editor's API, and taken away after each test.
 */

import * as editor from "vscode";
import type { SharedSecrets } from "./secrets";

/** Where a text is shown; each has its own way to turn text into something else. */
export type Where =
  | "toast"
  | "button"
  | "modal"
  | "progress"
  | "title"
  | "placeholder"
  | "prompt"
  | "validation"
  | "label"
  | "description"
  | "detail"
  | "separator"
  | "status"
  | "tooltip"
  | "row"
  | "log";

export interface Shown {
  where: Where;
  text: string;
}

type Listener<T> = (value: T) => unknown;
type Items = readonly (editor.QuickPickItem | string)[];

/** What the fake parts of the API are put into. */
interface Parts {
  window: Record<string, unknown>;
  workspace: Record<string, unknown>;
  commands: Record<string, unknown>;
  env: Record<string, unknown>;
}

export class Screen {
  readonly shown: Shown[] = [];
  /** Answers to lists, by a part of a label or by a number; without one a list is closed. */
  picks: (string | number)[] = [];
  /** What is typed into boxes; without one a box is closed. */
  texts: string[] = [];
  /** Buttons of messages that are pressed. */
  presses: string[] = [];
  /** Questions are answered so. */
  sure = true;
  /** Happens while a list, a box or a question is open. */
  meanwhile: (() => unknown) | undefined;
  clipboard = "";
  /** The user's settings, by their full names. */
  readonly settings: Record<string, unknown> = {};
  /** Why settings cannot be written. */
  locked: Error | undefined;
  readonly commands = new Map<string, (...args: unknown[]) => unknown>();
  readonly executed: unknown[][] = [];
  readonly items: Record<string, unknown>[] = [];
  readonly channels: unknown[][] = [];
  readonly documents = new Map<string, editor.TextDocumentContentProvider>();
  readonly trees = new Map<string, editor.TreeDataProvider<object>>();
  private readonly settingsChanged = new editor.EventEmitter<editor.ConfigurationChangeEvent>();
  private readonly before: [Record<string, unknown>, Record<string, unknown>][] = [];

  constructor() {
    const parts = editor as unknown as Parts;
    this.put(parts.window, this.window());
    this.put(parts.workspace, this.workspace());
    this.put(parts.env, {
      clipboard: { writeText: (text: string) => Promise.resolve(void (this.clipboard = text)) },
    });
    this.put(parts.commands, {
      registerCommand: (name: string, run: (...args: unknown[]) => unknown) => {
        this.commands.set(name, run);
        return { dispose: () => this.commands.delete(name) };
      },
      executeCommand: (name: string, ...args: unknown[]) => {
        this.executed.push([name, ...args]);
        return Promise.resolve(this.commands.get(name)?.(...args));
      },
    });
  }

  /** The editor's own API again. */
  leave(): void {
    for (const [part, old] of this.before) {
      Object.assign(part, old);
    }
  }

  /** All texts of these places. */
  textsOf(...places: Where[]): string[] {
    return this.shown.filter(({ where }) => places.includes(where)).map(({ text }) => text);
  }

  /** Somebody edits the user's settings.json. */
  set(name: string, value: unknown): void {
    if (value === undefined) {
      Reflect.deleteProperty(this.settings, name);
    } else {
      this.settings[name] = value;
    }
    this.settingsChanged.fire({ affectsConfiguration: (section) => name.startsWith(`${section}.`) });
  }

  /** What `activate` is given. */
  context(secrets: SharedSecrets, folder: string): editor.ExtensionContext {
    const store = secrets.window();
    const context = {
      subscriptions: [] as { dispose(): unknown }[],
      secrets: store,
      globalStorageUri: { fsPath: folder },
      extensionPath: folder,
      extensionMode: editor.ExtensionMode.Development,
    };
    return context as unknown as editor.ExtensionContext;
  }

  /** A channel whose lines are kept. */
  channel(): editor.LogOutputChannel {
    const write = (...parts: unknown[]): void => {
      this.add("log", parts.map(String).join(" "));
    };
    return {
      logLevel: editor.LogLevel.Info,
      onDidChangeLogLevel: new editor.EventEmitter<editor.LogLevel>().event,
      ...Object.fromEntries(
        ["trace", "debug", "info", "warn", "error", "append", "appendLine"].map((name) => [name, write]),
      ),
      show: () => this.executed.push(["show log"]),
      dispose: () => undefined,
    } as unknown as editor.LogOutputChannel;
  }

  private window(): Record<string, unknown> {
    return {
      showInformationMessage: this.message,
      showWarningMessage: this.message,
      showErrorMessage: this.message,
      showQuickPick: async (items: Items, options: editor.QuickPickOptions = {}) => {
        this.add("title", options.title);
        this.add("placeholder", options.placeHolder);
        this.rows(items);
        await this.meanwhile?.();
        return this.choose(items);
      },
      showInputBox: async (options: editor.InputBoxOptions) => {
        this.add("title", options.title);
        this.add("prompt", options.prompt);
        this.add("placeholder", options.placeHolder);
        const text = this.texts.shift();
        await this.meanwhile?.();
        if (text !== undefined) {
          this.validation(await options.validateInput?.(text));
        }
        return text;
      },
      createQuickPick: () => this.list(),
      createInputBox: () => this.box(),
      withProgress: (
        { title }: editor.ProgressOptions,
        work: (progress: unknown, token: unknown) => unknown,
      ) => {
        this.add("progress", title);
        const report = ({ message }: { message?: string }): void => {
          this.add("progress", message);
        };
        const token = {
          isCancellationRequested: false,
          onCancellationRequested: () => ({ dispose: nothing }),
        };
        return work({ report }, token);
      },
      setStatusBarMessage: (text: string) => {
        this.add("status", text);
      },
      createStatusBarItem: (id: string, alignment: number, priority: number) => {
        const item = { id, alignment, priority, show: nothing, dispose: nothing };
        this.items.push(item);
        return item;
      },
      createOutputChannel: (...args: unknown[]) => {
        this.channels.push(args);
        return this.channel();
      },
      createTreeView: (id: string, options: editor.TreeViewOptions<object>) => {
        this.trees.set(id, options.treeDataProvider);
        return { visible: true, onDidChangeVisibility: () => ({ dispose: nothing }), dispose: nothing };
      },
      showTextDocument: () => Promise.resolve(),
    };
  }

  private workspace(): Record<string, unknown> {
    return {
      workspaceFolders: [],
      onDidChangeConfiguration: this.settingsChanged.event,
      getConfiguration: (section?: string) => {
        const full = (name: string): string => (section === undefined ? name : `${section}.${name}`);
        return {
          get: (name: string) => this.settings[full(name)],
          inspect: (name: string) => ({ globalValue: this.settings[full(name)] }),
          update: (name: string, value: unknown) => {
            if (this.locked !== undefined) {
              return Promise.reject(this.locked);
            }
            this.set(full(name), value);
            return Promise.resolve();
          },
        };
      },
      registerTextDocumentContentProvider: (scheme: string, provider: editor.TextDocumentContentProvider) => {
        this.documents.set(scheme, provider);
        return { dispose: nothing };
      },
      openTextDocument: (uri: editor.Uri) => Promise.resolve({ uri }),
    };
  }

  private readonly message = async (text: string, ...more: unknown[]): Promise<unknown> => {
    const [options, ...rest] = more;
    const isModal = typeof options === "object" && options !== null && "modal" in options;
    this.add(isModal ? "modal" : "toast", text);
    if (isModal) {
      this.add("modal", (options as editor.MessageOptions).detail);
      await this.meanwhile?.();
      return this.sure ? rest[0] : undefined;
    }
    const actions = more as editor.MessageItem[];
    actions.forEach(({ title }) => {
      this.add("button", title);
    });
    const pressed = actions.find(({ title }) => title === this.presses[0]);
    if (pressed !== undefined) {
      this.presses.shift();
    }
    return pressed;
  };

  private list(): unknown {
    const [accept, hide] = [new editor.EventEmitter<void>(), new editor.EventEmitter<void>()];
    const list = {
      title: undefined as string | undefined,
      placeholder: undefined as string | undefined,
      items: [] as Items,
      buttons: [] as editor.QuickInputButton[],
      activeItems: [] as Items,
      selectedItems: [] as Items,
      onDidAccept: (listener: Listener<void>) => accept.event(listener),
      onDidHide: (listener: Listener<void>) => hide.event(listener),
      onDidTriggerButton: () => ({ dispose: nothing }),
      onDidTriggerItemButton: () => ({ dispose: nothing }),
      hide: () => {
        hide.fire();
      },
      dispose: nothing,
      show: () => {
        this.add("title", list.title);
        this.add("placeholder", list.placeholder);
        this.rows(list.items);
        const chosen = this.choose(list.items);
        list.selectedItems = chosen === undefined ? [] : [chosen];
        void Promise.resolve(this.meanwhile?.()).then(() => {
          accept.fire();
          hide.fire();
        });
      },
    };
    return list;
  }

  private box(): unknown {
    const [change, accept, hide] = [
      new editor.EventEmitter<string>(),
      new editor.EventEmitter<void>(),
      new editor.EventEmitter<void>(),
    ];
    const box = {
      title: undefined as string | undefined,
      prompt: undefined as string | undefined,
      placeholder: undefined as string | undefined,
      value: "",
      validationMessage: undefined as string | editor.InputBoxValidationMessage | undefined,
      onDidChangeValue: (listener: Listener<string>) => change.event(listener),
      onDidAccept: (listener: Listener<void>) => accept.event(listener),
      onDidTriggerButton: () => ({ dispose: nothing }),
      onDidHide: (listener: Listener<void>) => hide.event(listener),
      hide: () => {
        hide.fire();
      },
      dispose: nothing,
      show: () => {
        this.add("title", box.title);
        this.add("prompt", box.prompt);
        this.add("placeholder", box.placeholder);
        const text = this.texts.shift();
        void Promise.resolve(this.meanwhile?.()).then(() => {
          if (text !== undefined) {
            box.value = text;
            change.fire(text);
            accept.fire();
          }
          this.validation(box.validationMessage);
          hide.fire();
        });
      },
    };
    return box;
  }

  private rows(items: Items): void {
    for (const item of items) {
      if (typeof item !== "string") {
        this.add(item.kind === editor.QuickPickItemKind.Separator ? "separator" : "label", item.label);
        this.add("description", item.description);
        this.add("detail", item.detail);
      }
    }
  }

  private choose<Item extends editor.QuickPickItem | string>(items: readonly Item[]): Item | undefined {
    const pick = this.picks.shift();
    const rows = items.filter(
      (item) => typeof item !== "string" && item.kind !== editor.QuickPickItemKind.Separator,
    );
    return typeof pick === "number"
      ? rows[pick]
      : rows.find((item) => pick !== undefined && typeof item !== "string" && item.label.includes(pick));
  }

  private validation(said: string | editor.InputBoxValidationMessage | undefined | null): void {
    this.add("validation", typeof said === "string" ? said : said?.message);
  }

  private add(where: Where, text: string | undefined): void {
    if (text !== undefined && text !== "") {
      this.shown.push({ where, text });
    }
  }

  private put(part: Record<string, unknown>, fake: Record<string, unknown>): void {
    this.before.push([part, Object.fromEntries(Object.keys(fake).map((name) => [name, part[name]]))]);
    Object.assign(part, fake);
  }
}

const nothing = (): undefined => undefined;
