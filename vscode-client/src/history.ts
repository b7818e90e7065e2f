/**
 * The last changes of the configuration, and what it takes to take one back: pure, in memory only. A change is what differed in each
 * place before and after it; of what it left there only a mark is kept, so that a secret which is in the pool is not held twice.
 */

import { createHash } from "node:crypto";
import { type Place, type Snapshot, isSecret } from "./snapshot";

/** So many changes, and so many secrets that are no longer in the pool, are kept. */
export const MOST = 20;
/** Edits of one place by hand, one soon after the other, are one change: somebody types. */
const TYPING_MS = 10_000;

/** What one change did to one place. */
export interface Step {
  place: Place;
  /** What lay there; `undefined`: nothing. */
  before: unknown;
  at: number;
  /** Tells whether it has changed since. */
  left: string;
  /** For words: what it left there, unless that is secret. */
  after: unknown;
  name: string;
}

/** Steps that were made together. */
export interface Change {
  /** By it others remember the change: whoever kept the change itself would keep its secrets. */
  id: number;
  steps: readonly Step[];
  atMs: number;
  /** In the settings, past our commands. */
  byHand: boolean;
}

/** What taking a change back would do. */
export interface Plan {
  writes: readonly Step[];
  /** Places in which lies something else than the change left there. */
  touched: readonly Step[];
}

/** What differs between two moments. */
export function diff(before: Snapshot, after: Snapshot): Step[] {
  const places = [...new Set([...before.keys(), ...after.keys()])];
  return places.flatMap((place) => {
    const [old, fresh] = [before.get(place), after.get(place)];
    const left = mark(fresh?.value);
    if (mark(old?.value) === left) {
      return [];
    }
    const { at, name } = old ?? fresh ?? { at: 0, name: "" };
    return [{ place, before: old?.value, at, left, after: isSecret(place) ? undefined : fresh?.value, name }];
  });
}

/** What has to be written to take this change back now. */
export function plan(change: Change, now: Snapshot): Plan {
  const present = (step: Step): string => mark(now.get(step.place)?.value);
  const writes = change.steps.filter((step) => present(step) !== mark(step.before));
  return { writes, touched: writes.filter((step) => present(step) !== step.left) };
}

/** Something lies there after the change, and nothing lay there before it. */
export function isNew(step: Step): boolean {
  return step.before === undefined;
}

/** Nothing lies there any more. */
export function isGone(step: Step): boolean {
  return step.left === NOTHING;
}

/** Two piles of changes: those that can be undone, and those that can be redone. */
export class History {
  private done: Change[] = [];
  private undone: Change[] = [];
  private lastId = 0;

  /** The last change. */
  get next(): Change | undefined {
    return this.done.at(-1);
  }

  /** The change that was undone last. */
  get nextAgain(): Change | undefined {
    return this.undone.at(-1);
  }

  /** A change was made. Nothing can be redone after it. */
  add(steps: readonly Step[], nowMs: number, byHand: boolean): Change | undefined {
    if (steps.length === 0) {
      return undefined;
    }
    this.undone = [];
    const last = this.done.at(-1);
    const typing = byHand && last?.byHand && nowMs - last.atMs < TYPING_MS && samePlaces(last.steps, steps);
    const change = this.change(typing ? joined(last.steps, steps) : steps, nowMs, byHand);
    if (typing) {
      this.done.pop();
    }
    if (change.steps.length > 0 && secretsIn([change]) <= MOST) {
      this.done.push(change);
    }
    this.forgetSome();
    return this.done.includes(change) ? change : undefined;
  }

  /** The change was taken back; `inverse` is what that did. Returns whether it can be redone. */
  took(change: Change, inverse: readonly Step[], nowMs: number): boolean {
    return this.move("undone", change, inverse, nowMs);
  }

  /** The change was made again; `inverse` is what that did. Returns whether it can be undone. */
  made(change: Change, inverse: readonly Step[], nowMs: number): boolean {
    return this.move("done", change, inverse, nowMs);
  }

  /** The change of this id, if it can be undone or redone still. */
  find(id: number): Change | undefined {
    return [...this.done, ...this.undone].find((change) => change.id === id);
  }

  /** Forgets all of it, secrets first of all. */
  clear(): void {
    this.done = [];
    this.undone = [];
  }

  private move(to: "done" | "undone", change: Change, steps: readonly Step[], atMs: number): boolean {
    this.done = this.done.filter((other) => other !== change);
    this.undone = this.undone.filter((other) => other !== change);
    const moved = this.change(steps, atMs, false);
    // One that is too large does not push the others out.
    if (steps.length > 0 && secretsIn([moved]) <= MOST) {
      this[to].push(moved);
      this.forgetSome();
    }
    return this.find(moved.id) !== undefined;
  }

  private change(steps: readonly Step[], atMs: number, byHand: boolean): Change {
    this.lastId += 1;
    return { id: this.lastId, steps, atMs, byHand };
  }

  /** The oldest go first, and with them what cannot be reached without them. */
  private forgetSome(): void {
    this.done = this.done.slice(-MOST);
    while (secretsIn(this.done) + secretsIn(this.undone) > MOST) {
      if (this.done.length > 0 && secretsIn(this.done) > 0) {
        this.done.shift();
      } else {
        this.undone.shift();
      }
    }
  }
}

/** Text that only this value has. */
function mark(value: unknown): string {
  return value === undefined ? NOTHING : createHash("sha256").update(canonical(value)).digest("base64");
}

const NOTHING = "";

/** JSON in which the order of fields does not count. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function samePlaces(a: readonly Step[], b: readonly Step[]): boolean {
  return a.length === b.length && a.every(({ place }) => b.some((step) => step.place === place));
}

/** From the first of two changes to the end of the second; what came back to its beginning is no step. */
function joined(first: readonly Step[], second: readonly Step[]): Step[] {
  return second.flatMap((step) => {
    const before = first.find(({ place }) => place === step.place)?.before;
    return mark(before) === step.left ? [] : [{ ...step, before }];
  });
}

function secretsIn(changes: readonly Change[]): number {
  return changes
    .flatMap(({ steps }) => steps)
    .filter(({ place, before }) => isSecret(place) && before !== undefined).length;
}
