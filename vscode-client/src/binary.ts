/**
 * Where the sidecar's program is, and how its process begins. In the package; elsewhere only while the extension is developed. Never
 * chosen by a setting, never looked for in PATH.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import type { Failure } from "./view";

/** Names a program to run instead, in development. */
const OVERRIDE = "GEMINI_AGGREGATOR_SERVER";
/** What operating systems say of a program that is not for them. The last one is macOS' `EBADARCH`, which Node has no name for. */
const FOREIGN = new Set(["ENOEXEC", "EFTYPE", "Unknown system error -86"]);
/** What they say of one that they do not let run. `UNKNOWN`: Windows, of a file that a virus scanner does not hand out. */
const HELD_BACK = new Set(["EACCES", "EPERM", "EBUSY", "UNKNOWN"]);
/** What is no file, or lies below one. */
const ABSENT = new Set(["ENOENT", "ENOTDIR"]);
/** As programs name their processor: for Linux at {@link ELF_MACHINE_AT}, for macOS behind the magic, for Windows in the PE header. */
const ELF_MACHINES: Partial<Record<string, number>> = { x64: 0x3e, arm64: 0xb7 };
const MACH_MACHINES: Partial<Record<string, number>> = { x64: 0x01000007, arm64: 0x0100000c };
const PE_MACHINES: Partial<Record<string, number>> = { x64: 0x8664, arm64: 0xaa64 };
const ELF_MACHINE_AT = 18;
/** Where Windows' own header begins stands here. */
const PE_HEADER_AT = 0x3c;
const HEAD_BYTES = 1024;

/** The program did not become a process. */
export class NotStarted extends Error {
  constructor(readonly failure: Failure) {
    super(failure.kind);
  }
}

/** The path of the program for this machine. */
export async function findProgram(extensionPath: string, development: boolean): Promise<string> {
  const override = development ? process.env[OVERRIDE] : undefined;
  const name = process.platform === "win32" ? "gemini-aggregator.exe" : "gemini-aggregator";
  const program = override ?? join(extensionPath, "server", name);
  if (!fits(await readHead(program), process)) {
    throw new NotStarted({ kind: "binaryForeign", platform: platform() });
  }
  return program;
}

/** Starts the program; the process runs when this returns. */
export async function startProgram(
  program: string,
  folder: string,
  env: Record<string, string>,
): Promise<ChildProcessWithoutNullStreams> {
  try {
    // A folder that is gone would look like a program that is.
    await mkdir(folder, { recursive: true });
    const child = spawn(program, [], { cwd: folder, env: { ...process.env, ...env }, windowsHide: true });
    await once(child, "spawn");
    return child;
  } catch (error) {
    throw new NotStarted(failureOf(codeOf(error), program));
  }
}

/**
 * The first bytes are those of a program for this machine. Looked at before the start: Linux hands a program that it does not know to the
 * shell, which fails in its own way. Windows and macOS run programs for x64 on arm64.
 */
export function fits(head: Buffer, machine: Pick<NodeJS.Process, "platform" | "arch">): boolean {
  const { platform, arch } = machine;
  if (platform !== "win32" && startsWith(head, "#!")) {
    return true;
  }
  switch (platform) {
    case "linux":
      return startsWith(head, "\x7fELF") && isFor(ELF_MACHINES, [arch], read(head, ELF_MACHINE_AT, 2));
    case "darwin":
      return (
        startsWith(head, "\xca\xfe\xba\xbe") ||
        (startsWith(head, "\xcf\xfa\xed\xfe") && isFor(MACH_MACHINES, withX64(arch), read(head, 4, 4)))
      );
    case "win32": {
      const header = read(head, PE_HEADER_AT, 4) ?? head.length;
      const machineOf = read(head, header + 4, 2);
      return (
        startsWith(head, "MZ") &&
        startsWith(head.subarray(header), "PE\0\0") &&
        isFor(PE_MACHINES, withX64(arch), machineOf)
      );
    }
    default:
      return true;
  }
}

function startsWith(bytes: Buffer, text: string): boolean {
  return bytes.subarray(0, text.length).toString("latin1") === text;
}

/** A number in the order of bytes that all these programs have; `undefined` behind their end. */
function read(bytes: Buffer, at: number, length: number): number | undefined {
  return at + length <= bytes.length ? bytes.readUIntLE(at, length) : undefined;
}

/** The machine is one of these processors, or none of them is known. */
function isFor(
  machines: Partial<Record<string, number>>,
  processors: string[],
  machine: number | undefined,
): boolean {
  const known = processors.flatMap((processor) => machines[processor] ?? []);
  return machine !== undefined && (known.length === 0 || known.includes(machine));
}

function withX64(arch: string): string[] {
  return arch === "arm64" ? [arch, "x64"] : [arch];
}

/** The first bytes of a file; there has to be one. */
async function readHead(file: string): Promise<Buffer> {
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = codeOf(error);
    throw new NotStarted(
      ABSENT.has(code) ? { kind: "binaryMissing", platform: platform() } : failureOf(code, file),
    );
  }
}

function failureOf(code: string, program: string): Failure {
  if (code === "ENOENT") {
    // With the file there, it is its loader that is missing.
    return { kind: existsSync(program) ? "binaryForeign" : "binaryMissing", platform: platform() };
  }
  if (FOREIGN.has(code)) {
    return { kind: "binaryForeign", platform: platform() };
  }
  return HELD_BACK.has(code) ? { kind: "heldBack", code } : { kind: "notStarted", code };
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "?";
}

/** As packages of the extension name it. */
function platform(): string {
  const system =
    process.platform === "linux" && existsSync("/etc/alpine-release") ? "alpine" : process.platform;
  return `${system}-${process.arch}`;
}
