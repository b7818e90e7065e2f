import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NotStarted, findProgram, startProgram } from "../src/binary";

const NAME = process.platform === "win32" ? "gemini-aggregator.exe" : "gemini-aggregator";
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "program-"));
  mkdirSync(join(folder, "server"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

function program(content: string | Buffer, mode = 0o755): string {
  const path = join(folder, "server", NAME);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  return error instanceof NotStarted ? error.failure : error;
}

describe("the program", () => {
  it("is the one in the package, whatever the environment says", async () => {
    vi.stubEnv("GEMINI_AGGREGATOR_SERVER", "/somewhere/else");
    const path = program(readFileSync(process.execPath).subarray(0, 64));
    expect(await findProgram(folder, false)).toBe(path);
  });

  it("may be another one in development only", async () => {
    const path = program("#!/bin/sh");
    vi.stubEnv("GEMINI_AGGREGATOR_SERVER", path);
    expect(await findProgram("/no/package", true)).toBe(path);
    vi.stubEnv("GEMINI_AGGREGATOR_SERVER", undefined);
    expect(await findProgram(folder, true)).toBe(path);
  });

  const platform = `${process.platform}-${process.arch}`;

  it("is missed with the platform's name", async () => {
    expect(await failure(findProgram(folder, false))).toEqual({ kind: "binaryMissing", platform });
  });

  it.runIf(process.platform === "linux")(
    "of another platform, or without its loader, is named so",
    async () => {
      const foreign = { kind: "binaryForeign", platform };
      const otherProcessor = readFileSync(process.execPath).subarray(0, 64);
      otherProcessor.writeUInt16LE(0xf3, 18);
      for (const content of [
        Buffer.from("cffaedfe0700000103000000", "hex"),
        Buffer.from("MZ…"),
        Buffer.from("\x7fELF"),
        otherProcessor,
        Buffer.alloc(0),
      ]) {
        program(content);
        expect(await failure(findProgram(folder, false))).toEqual(foreign);
      }
      expect(await failure(startProgram(program("#!/no/such/loader\n"), folder, {}))).toEqual(foreign);
    },
  );

  it.runIf(process.platform === "linux")(
    "that may not be executed is told with the system's word",
    async () => {
      expect(await failure(startProgram(program("", 0o644), folder, {}))).toEqual({
        kind: "notStarted",
        code: "EACCES",
      });
    },
  );

  it.runIf(process.platform === "linux")("gets the environment and more", async () => {
    vi.stubEnv("OF_THE_EDITOR", "1");
    const child = await startProgram(program('#!/bin/sh\necho "$OF_THE_EDITOR $OF_OURS $PWD"\n'), folder, {
      OF_OURS: "2",
    });
    const said = await new Promise((resolve) =>
      child.stdout.once("data", (bytes: Buffer) => {
        resolve(bytes.toString().trim());
      }),
    );
    expect(said).toBe(`1 2 ${folder}`);
  });
});
