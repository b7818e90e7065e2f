/**
 * Where the sidecar's program is, and how its process begins. In the package; elsewhere only while the extension is developed. Never
 * chosen by a setting, never looked for in PATH.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Failure } from "./view";

/** Names a program to run instead, in development. */
const OVERRIDE = "GEMINI_AGGREGATOR_SERVER";
/** What operating systems say of a program that is not for them. `ENOENT`: its loader is missing. */
const FOREIGN = new Set(["ENOEXEC", "EFTYPE", "UNKNOWN", "ENOENT"]);
/** How a program for Linux names its processor, at {@link ELF_MACHINE_AT}. */
const ELF_MACHINES: Partial<Record<string, number>> = { x64: 0x3e, arm64: 0xb7 };
const ELF_MACHINE_AT = 18;
const HEAD_BYTES = 20;

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
  const head = await readHead(program);
  if (head === undefined) {
    throw new NotStarted({ kind: "binaryMissing", platform: platform() });
  }
  if (!isForThis(head)) {
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
    const child = spawn(program, [], { cwd: folder, env: { ...process.env, ...env }, windowsHide: true });
    await once(child, "spawn");
    return child;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "?";
    throw new NotStarted(
      FOREIGN.has(code) ? { kind: "binaryForeign", platform: platform() } : { kind: "notStarted", code },
    );
  }
}

/** Looked at before the start: Linux hands a program that it does not know to the shell, which fails in its own way. */
function isForThis(head: Buffer): boolean {
  if (head.subarray(0, 2).toString("latin1") === "#!") {
    return true;
  }
  switch (process.platform) {
    case "linux": {
      const machine = ELF_MACHINES[process.arch];
      const isElf = head.subarray(0, 4).toString("latin1") === "\x7fELF" && head.length === HEAD_BYTES;
      return isElf && (machine === undefined || head.readUInt16LE(ELF_MACHINE_AT) === machine);
    }
    case "darwin":
      return ["cffaedfe", "cafebabe"].includes(head.subarray(0, 4).toString("hex"));
    case "win32":
      return head.subarray(0, 2).toString("latin1") === "MZ";
    default:
      return true;
  }
}

/** The first bytes of a file; `undefined` if there is none. */
async function readHead(file: string): Promise<Buffer | undefined> {
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch {
    return undefined;
  }
}

function platform(): string {
  return `${process.platform}-${process.arch}`;
}
