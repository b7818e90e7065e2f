/**
 * Keeps the history: what our commands change, and what somebody changes in the settings by hand. Takes changes back, one at a time.
 * Secrets that another window changes are none of this window's history.
 */

import type { Configuration } from "./configuration";
import { type Change, type Plan, History, diff, plan } from "./history";
import type { Snapshot } from "./snapshot";
import { Turns } from "./turns";

/** How taking back ended. */
export type Outcome =
  | { kind: "nothing" }
  /** The person did not want to. */
  | { kind: "left" }
  /** `again`: by this id it can be taken back in its turn. `refused`: names of keys whose value another key has. */
  | { kind: "done"; change: Change; again: number | undefined; refused: string[] };

/** Asks whether to go on although something has changed since, or although it cannot be taken back. */
export type Ask = (change: Change, plan: Plan) => Promise<boolean>;

export class Journal {
  private readonly history = new History();
  private settings: Snapshot;
  private readonly turns = new Turns();

  constructor(
    private readonly configuration: Configuration,
    private readonly now: () => number = Date.now,
  ) {
    this.settings = configuration.settings();
  }

  /** Settings may have been changed by hand. */
  async look(): Promise<void> {
    await this.turns.take(() => {
      this.noticeEdits();
      return Promise.resolve();
    });
  }

  /** Makes a change; all of it is one in the history. Nobody is asked anything in it. */
  record<T>(work: () => Promise<T>): Promise<{ result: T; change: Change | undefined }> {
    return this.turns.take(async () => {
      this.noticeEdits();
      const before = await this.configuration.everything();
      try {
        const result = await work();
        return { result, change: await this.noticeChange(before) };
      } catch (error) {
        await this.noticeChange(before);
        throw error;
      }
    });
  }

  /** Makes a change that is nobody's to undo. */
  async silently(work: () => Promise<void>): Promise<void> {
    await this.turns.take(async () => {
      this.noticeEdits();
      await work();
      this.settings = this.configuration.settings();
    });
  }

  /** Takes the last change back, or the one of this id. */
  undo(ask: Ask, id?: number): Promise<Outcome> {
    return this.takeBack(ask, () => (id === undefined ? this.history.next : this.history.find(id)), "took");
  }

  /** Makes the change again that was undone last, or the one of this id. */
  redo(ask: Ask, id?: number): Promise<Outcome> {
    return this.takeBack(
      ask,
      () => (id === undefined ? this.history.nextAgain : this.history.find(id)),
      "made",
    );
  }

  /** Forgets everything, secrets included. */
  clear(): void {
    this.history.clear();
  }

  private takeBack(ask: Ask, choose: () => Change | undefined, how: "took" | "made"): Promise<Outcome> {
    return this.turns.take(async () => {
      this.noticeEdits();
      const change = choose();
      if (change === undefined) {
        return { kind: "nothing" };
      }
      let before = await this.configuration.everything();
      let planned = plan(change, before);
      // Somebody may change things while a person thinks about it.
      for (let asked: string | undefined; asked !== placesOf(planned);) {
        asked = placesOf(planned);
        if (!(await ask(change, planned))) {
          return { kind: "left" };
        }
        before = await this.configuration.everything();
        planned = plan(change, before);
      }
      const refused = await this.configuration.putBack(planned.writes);
      this.settings = this.configuration.settings();
      const places = new Set(planned.writes.map(({ place }) => place));
      const inverse = diff(before, await this.configuration.everything()).filter(({ place }) =>
        places.has(place),
      );
      const possible = this.history[how](change, inverse, this.now());
      const again = how === "took" ? this.history.nextAgain : this.history.next;
      return { kind: "done", change, again: possible ? again?.id : undefined, refused };
    });
  }

  private noticeEdits(): void {
    const fresh = this.configuration.settings();
    this.history.add(diff(this.settings, fresh), this.now(), true);
    this.settings = fresh;
  }

  private async noticeChange(before: Snapshot): Promise<Change | undefined> {
    const after = await this.configuration.everything();
    this.settings = this.configuration.settings();
    return this.history.add(diff(before, after), this.now(), false);
  }
}

function placesOf({ touched }: Plan): string {
  return touched.map(({ place }) => place).join(" ");
}
