/**
 * The sidecar's stderr → lines of the log channel, each with its level. The sidecar has redacted them; nothing is added here. A line is
 * one line: a client chooses the names of models in it.
 */

import { StringDecoder } from "node:string_decoder";
import type { Readable } from "node:stream";

/** The part of a `LogOutputChannel` that is written to. */
export interface LogSink {
  trace(line: string): void;
  debug(line: string): void;
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

type Level = keyof LogSink;

const LEVELS: Record<string, Level> = {
  TRACE: "trace",
  DEBUG: "debug",
  INFO: "info",
  WARN: "warn",
  ERROR: "error",
};
/** What would begin a line in the channel that nobody wrote, or turn one around. */
const BREAKS = /[^\P{Cc}\t]|[\p{Bidi_Control}\u2028\u2029]/gu;
/** A longer line is cut. */
const LONGEST = 16 * 1024;

/** `LEVEL message field=value …`, the level padded to five places; what is no such line is information. */
export function readLine(line: string): { level: Level; text: string } {
  const [, word, text] = /^ ?(TRACE|DEBUG|INFO|WARN|ERROR) (.*)$/.exec(line) ?? [];
  const level = word === undefined ? undefined : LEVELS[word];
  return level === undefined ? { level: "info", text: line } : { level, text: text ?? "" };
}

/** Writes every line that comes, until the stream ends. */
export function pipeLog(stderr: Readable, sink: LogSink): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  const write = (line: string): void => {
    const { level, text } = readLine(line.replace(BREAKS, "\ufffd"));
    if (text.trim() !== "") {
      sink[level](text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
    }
  };
  stderr.on("data", (bytes: Buffer) => {
    const lines = (rest + decoder.write(bytes)).split(/\r?\n/);
    rest = lines.pop() ?? "";
    lines.forEach(write);
    if (rest.length > LONGEST) {
      write(rest);
      rest = "";
    }
  });
  stderr.on("end", () => {
    write(rest + decoder.end());
  });
  // A broken pipe says nothing that the end of the process does not say.
  stderr.on("error", () => undefined);
}
