/**
 * An extension host with nothing in it but the sidecar, in a process of its own that can be killed: `start` and `stop` come as messages,
 * phases and roles go out. Bundled before it runs.
 */

import { EventEmitter, LogLevel, type LogOutputChannel } from "vscode";
import { PROTOCOL } from "../../../protocol/protocol";
import { Sidecar } from "../../src/sidecar";

const [program = "", folder = ""] = process.argv.slice(2);
const nothing = (): void => undefined;
const log = {
  logLevel: LogLevel.Info,
  onDidChangeLogLevel: new EventEmitter<LogLevel>().event,
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  append: nothing,
  appendLine: nothing,
};
const state = {
  revision: 1,
  port: 0,
  mode: "local" as const,
  keys: [{ id: "key1", secret: "AIzaSyFAKE-never-in-a-log" }],
};
const sidecar = new Sidecar({
  program: () => Promise.resolve(program),
  folder,
  options: () => ({ protocol: PROTOCOL, storageDir: folder, pool: "p", host: "h", state }),
  log: log as unknown as LogOutputChannel,
});
const tell = (word: string): void => void process.send?.(word);
sidecar.onDidChange(() => {
  tell(sidecar.status?.role.kind ?? sidecar.phase.kind);
});
process.on("message", (word) => {
  const done = word === "start" ? sidecar.start() : sidecar.stop();
  void done.then(() => {
    tell(`${String(word)} done`);
  });
});
// The test is gone.
process.on("disconnect", () => process.exit());
