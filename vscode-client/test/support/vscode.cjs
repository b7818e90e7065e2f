// The editor's API as far as the client library touches it without an editor: events and enumerations are real, all else is nothing.
class EventEmitter {
  listeners = new Set();
  event = (listener) => {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  };
  fire(value) {
    [...this.listeners].forEach((listener) => listener(value));
  }
  dispose() {
    this.listeners.clear();
  }
}

class CancellationTokenSource {
  cancelled = new EventEmitter();
  token = { isCancellationRequested: false, onCancellationRequested: this.cancelled.event };
  cancel() {
    this.token.isCancellationRequested = true;
    this.cancelled.fire();
  }
  dispose() {
    this.cancelled.dispose();
  }
}

class Nothing {
  constructor() {
    this.dispose = () => undefined;
  }
}

/** Text with a colour, an icon or markup: what was asked for is kept, so that a test can look at it. */
class Named {
  constructor(id, colour) {
    Object.assign(this, { id, colour });
  }
}

class MarkdownString {
  value = "";
  appendMarkdown = (text) => ((this.value += text), this);
  /** As the editor does it. */
  appendText = (text) => {
    this.value += text
      .replace(/[\\`*_{}[\]()#+\-!~]/g, "\\$&")
      .replace(/[ \t]/g, "&nbsp;")
      .replace(/>/gm, "\\>")
      .replace(/\n/g, "\n\n");
    return this;
  };
}

class TreeItem {
  constructor(label, collapsibleState) {
    Object.assign(this, { label, collapsibleState });
  }
}

class Uri {
  constructor(parts) {
    Object.assign(this, parts);
  }
  static from = (parts) => new Uri({ query: "", fragment: "", ...parts });
  static joinPath = ({ scheme, path }, ...more) => Uri.from({ scheme, path: [path, ...more].join("/") });
}

const never = () => new Nothing();
const shown = [];
const show = (text) => {
  shown.push(text);
  return Promise.resolve(undefined);
};
const known = {
  __esModule: true,
  CancellationTokenSource,
  EventEmitter,
  LogLevel: { Off: 0, Trace: 1, Debug: 2, Info: 3, Warning: 4, Error: 5 },
  StatusBarAlignment: { Left: 1, Right: 2 },
  QuickPickItemKind: { Separator: -1, Default: 0 },
  InputBoxValidationSeverity: { Info: 1, Warning: 2, Error: 3 },
  ProgressLocation: { Window: 10, Notification: 15 },
  ConfigurationTarget: { Global: 1, Workspace: 2 },
  ExtensionMode: { Production: 1, Development: 2, Test: 3 },
  TreeItemCollapsibleState: { None: 0, Collapsed: 1, Expanded: 2 },
  QuickInputButtons: { Back: { iconPath: "back" } },
  ThemeColor: Named,
  ThemeIcon: Named,
  MarkdownString,
  TreeItem,
  Uri,
  version: "1.104.0",
  /** Pop-ups; there should be none but ours. */
  shown,
  l10n: { t: (sentence, ...args) => sentence.replace(/\{(\d+)\}/g, (_, index) => args[index]) },
  env: {
    appName: "test",
    language: "en",
    clipboard: { readText: () => Promise.resolve(""), writeText: () => Promise.resolve() },
  },
  commands: { executeCommand: () => Promise.resolve(undefined), registerCommand: never },
  window: {
    showErrorMessage: show,
    showWarningMessage: show,
    showInformationMessage: show,
    showInputBox: () => Promise.resolve(undefined),
    setStatusBarMessage: never,
    withProgress: (_options, work) => work({ report: () => undefined }, new CancellationTokenSource().token),
    visibleTextEditors: [],
    tabGroups: { all: [], onDidChangeTabs: never },
    onDidChangeActiveTextEditor: never,
    onDidChangeVisibleTextEditors: never,
  },
  workspace: {
    workspaceFolders: undefined,
    textDocuments: [],
    notebookDocuments: [],
    getConfiguration: () => ({ get: (_name, fallback) => fallback }),
    ...Object.fromEntries(
      [
        "onDidChangeConfiguration",
        "onDidOpenTextDocument",
        "onDidCloseTextDocument",
        "onDidChangeTextDocument",
        "onDidChangeWorkspaceFolders",
      ].map((name) => [name, never]),
    ),
  },
  languages: { createDiagnosticCollection: never },
  Disposable: class extends Nothing {
    static create = never;
  },
};

/** Whatever else it asks for: can be called, constructed, derived from, and asked for more. */
const anything = () =>
  new Proxy(function () {}, {
    get: (target, name) =>
      name in target || typeof name === "symbol" ? target[name] : (target[name] = anything()),
    apply: anything,
  });

module.exports = new Proxy(known, {
  get: (target, name) => (name in target || name === "then" ? target[name] : (target[name] = anything())),
});
