/**
 * The extension's folder on this machine: its id, what it takes to notice that an editor without a keyring lost the keys, and marks of
 * what people were told. Holds no secret, no name and no count but the number of keys.
 */

import { randomBytes } from "node:crypto";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** `globalStorageUri` as a path. */
export class Folder {
  constructor(readonly path: string) {}

  /** The random id of this machine; made once, whichever window comes first. */
  async hostId(): Promise<string> {
    const file = join(this.path, "host");
    const old = await this.text("host");
    if (old) {
      return old;
    }
    await this.put(file, randomBytes(16).toString("hex"), "keep");
    return (await this.text("host")) ?? "";
  }

  /** How many keys there were when they were last read; 0 if that is not known. */
  async keyCount(): Promise<number> {
    return Number((await this.text("keys")) ?? 0) || 0;
  }

  /** Remembers how many there are. */
  async setKeyCount(count: number): Promise<void> {
    if ((await this.keyCount()) !== count) {
      await this.put(join(this.path, "keys"), String(count), "replace");
    }
  }

  /** Marks of what people were told and what lasts still. */
  async told(): Promise<string[]> {
    return ((await this.text("told")) ?? "").split("\n").filter((mark) => mark !== "");
  }

  /** Remembers these, and no others. */
  async setTold(marks: readonly string[]): Promise<void> {
    await this.put(join(this.path, "told"), marks.join("\n"), "replace");
  }

  /** Whether keys of version 1.x were there at the first start of 2.x; `first` is asked only then. */
  async cameFromVersion1(first: () => Promise<boolean>): Promise<{ came: boolean; now: boolean }> {
    const old = await this.text("version1");
    if (old !== undefined) {
      return { came: old === "yes", now: false };
    }
    const came = await first();
    await this.put(join(this.path, "version1"), came ? "yes" : "no", "keep");
    return { came, now: came };
  }

  /** Whether nobody has done this here before; from now on somebody has. Of several windows one hears yes. */
  async once(what: string): Promise<boolean> {
    await mkdir(this.path, { recursive: true });
    try {
      await writeFile(join(this.path, what), "", { flag: "wx", mode: 0o600 });
      return true;
    } catch (error) {
      if (isThere(error)) {
        return false;
      }
      throw error;
    }
  }

  private async text(name: string): Promise<string | undefined> {
    try {
      return (await readFile(join(this.path, name), "utf8")).trim();
    } catch {
      return undefined;
    }
  }

  /** Whole or not at all, so that no window reads half a file. */
  private async put(file: string, text: string, ifThere: "keep" | "replace"): Promise<void> {
    await mkdir(this.path, { recursive: true });
    const fresh = `${file}.${randomBytes(6).toString("hex")}`;
    await writeFile(fresh, `${text}\n`, { mode: 0o600 });
    try {
      await (ifThere === "keep" ? link(fresh, file) : rename(fresh, file));
    } catch (error) {
      // Some file systems know no links; there the last one wins.
      if (ifThere === "replace" || !isThere(error)) {
        await rename(fresh, file);
      }
    } finally {
      await rm(fresh, { force: true });
    }
  }
}

function isThere(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}
