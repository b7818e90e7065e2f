import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Configuration } from "../src/configuration";
import { Folder } from "../src/folder";
import { Keys } from "../src/keys";
import type { SecretStore } from "../src/secrets";
import type { Inspect } from "../src/settings";
import { Source } from "../src/source";
import { readLegacy } from "../src/upgrade/legacy";
import { SharedSecrets } from "./support/secrets";

/** What a user of 1.0.0 has in the secret storage. */
const SECRETS = {
  geminiApiKeysIds: '["key1","key2","key4"]',
  geminiApiKeyCounter: "5",
  key1: "AIzaSyFromVersionOne-0000000000000000001",
  key2: " AIzaSyFromVersionOne-0000000000000000002\n",
  key4: "AIzaSyFromVersionOne-0000000000000000004",
  geminiApiKeyBindings:
    '[{"keyId":"key2","instanceId":"instance-1","createdAt":"2025-07-10T08:00:00.000Z"},{"keyId":"key3","instanceId":"gone","createdAt":"2025-07-11T08:00:00.000Z"}]',
};
/** And in the settings; the unknown fields were promised in documents. */
const SETTINGS = {
  port: 4000,
  deploymentMode: "hybrid",
  serverlessInstances: [
    { id: "instance-1", name: "My relay", url: "https://relay.example/", maxKeys: 3, tags: ["a"] },
  ],
};

/** What 1.0.0 does with its secrets: the names, shapes and order of its layout, strictly read. */
class Version1 {
  constructor(private readonly store: SecretStore) {}

  async keys(): Promise<[string, string][]> {
    const found: [string, string][] = [];
    for (const id of await this.ids()) {
      const value = await this.store.get(id);
      if (value) {
        found.push([id, value]);
      }
    }
    return found;
  }

  /** By id of the key; each one has to be whole. */
  async bindings(): Promise<Map<string, string>> {
    const entries = JSON.parse((await this.store.get("geminiApiKeyBindings")) ?? "[]") as Record<
      string,
      string
    >[];
    return new Map(
      entries.map(({ keyId = "", instanceId = "", createdAt = "" }) => {
        expect([keyId, instanceId, new Date(createdAt).toISOString()]).not.toContain("");
        return [keyId, instanceId];
      }),
    );
  }

  /** Takes the number that the counter says, whatever lies there. */
  async add(value: string): Promise<string> {
    const next = parseInt((await this.store.get("geminiApiKeyCounter")) ?? "1", 10);
    const id = `key${String(next)}`;
    await this.store.store(id, value);
    await this.store.store("geminiApiKeysIds", JSON.stringify([...(await this.ids()), id]));
    await this.store.store("geminiApiKeyCounter", String(next + 1));
    return id;
  }

  /** Leaves the binding behind. */
  async delete(id: string): Promise<void> {
    const rest = (await this.ids()).filter((other) => other !== id);
    await this.store.store("geminiApiKeysIds", JSON.stringify(rest));
    await this.store.delete(id);
  }

  private async ids(): Promise<string[]> {
    const ids = JSON.parse((await this.store.get("geminiApiKeysIds")) ?? "[]") as string[];
    expect(ids.filter((id) => typeof id !== "string")).toEqual([]);
    return ids;
  }
}

let folder: string;
let shared: SharedSecrets;
let settings: Record<string, unknown>;
let keys: Keys;
let old: Version1;
const inspect: Inspect = (name) => ({ globalValue: settings[name.replace("geminiAggregator.", "")] });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "version1-"));
  shared = new SharedSecrets(SECRETS);
  settings = structuredClone(SETTINGS);
  keys = new Keys(shared.window(), () => Promise.resolve());
  old = new Version1(shared.window());
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("what version 1 stored", () => {
  it("is read at the first start of 2.x, and not one letter of it is written, in a remote window neither", async () => {
    const before = structuredClone(settings);
    for (const remote of [false, true]) {
      await keys.poolId();
      const source = new Source(inspect, keys, new Folder(folder), { remote, cameFromVersion1: !remote });
      const { state } = await source.read();
      expect(state.keys?.map(({ id }) => id)).toEqual(["key1", "key2", "key4"]);
      await readLegacy(shared.window(), inspect, []);
      await keys.merge();
    }
    expect(shared.writes.map((write) => write.split("=")[0])).toEqual([
      "geminiAggregatorPoolId",
      "geminiAggregatorAccessToken",
    ]);
    expect(Object.fromEntries(shared.values)).toMatchObject(SECRETS);
    expect(settings).toEqual(before);
  });
});

describe("version 1, when somebody goes back to it,", () => {
  it("finds every key and binding of its own and of 2.x", async () => {
    expect(await keys.add(["new-1", "new-2", "new-3"])).toEqual(["key5", "key6", "key7"]);
    await keys.modify("key1", { value: "changed", label: "work", project: "p", enabled: false });
    await keys.modify("key6", { label: "home" });
    await keys.delete("key4");
    await keys.bind("key1", "instance-1");
    await keys.bind("key5", "local");
    await keys.bind("key2", undefined);
    await keys.setInstanceSecrets("instance-1", { token: "t", headers: { a: "b" } });
    await keys.accessToken();
    await keys.merge();
    expect(await old.keys()).toEqual([
      ["key1", "changed"],
      ["key2", SECRETS.key2],
      ["key5", "new-1"],
      ["key6", "new-2"],
      ["key7", "new-3"],
    ]);
    expect([...(await old.bindings())]).toEqual([
      ["key3", "gone"],
      ["key1", "instance-1"],
      ["key5", "local"],
    ]);
  });

  it("finds a deleted key again that 2.x put back, at its place", async () => {
    await keys.delete("key2");
    await keys.restore("key2", "again", 1);
    expect((await old.keys()).map(([id]) => id)).toEqual(["key1", "key2", "key4"]);
  });

  it("and 2.x take turns without losing a key or giving an id twice", async () => {
    const given = ["key1", "key2", "key4"];
    for (let round = 0; round < 3; round += 1) {
      given.push(...(await keys.add([`by 2, round ${String(round)}`])));
      given.push(await old.add(`by 1, round ${String(round)}`));
      await keys.delete(given.at(-1) ?? "");
      await old.delete(given.at(-2) ?? "");
    }
    given.push(...(await keys.add(["last of 2"])), await old.add("last of 1"));
    expect(new Set(given).size).toBe(given.length);
    const left = ["key1", "key2", "key4", ...given.slice(-2)];
    expect((await old.keys()).map(([id]) => id)).toEqual(left);
    expect((await keys.read()).keys.map(({ id }) => id)).toEqual(left);
  });

  it("finds its settings, with the fields that 2.x does not know", async () => {
    const update = (name: string, value: unknown): Promise<void> => {
      settings[name] = value;
      return Promise.resolve();
    };
    const configuration = new Configuration(inspect, update, keys);
    await configuration.addInstance({ id: "two", name: "Two", url: "https://two.example" }, { token: "t" });
    await configuration.changeInstance("instance-1", {
      change: { url: "https://other.example", enabled: false },
    });
    expect(settings).toEqual({
      ...SETTINGS,
      serverlessInstances: [
        {
          id: "instance-1",
          name: "My relay",
          url: "https://other.example",
          maxKeys: 3,
          tags: ["a"],
          enabled: false,
        },
        { id: "two", name: "Two", url: "https://two.example" },
      ],
    });
  });
});
