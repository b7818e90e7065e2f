/**
 * Keeps the history: what our commands change, and what somebody changes in the settings by hand. Takes changes back, one at a time.
 * Secrets that another window changes are none of this window's history.
 */

import type { Configuration } from "./configuration";
import { type Change, type Plan, History, diff, plan } from "./history";
import type { Snapshot } from "./snapshot";

/** How taking back ended. */
export type Outcome =
  | { kind: "nothing" }
  /** The person did not want to. */
  | { kind: "left" }
  /** `again`: it can be taken back in its turn. `refused`: names of keys whose value another key has. */
  | { kind: "done"; change: Change; again: Change | undefined; refused: string[] };

/** Asks whether to go on although something has changed since, or although it cannot be taken back. */
export type Ask = (change: Change, plan: Plan) => Promise<boolean>;

export class Journal {
  private readonly history = new History();
  private settings: Snapshot;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly configuration: Configuration,
    private readonly now: () => number = Date.now,
  ) {
    this.settings = configuration.settings();
  }

  /** Settings may have been changed by hand. */
  async look(): Promise<void> {
    await this.inTurn(() => {
      this.noticeEdits();
      return Promise.resolve();
    });
  }

  /** Makes a change; all of it is one in the history. Nobody is asked anything in it. */
  record<T>(work: () => Promise<T>): Promise<{ result: T; change: Change | undefined }> {
    return this.inTurn(async () => {
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
    await this.inTurn(async () => {
      this.noticeEdits();
      await work();
      this.settings = this.configuration.settings();
    });
  }

  /** Takes the last change back, or this one. */
  undo(ask: Ask, which?: Change): Promise<Outcome> {
    return this.takeBack(ask, () => which ?? this.history.next, "took");
  }

  /** Makes the change again that was undone last, or this one. */
  redo(ask: Ask, which?: Change): Promise<Outcome> {
    return this.takeBack(ask, () => which ?? this.history.nextAgain, "made");
  }

  /** Forgets everything, secrets included. */
  clear(): void {
    this.history.clear();
  }

  private takeBack(ask: Ask, choose: () => Change | undefined, how: "took" | "made"): Promise<Outcome> {
    return this.inTurn(async () => {
      this.noticeEdits();
      const change = choose();
      if (change === undefined || !this.history.holds(change)) {
        return { kind: "nothing" };
      }
      const before = await this.configuration.everything();
      const planned = plan(change, before);
      if (!(await ask(change, planned))) {
        return { kind: "left" };
      }
      const refused = await this.configuration.putBack(planned.writes);
      this.settings = this.configuration.settings();
      const places = new Set(planned.writes.map(({ place }) => place));
      const inverse = diff(before, await this.configuration.everything()).filter(({ place }) =>
        places.has(place),
      );
      const possible = this.history[how](change, inverse, this.now());
      const again = how === "took" ? this.history.nextAgain : this.history.next;
      return { kind: "done", change, again: possible ? again : undefined, refused };
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

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.turn.then(work);
    this.turn = turn.catch(() => undefined);
    return turn;
  }
}
