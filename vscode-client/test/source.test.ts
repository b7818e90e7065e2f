import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Folder } from "../src/folder";
import { Keys } from "../src/keys";
import { Source } from "../src/source";
import { SharedSecrets } from "./support/secrets";

let path: string;
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), "gemini-aggregator-")), "storage");
});
afterEach(async () => {
  await rm(join(path, ".."), { recursive: true, force: true });
});

function source(shared: SharedSecrets, written: Record<string, unknown> = {}, remote = false): Source {
  const keys = new Keys(shared.window(), () => Promise.resolve());
  return new Source((name) => ({ globalValue: written[name] }), keys, new Folder(path), {
    remote,
    cameFromVersion1: false,
  });
}

describe("the source", () => {
  it("has nothing to give before it was read", () => {
    expect(() => source(new SharedSecrets()).reading).toThrow();
  });

  it("numbers what changed, and keeps the last good settings", async () => {
    const shared = new SharedSecrets();
    const written: Record<string, unknown> = { "geminiAggregator.port": 4000 };
    const pool = source(shared, written);
    expect((await pool.read()).state).toMatchObject({ revision: 1, port: 4000, keys: [], accessToken: null });
    written["geminiAggregator.port"] = "x";
    expect(await pool.read()).toMatchObject({
      state: { revision: 1, port: 4000 },
      problems: [{ code: "setting", subject: "port" }],
    });
    await new Keys(shared.window()).add(["a-key"]);
    expect((await pool.read()).state).toMatchObject({ revision: 2, keys: [{ id: "key1", secret: "a-key" }] });
    expect(pool.reading.state.revision).toBe(2);
  });

  it("makes an access token before a state without one could be sent", async () => {
    const shared = new SharedSecrets();
    const { state } = await source(shared, {}, true).read();
    expect(state.accessToken).toMatch(/^[\w-]{43}$/);
    expect(shared.values.get("geminiAggregatorAccessToken")).toBe(state.accessToken);
  });

  it("notices that an editor without a keyring lost the keys, and not that a person deleted them", async () => {
    const shared = new SharedSecrets();
    const keys = new Keys(shared.window());
    expect((await source(shared).read()).problems).toEqual([]);
    const [id] = await keys.add(["a-key"]);
    await source(shared).read();
    expect((await source(new SharedSecrets()).read()).problems).toEqual([{ code: "keysLost" }]);
    expect((await source(new SharedSecrets({ geminiApiKeysIds: "{" })).read()).problems).toMatchObject([
      { code: "secretUnreadable" },
    ]);
    expect((await source(new SharedSecrets()).read()).problems).toEqual([{ code: "keysLost" }]);
    await keys.delete(id ?? "");
    await source(shared).read();
    expect((await source(new SharedSecrets()).read()).problems).toEqual([]);
  });

  it("goes on after a reading that failed", async () => {
    const shared = new SharedSecrets();
    let locked = true;
    const store = shared.window();
    const get: typeof store.get = (name) => (locked ? Promise.reject(new Error("locked")) : store.get(name));
    const pool = new Source(() => undefined, new Keys({ ...store, get }), new Folder(path), {
      remote: false,
      cameFromVersion1: false,
    });
    await expect(pool.read()).rejects.toThrow("locked");
    locked = false;
    expect((await pool.read()).state.revision).toBe(1);
  });
});

describe("the folder", () => {
  it("tells one window of several that it is the first, once", async () => {
    const said = await Promise.all([1, 2, 3].map(() => new Folder(path).once("greeted")));
    expect(said.filter(Boolean)).toEqual([true]);
    expect(await new Folder(path).once("greeted")).toBe(false);
    expect(await new Folder(path).once("another thing")).toBe(true);
    await expect(new Folder(join(path, "greeted", "inside")).once("greeted")).rejects.toThrow();
  });

  it("gives all windows one id of the machine, and keeps it", async () => {
    const ids = await Promise.all([1, 2, 3, 4].map(() => new Folder(path).hostId()));
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(await new Folder(path).hostId()).toBe(ids[0]);
    expect(await readdir(path)).toEqual(["host"]);
    expect((await stat(join(path, "host"))).mode & 0o077).toBe(0);
  });

  it("counts from zero where there is no number", async () => {
    const folder = new Folder(path);
    expect(await folder.keyCount()).toBe(0);
    await folder.setKeyCount(3);
    expect(await folder.keyCount()).toBe(3);
    await writeFile(join(path, "keys"), "nonsense");
    expect(await folder.keyCount()).toBe(0);
  });

  it("asks once whether there was a version 1", async () => {
    const folder = new Folder(path);
    expect(await folder.cameFromVersion1(() => Promise.resolve(true))).toEqual({ came: true, now: true });
    expect(await folder.cameFromVersion1(() => Promise.reject(new Error("asked again")))).toEqual({
      came: true,
      now: false,
    });
  });

  it("says so when it cannot be written", async () => {
    await writeFile(path, "a file in its place");
    await expect(new Folder(path).hostId()).rejects.toThrow();
  });
});
