/**
 * How often people are told something: once an episode, which ends when its reason has been gone for a minute. An episode outlives the
 * window that told it: what was told lies in the folder as marks, so that neither the next start nor the next window tells it again.
 */

import { createHash } from "node:crypto";
import type { Folder } from "./folder";
import type { About, Notice } from "./notices";
import { Turns } from "./turns";

/** An episode is over when its reason has been gone for so long. */
export const CALM_MS = 60_000;
/** Enough to tell notices apart. */
const MARK_LENGTH = 16;

export class Episodes {
  /** Marks of what was told, and since when its reason is gone. */
  private told: Map<string, number | undefined> | undefined;
  private readonly turns = new Turns();
  /** The folder takes what is written. */
  private isKept = true;

  constructor(private readonly folder: Pick<Folder, "told" | "setTold">) {}

  /** Something that was told is gone: whether it stays so is to be looked at after {@link CALM_MS}. */
  get isWaiting(): boolean {
    return [...(this.told?.values() ?? [])].some((since) => since !== undefined);
  }

  /**
   * Those of the notices that begin an episode. Called with all of them, at every change; `judged` says of which the absence means
   * something in this window.
   */
  begin(notices: readonly Notice[], judged: ReadonlySet<About>, now: number): Promise<Notice[]> {
    return this.turns.take(async () => {
      const told = (this.told ??= await this.read());
      const there = new Set(notices.map(markOf));
      const over = [...told].flatMap(([mark, since]) =>
        since !== undefined && now - since >= CALM_MS ? [mark] : [],
      );
      for (const [mark, since] of told) {
        const isGone = !there.has(mark) && [...judged].some((about) => isOf(mark, about));
        told.set(mark, isGone ? (since ?? now) : undefined);
      }
      if (over.length === 0 && [...there].every((mark) => told.has(mark))) {
        return [];
      }
      return this.change((marks) => {
        over.forEach((mark) => marks.delete(mark));
        const begun = notices.filter((notice) => !marks.has(markOf(notice)));
        begun.forEach((notice) => marks.set(markOf(notice), undefined));
        return begun;
      });
    });
  }

  /** What was told of these is told again if it is still so: a person has tried to mend it. */
  end(about: About): Promise<void> {
    return this.turns.take(() =>
      this.change((marks) => {
        [...marks.keys()].filter((mark) => isOf(mark, about)).forEach((mark) => marks.delete(mark));
      }),
    );
  }

  /** On what lies in the folder now: other windows tell and forget, too. */
  private async change<T>(how: (marks: Map<string, number | undefined>) => T): Promise<T> {
    if (this.isKept) {
      const known = this.told;
      const fresh = await this.read();
      this.told = new Map([...fresh.keys()].map((mark) => [mark, known?.get(mark)]));
    }
    const marks = (this.told ??= new Map<string, undefined>());
    const result = how(marks);
    try {
      await this.folder.setTold([...marks.keys()]);
    } catch {
      // From now on this window remembers for itself.
      this.isKept = false;
    }
    return result;
  }

  private async read(): Promise<Map<string, undefined>> {
    return new Map((await this.folder.told()).map((mark) => [mark, undefined]));
  }
}

/** Tells a notice from the others, and names nobody. */
function markOf({ id, about }: Notice): string {
  return `${about} ${createHash("sha256").update(id).digest("hex").slice(0, MARK_LENGTH)}`;
}

function isOf(mark: string, about: About): boolean {
  return mark.startsWith(`${about} `);
}
