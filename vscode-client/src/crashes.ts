/**
 * What to do when the sidecar ended without being asked to. Pure: the time is an argument.
 */

/** So many crashes within {@link WINDOW_MS} are the end. */
const MOST = 5;
const WINDOW_MS = 3 * 60 * 1000;
const FIRST_WAIT_MS = 250;

/** Start it again after a while, or give up. */
export type Verdict = { kind: "restart"; afterMs: number; first: boolean } | { kind: "giveUp" };

export class Crashes {
  private times: number[] = [];

  /** One more. The first within the window begins an episode. */
  add(now: number): Verdict {
    this.times = this.times.filter((time) => now - time < WINDOW_MS);
    this.times.push(now);
    const count = this.times.length;
    if (count >= MOST) {
      return { kind: "giveUp" };
    }
    return { kind: "restart", afterMs: FIRST_WAIT_MS * 2 ** (count - 1), first: count === 1 };
  }

  /** A person started it: earlier crashes do not count. */
  forget(): void {
    this.times = [];
  }
}
