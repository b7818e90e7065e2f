import { describe, expect, it } from "vitest";
import { type Change, type Step, History, MOST, diff, isGone, isNew, plan } from "../src/history";
import type { Held, Place, Snapshot } from "../src/snapshot";

function snapshot(values: Partial<Record<Place, unknown>>): Snapshot {
  const held = Object.entries(values).map(([place, value], at): [Place, Held] => [
    place as Place,
    { value, at, name: place },
  ]);
  return new Map(held);
}

const A = snapshot({ "setting/port": 3145, "key/key1": "secret-one", "label/key1": "work" });
const steps = (from: Snapshot, to: Snapshot): Step[] => diff(from, to);
const places = (change: Change | undefined): string[] => (change?.steps ?? []).map(({ place }) => place);

describe("what differs", () => {
  it("is found place by place, with what lay there before", () => {
    const found = steps(A, snapshot({ "setting/port": 4000, "label/key1": "work", "binding/key1": "us" }));
    expect(found.map(({ place, before }) => [place, before])).toEqual([
      ["setting/port", 3145],
      ["key/key1", "secret-one"],
      ["binding/key1", undefined],
    ]);
    expect(found.map(isNew)).toEqual([false, false, true]);
    expect(found.map(isGone)).toEqual([false, true, false]);
  });

  it("does not depend on the order of fields, but on that of lists", () => {
    const from = snapshot({ "instance/us": { id: "us", tags: ["a", "b"] } });
    expect(steps(from, snapshot({ "instance/us": { tags: ["a", "b"], id: "us" } }))).toEqual([]);
    expect(steps(from, snapshot({ "instance/us": { id: "us", tags: ["b", "a"] } }))).toHaveLength(1);
  });

  it("holds no secret that is still in the pool", () => {
    const found = steps(
      A,
      snapshot({ "setting/port": 3145, "key/key1": "secret-two", "label/key1": "work" }),
    );
    expect(JSON.stringify(found)).toContain("secret-one");
    expect(JSON.stringify(found)).not.toContain("secret-two");
  });
});

describe("taking back", () => {
  it("writes only what the change touched, and leaves what is back already", () => {
    const [port, label] = steps(
      A,
      snapshot({ "setting/port": 4000, "key/key1": "secret-one", "label/key1": "home" }),
    );
    const change = {
      id: 1,
      steps: [port, label].filter((step) => step !== undefined),
      atMs: 0,
      byHand: false,
    };
    const now = snapshot({ "setting/port": 3145, "key/key1": "another", "label/key1": "home" });
    const { writes, touched } = plan(change, now);
    expect(writes.map(({ place, before }) => [place, before])).toEqual([["label/key1", "work"]]);
    expect(touched).toEqual([]);
  });

  it("names what has changed since", () => {
    const change = {
      id: 1,
      steps: steps(A, snapshot({ "setting/port": 4000, "key/key1": "secret-one", "label/key1": "work" })),
      atMs: 0,
      byHand: false,
    };
    expect(plan(change, snapshot({ "setting/port": 5000 })).touched.map(({ place }) => place)).toEqual([
      "setting/port",
    ]);
  });
});

/** A change that has to be there. */
function there(change: Change | undefined): Change {
  expect(change).toBeDefined();
  return change as unknown as Change;
}

/** Secrets in both directions together. */
function piles(history: History): number {
  const all = JSON.parse(JSON.stringify(history)) as { done: Change[]; undone: Change[] };
  const places = [...all.done, ...all.undone].flatMap(({ steps }) => steps.map(({ place }) => place));
  return places.filter((place) => place.startsWith("key/")).length;
}

describe("the history", () => {
  const added = (id: string): Step[] => steps(snapshot({}), snapshot({ [`label/${id}`]: id }));
  const deleted = (...ids: string[]): Step[] =>
    steps(snapshot(Object.fromEntries(ids.map((id) => [`key/${id}`, id]))), snapshot({}));

  it("keeps the last twenty changes", () => {
    const history = new History();
    for (let number = 0; number <= MOST; number += 1) {
      history.add(added(String(number)), number, false);
    }
    const seen: string[] = [];
    for (let change = history.next; change !== undefined; change = history.next) {
      seen.push(...places(change));
      history.took(change, [], 0);
    }
    expect(seen).toHaveLength(MOST);
    expect(seen.at(-1)).toBe("label/1");
  });

  it("does not keep a change that changed nothing", () => {
    expect(new History().add([], 0, false)).toBeUndefined();
  });

  it("moves a change that was undone to those that can be redone, and back", () => {
    const history = new History();
    const change = there(history.add(added("a"), 0, false));
    expect(history.find(change.id)).toBe(change);
    expect(history.took(change, added("b"), 1)).toBe(true);
    expect([places(history.next), places(history.nextAgain)]).toEqual([[], ["label/b"]]);
    expect(history.find(change.id)).toBeUndefined();
    expect(history.made(there(history.nextAgain), added("c"), 2)).toBe(true);
    expect([places(history.next), places(history.nextAgain)]).toEqual([["label/c"], []]);
  });

  it("forgets what could be redone once something else is changed", () => {
    const history = new History();
    history.took(there(history.add(added("a"), 0, false)), added("b"), 1);
    history.add(added("c"), 2, false);
    expect(history.nextAgain).toBeUndefined();
  });

  it("takes edits of one place for one change while somebody types, and none if all is as before", () => {
    const history = new History();
    const port = (from: number, to: number): Step[] =>
      steps(snapshot({ "setting/port": from }), snapshot({ "setting/port": to }));
    history.add(port(3145, 4), 0, true);
    history.add(port(4, 40), 1_000, true);
    history.add(port(40, 4000), 2_000, true);
    expect(history.next?.steps.map(({ before, after }) => [before, after])).toEqual([[3145, 4000]]);
    history.add(port(4000, 5000), 60_000, true);
    expect(history.next?.steps[0]?.before).toBe(4000);
    history.add(port(5000, 4000), 61_000, true);
    expect(history.next?.steps[0]?.before).toBe(3145);
    history.add(added("x"), 61_500, true);
    expect(places(history.next)).toEqual(["label/x"]);
    history.add(added("x"), 61_600, false);
    expect(history.next?.byHand).toBe(false);
  });

  it("holds at most twenty secrets, in both directions together, the oldest gone first", () => {
    const history = new History();
    for (let number = 0; number < MOST; number += 1) {
      history.add(deleted(`key${String(number)}`, `twin${String(number)}`), number, false);
    }
    expect(piles(history)).toBe(MOST);
    history.add(added("a"), 90, false);
    const last = history.add(deleted("key90"), 100, false);
    expect(places(last)).toEqual(["key/key90"]);
    history.took(there(last), deleted("key91", "key92"), 101);
    expect(places(history.nextAgain)).toEqual(["key/key91", "key/key92"]);
    expect(piles(history)).toBe(MOST);
    history.took(
      there(history.next),
      deleted(...Array.from({ length: MOST }, (_, index) => `many${String(index)}`)),
      102,
    );
    expect([history.next, piles(history)]).toEqual([undefined, MOST]);
  });

  it("does not keep a change with more secrets than that, and loses no other for it", () => {
    const history = new History();
    const kept = there(history.add(added("a"), 0, false));
    const many = Array.from({ length: MOST + 1 }, (_, index) => `key${String(index)}`);
    expect(history.add(deleted(...many), 1, false)).toBeUndefined();
    const adding = there(
      history.add(
        steps(snapshot({}), snapshot(Object.fromEntries(many.map((id) => [`key/${id}`, id])))),
        2,
        false,
      ),
    );
    expect(history.took(adding, deleted(...many), 3)).toBe(false);
    expect(history.next).toBe(kept);
  });

  it("is empty after it was cleared", () => {
    const history = new History();
    const change = there(history.add(deleted("key1"), 0, false));
    history.took(change, deleted("key2"), 1);
    history.add(deleted("key3"), 2, false);
    history.clear();
    expect([history.next, history.nextAgain, JSON.stringify(history)]).toEqual([
      undefined,
      undefined,
      JSON.stringify({ done: [], undone: [], lastId: 3 }),
    ]);
  });
});
