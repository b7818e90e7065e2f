import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { Crashes } from "../src/crashes";
import { type LogSink, pipeLog, readLine } from "../src/log";

function sink(): { sink: LogSink; lines: string[] } {
  const lines: string[] = [];
  const level =
    (name: string) =>
    (line: string): void =>
      void lines.push(`${name}: ${line}`);
  return {
    lines,
    sink: {
      trace: level("trace"),
      debug: level("debug"),
      info: level("info"),
      warn: level("warn"),
      error: level("error"),
    },
  };
}

describe("a line of the sidecar", () => {
  it.each([
    [" INFO request id=1 status=200", "info", "request id=1 status=200"],
    [
      " WARN lines were dropped because nobody read them count=2",
      "warn",
      "lines were dropped because nobody read them count=2",
    ],
    ["ERROR a task broke", "error", "a task broke"],
    ["DEBUG x", "debug", "x"],
    ["TRACE x", "trace", "x"],
    ["thread 'main' panicked", "info", "thread 'main' panicked"],
    ["  INFO x", "info", "  INFO x"],
    ["INFORMATION", "info", "INFORMATION"],
  ])("%j is %s", (line, level, text) => {
    expect(readLine(line)).toEqual({ level, text });
  });

  it("is found at whatever byte the stream is cut, also within a character", async () => {
    const text = " INFO schlüssel …\r\nERROR b\n\n WARN 密钥";
    const bytes = Buffer.from(text);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const stream = new PassThrough();
      const { sink: log, lines } = sink();
      pipeLog(stream, log);
      stream.write(bytes.subarray(0, cut));
      stream.end(bytes.subarray(cut));
      await new Promise((resolve) => stream.once("close", resolve));
      expect(lines).toEqual(["info: schlüssel …", "error: b", "warn: 密钥"]);
    }
  });

  it("is one line, whatever a client calls its model", async () => {
    const stream = new PassThrough();
    const { sink: log, lines } = sink();
    pipeLog(stream, log);
    stream.end(" INFO r1 a\rERROR b\u2028c\u0085d\u001b[2Je\u202ef\tg\n");
    await new Promise((resolve) => stream.once("close", resolve));
    expect(lines).toEqual(["info: r1 a\ufffdERROR b\ufffdc\ufffdd\ufffd[2Je\ufffdf\tg"]);
  });

  it("is cut when it has no end, so that memory does not grow", async () => {
    const stream = new PassThrough();
    const { sink: log, lines } = sink();
    pipeLog(stream, log);
    stream.write("x".repeat(40_000));
    stream.end(`\n INFO ${"y".repeat(40_000)}\n`);
    await new Promise((resolve) => stream.once("close", resolve));
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(17_000);
    expect(lines.at(-1)).toMatch(/^info: y+…$/);
  });
});

describe("crashes", () => {
  it("are answered by starts that wait longer each time, and the fifth within three minutes ends it", () => {
    const crashes = new Crashes();
    const verdicts = [0, 10, 20, 30, 40].map((second) => crashes.add(second * 1000));
    expect(verdicts).toEqual([
      { kind: "restart", afterMs: 250, first: true },
      { kind: "restart", afterMs: 500, first: false },
      { kind: "restart", afterMs: 1000, first: false },
      { kind: "restart", afterMs: 2000, first: false },
      { kind: "giveUp" },
    ]);
  });

  it("are forgotten after three minutes, and when a person starts it", () => {
    const crashes = new Crashes();
    for (let minute = 0; minute < 100; minute += 1) {
      expect(crashes.add(minute * 60_000).kind).toBe("restart");
    }
    crashes.forget();
    expect(crashes.add(100 * 60_000)).toMatchObject({ first: true });
  });
});
