import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NotStarted, findProgram, fits, startProgram } from "../src/binary";
import type { Failure } from "../src/view";

vi.mock("node:child_process", { spy: true });

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

  /** The first bytes of programs as the systems' linkers write them. */
  const elf = (machine: number): Buffer => {
    const head = Buffer.alloc(64);
    head.write("\x7fELF", "latin1");
    head.writeUInt16LE(machine, 18);
    return head;
  };
  const mach = (machine: number): Buffer => {
    const head = Buffer.from("cffaedfe00000000", "hex");
    head.writeUInt32LE(machine, 4);
    return head;
  };
  const pe = (machine: number): Buffer => {
    const head = Buffer.alloc(512);
    head.write("MZ");
    head.writeUInt32LE(0xf8, 0x3c);
    head.write("PE", 0xf8);
    head.writeUInt16LE(machine, 0xfc);
    return head;
  };

  it.each<[Buffer, string[]]>([
    [elf(0x3e), ["linux-x64"]],
    [elf(0xb7), ["linux-arm64"]],
    [elf(0xf3), []],
    [elf(0x3e).subarray(0, 18), []],
    [mach(0x01000007), ["darwin-x64", "darwin-arm64"]],
    [mach(0x0100000c), ["darwin-arm64"]],
    [Buffer.from("cafebabe00000002", "hex"), ["darwin-x64", "darwin-arm64"]],
    [mach(0x01000007).subarray(0, 6), []],
    [pe(0x8664), ["win32-x64", "win32-arm64"]],
    [pe(0xaa64), ["win32-arm64"]],
    [pe(0x8664).subarray(0, 0xf8), []],
    [Buffer.from("MZ, and a text behind it"), []],
    [Buffer.from("#!/bin/sh\n"), ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"]],
    [Buffer.from("a page that a portal served"), []],
    [Buffer.alloc(0), []],
  ])("is known by its first bytes: case %#", (head, machines) => {
    const all = ["linux", "darwin", "win32"].flatMap((system) => [`${system}-x64`, `${system}-arm64`]);
    const fitting = all.filter((machine) => {
      const [system, arch] = machine.split("-") as [NodeJS.Platform, NodeJS.Architecture];
      return fits(head, { platform: system, arch });
    });
    expect(fitting).toEqual(machines);
  });

  it("is looked at where nothing is known of the system or the processor, as far as that goes", () => {
    expect(fits(Buffer.alloc(0), { platform: "freebsd", arch: "x64" })).toBe(true);
    expect(fits(elf(0xf3), { platform: "linux", arch: "riscv64" })).toBe(true);
  });

  it.runIf(process.platform === "linux")(
    "for another machine, or without its loader, is named so",
    async () => {
      const foreign = { kind: "binaryForeign", platform };
      program(pe(0x8664));
      expect(await failure(findProgram(folder, false))).toEqual(foreign);
      expect(await failure(startProgram(program("#!/no/such/loader\n"), folder, {}))).toEqual(foreign);
    },
  );

  it.runIf(process.platform === "linux")("that is gone when it shall start is missed", async () => {
    const path = program("#!/bin/sh\n");
    rmSync(path);
    expect(await failure(startProgram(path, folder, {}))).toEqual({ kind: "binaryMissing", platform });
  });

  it.runIf(process.platform === "linux")(
    "that may not be executed is told with the system's word",
    async () => {
      expect(await failure(startProgram(program("", 0o644), folder, {}))).toEqual({
        kind: "heldBack",
        code: "EACCES",
      });
    },
  );

  it.each<[string, Failure]>([
    ["EBUSY", { kind: "heldBack", code: "EBUSY" }],
    ["UNKNOWN", { kind: "heldBack", code: "UNKNOWN" }],
    ["EFTYPE", { kind: "binaryForeign", platform }],
    ["Unknown system error -86", { kind: "binaryForeign", platform }],
    ["EMFILE", { kind: "notStarted", code: "EMFILE" }],
  ])("that the system refuses with %s", async (code, expected) => {
    vi.mocked(spawn).mockImplementationOnce(() => {
      throw Object.assign(new Error("spawn"), { code });
    });
    expect(await failure(startProgram(program("#!/bin/sh\n"), folder, {}))).toEqual(expected);
  });

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
