/**
 * Where the sidecar's program is, and how its process begins. In the package; elsewhere only while the extension is developed. Never
 * chosen by a setting, never looked for in PATH.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Failure } from "./view";

/** Names a program to run instead, in development. */
const OVERRIDE = "GEMINI_AGGREGATOR_SERVER";
/** What operating systems say of a program that is not for them. `ENOENT`: its loader is missing. */
const FOREIGN = new Set(["ENOEXEC", "EFTYPE", "UNKNOWN", "ENOENT"]);

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
  try {
    await access(program);
  } catch {
    throw new NotStarted({ kind: "binaryMissing", platform: platform() });
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

function platform(): string {
  return `${process.platform}-${process.arch}`;
}
