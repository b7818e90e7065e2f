import { describe, expect, it } from "vitest";
import { Keys } from "../src/keys";
import { NAMES, Unreadable } from "../src/secrets";
import { SharedSecrets } from "./support/secrets";

const noPause = (): Promise<void> => Promise.resolve();

/** What a user of 1.x has. */
const VERSION_1 = {
  geminiApiKeysIds: '["key1","key3"]',
  geminiApiKeyCounter: "4",
  key1: " AIza-first ",
  key3: "AIza-third",
  geminiApiKeyBindings:
    '[{"keyId":"key1","instanceId":"deno-us","createdAt":"2025-07-01T00:00:00.000Z"},{"keyId":"key2","instanceId":"gone","createdAt":"x"}]',
};

function pool(values: Record<string, string> = {}): { shared: SharedSecrets; keys: Keys } {
  const shared = new SharedSecrets(values);
  return { shared, keys: new Keys(shared.window(), noPause) };
}

describe("reading", () => {
  it("finds the keys and bindings of version 1 and writes nothing", async () => {
    const { shared, keys } = pool(VERSION_1);
    const secrets = await keys.read();
    expect(secrets.keys).toEqual([
      { id: "key1", value: " AIza-first ", binding: "deno-us" },
      { id: "key3", value: "AIza-third" },
    ]);
    expect(secrets).toMatchObject({ unreadable: [], listMissing: false });
    expect(shared.writes).toEqual([]);
  });

  it("passes over ids without a value, ids twice, and what is no id", async () => {
    const { keys } = pool({
      geminiApiKeysIds: '["key9","key1","key1",7,"constructor","key2"]',
      key1: "a",
      key2: "  ",
    });
    expect((await keys.read()).keys.map(({ id }) => id)).toEqual(["key1"]);
  });

  it("tells an empty pool from one whose list is missing", async () => {
    expect((await pool().keys.read()).listMissing).toBe(true);
    expect((await pool({ geminiApiKeysIds: "[]" }).keys.read()).listMissing).toBe(false);
  });

  it("reads label, project, enabled and the secrets of instances, each only where its type is right", async () => {
    const { keys } = pool({
      geminiApiKeysIds: '["key1","key2"]',
      key1: "a",
      key2: "b",
      geminiAggregatorKeyMeta:
        '{"key1":{"label":"work","project":"p","enabled":false},"key2":{"label":5,"enabled":"no"}}',
      geminiAggregatorInstanceSecrets:
        '{"us":{"token":"t","headers":{"a":"b","c":1}},"eu":"x","de":{"headers":[]}}',
      geminiAggregatorAccessToken: "token",
    });
    const secrets = await keys.read();
    expect(secrets.keys).toEqual([
      { id: "key1", value: "a", label: "work", project: "p", enabled: false },
      { id: "key2", value: "b" },
    ]);
    expect(Object.fromEntries(secrets.instances)).toEqual({
      us: { token: "t", headers: { a: "b" } },
      eu: {},
      de: {},
    });
    expect(secrets.accessToken).toBe("token");
  });

  it("names what cannot be read, and keeps the keys it knew when the list breaks", async () => {
    const { shared, keys } = pool(VERSION_1);
    await keys.read();
    shared.values.set("geminiApiKeysIds", "{nonsense");
    shared.values.set("geminiApiKeyBindings", '"text"');
    shared.values.set("geminiAggregatorKeyMeta", "[]");
    const secrets = await keys.read();
    expect(secrets.unreadable).toEqual([NAMES.ids, NAMES.bindings, NAMES.meta]);
    expect(secrets.keys.map(({ id }) => id)).toEqual(["key1", "key3"]);
  });

  it("passes on what the storage itself says", async () => {
    const broken = { get: () => Promise.reject(new Error("locked")), store: noPause, delete: noPause };
    await expect(new Keys(broken).read()).rejects.toThrow("locked");
  });
});

describe("adding", () => {
  it("begins with key1, and writes value, list, counter in this order", async () => {
    const { shared, keys } = pool();
    expect(await keys.add(["first-value"])).toEqual(["key1"]);
    expect(shared.writes).toEqual(["key1=first-value", 'geminiApiKeysIds=["key1"]', "geminiApiKeyCounter=2"]);
  });

  it("goes on where version 1 stopped, so that version 1 can go on too", async () => {
    const { shared, keys } = pool(VERSION_1);
    expect(await keys.add(["x", "y"])).toEqual(["key4", "key5"]);
    expect(shared.json("geminiApiKeysIds")).toEqual(["key1", "key3", "key4", "key5"]);
    expect(shared.values.get("geminiApiKeyCounter")).toBe("6");
  });

  it("refuses empty values, values that are there, and values twice", async () => {
    const { keys } = pool(VERSION_1);
    expect(await keys.add(["", "  ", "AIza-first", "new", " new "])).toEqual(["key4"]);
    expect(await keys.add(["AIza-third"])).toEqual([]);
  });

  it("never gives an id again after the last key was deleted", async () => {
    const { keys } = pool();
    await keys.add(["a", "b"]);
    await keys.delete("key2");
    await keys.delete("key1");
    expect((await keys.read()).keys).toEqual([]);
    expect(await keys.add(["c"])).toEqual(["key3"]);
  });

  it("overwrites no value when counter and list were lost", async () => {
    const { shared, keys } = pool({ key1: "a", key7: "b" });
    expect(await keys.add(["c"])).toEqual(["key8"]);
    expect(shared.values.get("key1")).toBe("a");
  });

  it("asks the editor for all names where it can tell them", async () => {
    const shared = new SharedSecrets({ geminiApiKeyCounter: "2", key900: "a", other: "b" });
    expect(await new Keys(shared.window(true), noPause).add(["c"])).toEqual(["key901"]);
  });

  it("looks by itself where an editor knows the question for names and not the answer", async () => {
    const shared = new SharedSecrets({ key3: "a" });
    const window = { ...shared.window(), keys: () => Promise.reject(new Error("not implemented")) };
    expect(await new Keys(window, noPause).add(["c"])).toEqual(["key4"]);
  });

  it("passes over a value that lies where the counter points", async () => {
    const { keys } = pool({ geminiApiKeysIds: "[]", geminiApiKeyCounter: "2", key2: "orphan" });
    expect(await keys.add(["c"])).toEqual(["key3"]);
  });

  it("keeps entries of the list that it does not understand", async () => {
    const { shared, keys } = pool({ geminiApiKeysIds: '["key1",{"later":true}]', key1: "a" });
    await keys.add(["b"]);
    await keys.delete("key1");
    expect(shared.json("geminiApiKeysIds")).toEqual([{ later: true }, "key2"]);
  });

  it("never overwrites a list that it cannot read", async () => {
    const { shared, keys } = pool({ geminiApiKeysIds: "{nonsense", geminiApiKeyCounter: "3" });
    await expect(keys.add(["a"])).rejects.toBeInstanceOf(Unreadable);
    await expect(keys.delete("key1")).rejects.toThrow("geminiApiKeysIds");
    expect(shared.writes).toEqual([]);
  });

  it("goes on after a change that failed", async () => {
    const { shared, keys } = pool({ geminiApiKeysIds: "{nonsense" });
    await expect(keys.add(["a"])).rejects.toThrow();
    shared.values.set("geminiApiKeysIds", "[]");
    expect(await keys.add(["a"])).toEqual(["key1"]);
  });
});

describe("changing", () => {
  it("changes value, label, project and enabled, and keeps fields of later versions", async () => {
    const { shared, keys } = pool({
      ...VERSION_1,
      geminiAggregatorKeyMeta: '{"key1":{"colour":"red"},"other":1}',
    });
    expect(
      await keys.modify("key1", { value: " fresh ", label: " work ", project: "p", enabled: false }),
    ).toBeUndefined();
    expect(shared.values.get("key1")).toBe("fresh");
    expect(shared.json("geminiAggregatorKeyMeta")).toEqual({
      key1: { colour: "red", label: "work", project: "p", enabled: false },
      other: 1,
    });
    await keys.modify("key1", { label: null, project: "", enabled: true });
    expect(shared.json("geminiAggregatorKeyMeta")).toEqual({ key1: { colour: "red" }, other: 1 });
  });

  it("refuses a value that another key has, and a key that is gone", async () => {
    const { shared, keys } = pool(VERSION_1);
    expect(await keys.modify("key3", { value: "AIza-first" })).toBe("present");
    expect(await keys.modify("key2", { value: "x" })).toBe("missing");
    expect(await keys.modify("key3", { value: "AIza-third" })).toBeUndefined();
    expect(shared.writes).toEqual(["key3=AIza-third"]);
  });

  it("leaves no empty entry behind", async () => {
    const { shared, keys } = pool(VERSION_1);
    await keys.modify("key1", { label: "a" });
    await keys.modify("key1", { label: null });
    expect(shared.json("geminiAggregatorKeyMeta")).toEqual({});
    await keys.modify("key1", { label: "" });
    expect(shared.writes).toHaveLength(2);
  });
});

describe("deleting", () => {
  it("writes list, then value, and takes binding and meta along", async () => {
    const { shared, keys } = pool({ ...VERSION_1, geminiAggregatorKeyMeta: '{"key1":{"label":"work"}}' });
    await keys.delete("key1");
    expect(shared.writes.slice(0, 2)).toEqual(['geminiApiKeysIds=["key3"]', "-key1"]);
    expect(shared.json("geminiApiKeyBindings")).toEqual([
      { keyId: "key2", instanceId: "gone", createdAt: "x" },
    ]);
    expect(shared.json("geminiAggregatorKeyMeta")).toEqual({});
  });
});

describe("what cannot be read", () => {
  it("does not keep a key from being deleted, and stays as it is", async () => {
    const { shared, keys } = pool({
      ...VERSION_1,
      geminiApiKeyBindings: "{nonsense",
      geminiAggregatorKeyMeta: "[]",
    });
    await keys.delete("key1");
    expect((await keys.read()).keys.map(({ id }) => id)).toEqual(["key3"]);
    expect(shared.values.get("geminiApiKeyBindings")).toBe("{nonsense");
    expect(shared.values.get("geminiAggregatorKeyMeta")).toBe("[]");
  });

  it("keeps everything else from being changed", async () => {
    const texts = {
      geminiApiKeyBindings: "null",
      geminiAggregatorKeyMeta: "",
      geminiAggregatorInstanceSecrets: "7",
    };
    const { shared, keys } = pool({ ...VERSION_1, ...texts });
    await expect(keys.bind("key1", "us")).rejects.toBeInstanceOf(Unreadable);
    await expect(keys.modify("key1", { label: "x" })).rejects.toBeInstanceOf(Unreadable);
    await expect(keys.setInstanceSecrets("us", { token: "x" })).rejects.toBeInstanceOf(Unreadable);
    await expect(keys.adoptInstanceSecrets("us", { token: "x" })).rejects.toBeInstanceOf(Unreadable);
    expect(shared.writes).toEqual([]);
    shared.values.set("geminiApiKeysIds", "undefined");
    for (const change of [
      () => keys.add(["fresh"]),
      () => keys.delete("key1"),
      () => keys.restore("key9", "back", 0),
      () => keys.merge(),
    ]) {
      await expect(change()).rejects.toBeInstanceOf(Unreadable);
    }
    expect(shared.writes).toEqual([]);
  });
});

describe("binding", () => {
  it("is refused for a key that is not there, which can be unbound all the same", async () => {
    const { shared, keys } = pool(VERSION_1);
    expect(await keys.bind("key9", "us")).toBe("missing");
    expect(shared.writes).toEqual([]);
    expect(await keys.bind("key2", undefined)).toBeUndefined();
    expect(shared.json("geminiApiKeyBindings")).toHaveLength(1);
  });

  it("keeps one binding a key, with the time, and those of others", async () => {
    const { shared, keys } = pool(VERSION_1);
    await keys.bind("key1", "local");
    const [other, own] = shared.json("geminiApiKeyBindings") as Record<string, string>[];
    expect(other?.keyId).toBe("key2");
    expect(own).toMatchObject({ keyId: "key1", instanceId: "local" });
    expect(Date.parse(own?.createdAt ?? "")).not.toBeNaN();
    await keys.bind("key1", undefined);
    expect(shared.json("geminiApiKeyBindings")).toEqual([other]);
  });

  it("writes nothing to unbind what is not bound", async () => {
    const { shared, keys } = pool(VERSION_1);
    await keys.bind("key3", undefined);
    expect(shared.writes).toEqual([]);
  });
});

describe("other secrets", () => {
  it("keeps and forgets what an instance needs", async () => {
    const { shared, keys } = pool();
    await keys.setInstanceSecrets("us", { token: "t", headers: { a: "b" } });
    await keys.setInstanceSecrets("eu", { token: "u" });
    await keys.setInstanceSecrets("us", {});
    expect(shared.json("geminiAggregatorInstanceSecrets")).toEqual({ eu: { token: "u" } });
  });

  it("adopts what stood in the settings, and leaves what is kept already", async () => {
    const { shared, keys } = pool();
    await keys.setInstanceSecrets("us", { token: "kept" });
    await keys.adoptInstanceSecrets("us", { token: "old", headers: { a: "b" } });
    await keys.adoptInstanceSecrets("eu", {});
    expect(shared.json("geminiAggregatorInstanceSecrets")).toEqual({
      us: { token: "kept", headers: { a: "b" } },
    });
  });

  it("makes the access token once, long and random, and another one when asked", async () => {
    const { keys } = pool();
    const token = await keys.accessToken();
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(await keys.accessToken()).toBe(token);
    const other = await keys.regenerateAccessToken();
    expect(other).not.toBe(token);
    expect(await keys.accessToken()).toBe(other);
  });

  it("agrees with the other windows about the pool's id, although all of them made one", async () => {
    const shared = new SharedSecrets();
    const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
    const windows = [1, 2, 3].map(() => new Keys(shared.window(), pause));
    expect(await windows[0]?.hasPool()).toBe(false);
    const ids = await Promise.all(windows.map((keys) => keys.poolId()));
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(await windows[0]?.hasPool()).toBe(true);
  });
});

describe("several windows", () => {
  it("keep every key that two of them add at the same time", async () => {
    const shared = new SharedSecrets(VERSION_1);
    const [a, b] = [new Keys(shared.window()), new Keys(shared.window())];
    await Promise.all([a.add(["from a"]), b.add(["from b"])]);
    await Promise.all([a.merge(), b.merge()]);
    const { keys } = await a.read();
    expect(keys.map(({ value }) => value).sort()).toEqual([" AIza-first ", "AIza-third", "from a", "from b"]);
  });

  it("put a key back into a list that another window overwrote", async () => {
    const shared = new SharedSecrets(VERSION_1);
    const keys = new Keys(shared.window());
    await keys.add(["new"]);
    shared.values.set("geminiApiKeysIds", VERSION_1.geminiApiKeysIds);
    expect(await keys.merge()).toBe(true);
    expect(shared.json("geminiApiKeysIds")).toEqual(["key1", "key3", "key4"]);
    expect(await keys.merge()).toBe(false);
  });

  it("give a key whose value was overwritten another id", async () => {
    const shared = new SharedSecrets(VERSION_1);
    const keys = new Keys(shared.window());
    await keys.add(["mine"]);
    shared.values.set("key4", "theirs");
    await keys.merge();
    expect(shared.values.get("key4")).toBe("theirs");
    expect(shared.values.get("key5")).toBe("mine");
  });

  it("do not bring back a key that another window deleted", async () => {
    const shared = new SharedSecrets(VERSION_1);
    const [a, b] = [new Keys(shared.window()), new Keys(shared.window())];
    await a.add(["new"]);
    await b.delete("key4");
    expect(await a.merge()).toBe(false);
    expect(shared.json("geminiApiKeysIds")).toEqual(["key1", "key3"]);
  });

  it("lose nothing in 200 random scripts, and never give an id twice", async () => {
    let seed = 7;
    const dice = (sides: number): number => (seed = (seed * 48271) % 2147483647) % sides;
    for (let script = 0; script < 200; script += 1) {
      const shared = new SharedSecrets();
      const windows = [new Keys(shared.window()), new Keys(shared.window())] as const;
      const given = new Set<string>();
      const alive = new Set<string>();
      for (let step = 0; step < 6; step += 1) {
        const ids = shared.json("geminiApiKeysIds") as string[] | undefined;
        if (dice(3) === 0 && ids !== undefined && ids.length > 0) {
          const id = ids[dice(ids.length)] ?? "";
          alive.delete(shared.values.get(id) ?? "");
          await windows[dice(2)]?.delete(id);
        } else {
          const values = [
            `${String(script)}-${String(step)}-a`,
            `${String(script)}-${String(step)}-b`,
          ] as const;
          await Promise.all(windows.map((keys, index) => keys.add([values[index] ?? ""])));
          await Promise.all(windows.map((keys) => keys.merge()));
          values.forEach((value) => alive.add(value));
        }
        for (const id of (shared.json("geminiApiKeysIds") as string[] | undefined) ?? []) {
          const owner = `${id}=${shared.values.get(id) ?? ""}`;
          expect([...given].filter((other) => other.startsWith(`${id}=`) && other !== owner)).toEqual([]);
          given.add(owner);
        }
      }
      expect(new Set((await windows[0].read()).keys.map(({ value }) => value))).toEqual(alive);
    }
  });
});
