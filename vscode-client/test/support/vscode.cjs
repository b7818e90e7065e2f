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
  version: "1.104.0",
  /** Pop-ups; there should be none but ours. */
  shown,
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
