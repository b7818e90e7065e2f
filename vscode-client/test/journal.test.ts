import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { changeWords, stepNames } from "../src/changeWords";
import { Configuration } from "../src/configuration";
import type { Change, Plan } from "../src/history";
import { type Ask, type Outcome, Journal } from "../src/journal";
import { Keys } from "../src/keys";
import { SharedSecrets } from "./support/secrets";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const yes: Ask = () => Promise.resolve(true);
const US = { id: "us", name: "Deno US", url: "https://us.example", tags: ["mine"] };

/** A window with settings and secrets of its own; `others` is a second window on the same secrets. */
class World {
  readonly settings: Record<string, unknown> = {};
  readonly shared = new SharedSecrets();
  readonly keys = new Keys(this.shared.window());
  readonly others = new Keys(this.shared.window());
  clock = 0;
  readonly configuration = new Configuration(
    (name) => ({ globalValue: this.settings[name.replace("geminiAggregator.", "")] }),
    (name, value) => {
      this.set(name, value);
      return Promise.resolve();
    },
    this.keys,
  );
  readonly journal = new Journal(this.configuration, () => this.clock);

  /** Somebody edits settings.json. */
  set(name: string, value: unknown): void {
    if (value === undefined) {
      Reflect.deleteProperty(this.settings, name);
    } else {
      this.settings[name] = value;
    }
  }

  async do(work: () => Promise<unknown>): Promise<Change | undefined> {
    return (await this.journal.record(work)).change;
  }

  /** A change that is kept. */
  async change(work: () => Promise<unknown>): Promise<Change> {
    const change = await this.do(work);
    expect(change).toBeDefined();
    return change as unknown as Change;
  }

  /** Everything that is configured, to compare with a later moment. */
  async all(): Promise<unknown> {
    const { keys, instances, accessToken } = await this.keys.read();
    return structuredClone({ settings: this.settings, keys, instances, accessToken });
  }
}

function done(outcome: Outcome): Extract<Outcome, { kind: "done" }> {
  expect(outcome.kind).toBe("done");
  return outcome as Extract<Outcome, { kind: "done" }>;
}

async function pool(): Promise<World> {
  const world = new World();
  await world.keys.add(["value-one-long", "value-two-long", "value-three-long"]);
  await world.keys.modify("key2", { label: "work", project: "p", enabled: false });
  await world.keys.bind("key2", "us");
  world.set("serverlessInstances", ["no instance", US, { id: "eu", url: "https://eu.example" }]);
  await world.keys.setInstanceSecrets("us", { token: "t".repeat(24), headers: { a: "b" } });
  await world.journal.look();
  world.journal.clear();
  return world;
}

describe("undo", () => {
  it.each<[string, (world: World) => Promise<unknown>, string]>([
    [
      "a deleted key, with its place, label and binding",
      (world) => world.keys.delete("key2"),
      "the key work (…ng) was deleted",
    ],
    ["an added key", (world) => world.keys.add(["value-four-long"]), "the key …ng was added"],
    [
      "another value",
      (world) => world.keys.modify("key1", { value: "value-new-long" }),
      "the key …ng got another value",
    ],
    [
      "a label",
      (world) => world.keys.modify("key2", { label: "home" }),
      "the label of the key work (…ng) was changed",
    ],
    [
      "a label taken away",
      (world) => world.keys.modify("key2", { label: null, project: "q" }),
      "the label of the key work (…ng) was changed; the project of the key work (…ng) was changed",
    ],
    [
      "a key switched on",
      (world) => world.keys.modify("key2", { enabled: true }),
      "the key work (…ng) was switched off or on",
    ],
    [
      "a key switched off",
      (world) => world.keys.modify("key1", { enabled: false }),
      "the key …ng was switched off or on",
    ],
    ["a binding", (world) => world.keys.bind("key1", "local"), "the key …ng was bound"],
    ["an unbinding", (world) => world.keys.bind("key2", undefined), "the key work (…ng) was unbound"],
    [
      "a new instance",
      (world) =>
        world.configuration.addInstance({ id: "de", name: "DE", url: "https://de.example" }, { token: "x" }),
      "the instance DE was added",
    ],
    [
      "a changed instance",
      (world) => world.configuration.changeInstance("us", { change: { url: "https://new.example" } }),
      "the instance Deno US was changed",
    ],
    [
      "another token",
      (world) => world.configuration.changeInstance("us", { change: {}, secrets: () => ({ token: "u" }) }),
      "the token or headers of the instance us were changed",
    ],
    [
      "a removed instance, with its token and its bindings",
      (world) => world.configuration.removeInstance("us", ["key2"]),
      "the instance Deno US was removed; the key work (…ng) was unbound",
    ],
    ["another access token", (world) => world.keys.regenerateAccessToken(), "the access token was changed"],
    [
      "a setting",
      (world) => world.configuration.setSetting("deploymentMode", "hybrid"),
      "the setting geminiAggregator.deploymentMode went from default to hybrid",
    ],
  ])("brings back %s, and redo does it again", async (_, work, words) => {
    const world = await pool();
    const before = await world.all();
    const change = await world.change(() => work(world));
    const after = await world.all();
    expect(after).not.toEqual(before);
    expect(changeWords(change)).toBe(words);
    const undone = done(await world.journal.undo(yes));
    expect(await world.all()).toEqual(before);
    expect([undone.refused, undone.change]).toEqual([[], change]);
    done(await world.journal.redo(yes, undone.again));
    expect(await world.all()).toEqual(after);
    done(await world.journal.undo(yes));
    expect(await world.all()).toEqual(before);
  });

  it("takes back edits of the settings by hand, an instance by itself", async () => {
    const world = await pool();
    world.set("port", 4000);
    await world.journal.look();
    world.clock += 60_000;
    world.set("serverlessInstances", [
      { ...US, url: "https://typed.example" },
      { id: "new", url: "https://n.example" },
    ]);
    await world.journal.look();
    world.set("fallbackToLocal", false);
    expect(changeWords(done(await world.journal.undo(yes)).change)).toContain(
      "fallbackToLocal went from default to false",
    );
    done(await world.journal.undo(yes));
    expect(world.settings).toEqual({
      port: 4000,
      serverlessInstances: [US, { id: "eu", url: "https://eu.example" }],
    });
    done(await world.journal.undo(yes));
    expect(world.settings.port).toBeUndefined();
    expect(await world.journal.undo(yes)).toEqual({ kind: "nothing" });
  });

  it("touches only what the change touched", async () => {
    const world = await pool();
    const change = await world.do(() =>
      world.configuration.changeInstance("us", { change: { name: "Other" } }),
    );
    await world.do(() => world.configuration.changeInstance("eu", { change: { region: "eu" } }));
    await world.do(() => world.keys.add(["value-four-long"]));
    let asked: Plan | undefined;
    done(await world.journal.undo((_, planned) => ((asked = planned), Promise.resolve(true)), change?.id));
    expect(asked?.touched).toEqual([]);
    expect(world.settings.serverlessInstances).toEqual([
      "no instance",
      US,
      { id: "eu", url: "https://eu.example", region: "eu" },
    ]);
    expect((await world.keys.read()).keys).toHaveLength(4);
  });

  it("asks if it has changed since, and leaves all as it is if that is not wanted", async () => {
    const world = await pool();
    await world.do(() => world.configuration.setSetting("port", 4000));
    await world.journal.silently(() => world.configuration.setSetting("port", 5000));
    let said = "";
    const no: Ask = (_, { touched }) => ((said = stepNames(touched)), Promise.resolve(false));
    expect(await world.journal.undo(no)).toEqual({ kind: "left" });
    expect([said, world.settings.port]).toEqual(["geminiAggregator.port", 5000]);
    done(await world.journal.undo(yes));
    expect(world.settings.port).toBeUndefined();
  });

  it("asks again about what somebody changes while a person thinks about it", async () => {
    const world = await pool();
    await world.do(() => world.configuration.setSetting("port", 4000));
    const asked: string[] = [];
    const slow: Ask = (_, { touched }) => {
      asked.push(stepNames(touched));
      if (asked.length === 1) {
        world.set("port", 5000);
      }
      return Promise.resolve(asked.length === 1);
    };
    expect(await world.journal.undo(slow)).toEqual({ kind: "left" });
    expect([asked, world.settings.port]).toEqual([["", "geminiAggregator.port"], 5000]);
  });

  it("is of no use to whoever remembers a change after the history was cleared", async () => {
    const world = await pool();
    const held: { undo: () => Promise<Outcome>; step: WeakRef<object> } = await (async () => {
      const change = await world.change(() => world.keys.delete("key1"));
      const [step] = change.steps;
      const { id } = change;
      return { undo: () => world.journal.undo(yes, id), step: new WeakRef(step ?? {}) };
    })();
    world.journal.clear();
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(held.step.deref()).toBeUndefined();
    expect(await held.undo()).toEqual({ kind: "nothing" });
  });

  it("asks about secrets without holding those that are in the pool", async () => {
    const world = await pool();
    const change = await world.do(() => world.keys.modify("key1", { value: "value-new-long" }));
    expect(JSON.stringify(change)).not.toContain("value-new-long");
    await world.others.modify("key1", { value: "value-newest-long" });
    let touched = 0;
    await world.journal.undo((_, planned) => ((touched = planned.touched.length), Promise.resolve(false)));
    expect(touched).toBe(1);
  });

  it("does not bring a key back whose value another key has by now", async () => {
    const world = await pool();
    await world.do(() => world.keys.delete("key2"));
    await world.keys.add(["value-two-long"]);
    const { refused } = done(await world.journal.undo(yes));
    expect(refused).toEqual(["work (…ng)"]);
    expect((await world.keys.read()).keys.filter(({ value }) => value === "value-two-long")).toHaveLength(1);
    expect(world.shared.json("geminiAggregatorKeyMeta")).toEqual({});
  });

  it("never gives the id of a deleted key to another one meanwhile", async () => {
    const world = await pool();
    const deletion = await world.do(() => world.keys.delete("key3"));
    await world.do(() => world.keys.add(["value-four-long"]));
    done(await world.journal.undo(yes, deletion?.id));
    expect((await world.keys.read()).keys.map(({ id, value }) => `${id}=${value}`)).toEqual([
      "key1=value-one-long",
      "key2=value-two-long",
      "key3=value-three-long",
      "key4=value-four-long",
    ]);
  });

  it("knows nothing of what other windows do to secrets", async () => {
    const world = await pool();
    await world.others.delete("key1");
    await world.journal.look();
    expect(await world.journal.undo(yes)).toEqual({ kind: "nothing" });
  });

  it("has nothing to do once the history was cleared, nor what was done silently", async () => {
    const world = await pool();
    const change = await world.do(() => world.keys.delete("key1"));
    world.journal.clear();
    expect(await world.journal.undo(yes, change?.id)).toEqual({ kind: "nothing" });
    await world.journal.silently(() => world.configuration.setSetting("port", 1));
    await world.journal.look();
    expect(await world.journal.undo(yes)).toEqual({ kind: "nothing" });
    expect(await world.journal.redo(yes)).toEqual({ kind: "nothing" });
  });

  it("keeps what a failed command had done by then, and passes the failure on", async () => {
    const world = await pool();
    const failing = world.journal.record(async () => {
      await world.keys.delete("key1");
      throw new Error("locked");
    });
    await expect(failing).rejects.toThrow("locked");
    done(await world.journal.undo(yes));
    expect((await world.keys.read()).keys).toHaveLength(3);
  });

  it("says so when more secrets would have to be kept than may be", async () => {
    const world = await pool();
    await world.do(() =>
      world.keys.add(Array.from({ length: 21 }, (_, index) => `many-${String(index)}-long`)),
    );
    const { again, change } = done(await world.journal.undo(yes));
    expect(changeWords(change)).toBe("keys added: 21");
    expect(again).toBeUndefined();
    expect((await world.keys.read()).keys).toHaveLength(3);
  });
});

describe("the words of a change", () => {
  it("count what is many, show no value that may be secret, and cut a long list", async () => {
    const world = await pool();
    const several = await world.change(async () => {
      await world.configuration.setSetting("proxy", "http://u:secret@p:1");
      await world.configuration.setSetting("port", 1);
      await world.configuration.setSetting("noProxy", "a");
      await world.configuration.setSetting("caFile", "/a");
      await world.keys.regenerateAccessToken();
    });
    expect(changeWords(several)).toBe(
      "the setting geminiAggregator.port went from default to 1; the setting geminiAggregator.proxy was changed; the setting geminiAggregator.noProxy was changed; and 2 more",
    );
    expect(stepNames(several.steps)).toContain("The access token");
    const many = await world.change(async () => {
      for (const id of ["key1", "key2", "key3"]) {
        await world.keys.delete(id);
      }
    });
    expect(changeWords(many).split("; ")).toHaveLength(2);
    await world.keys.add(["a-long-value-1", "a-long-value-2", "a-long-value-3", "a-long-value-4"]);
    const all = await world.change(async () => {
      for (const { id } of (await world.keys.read()).keys) {
        await world.keys.delete(id);
      }
    });
    expect(changeWords(all)).toBe("keys deleted: 4");
  });
});
