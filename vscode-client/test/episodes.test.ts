import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CALM_MS, Episodes } from "../src/episodes";
import { Folder } from "../src/folder";
import type { About, Notice } from "../src/notices";
import { MINUTE, NOW } from "./support/views";

let path: string;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "gemini-aggregator-"));
});
afterEach(async () => {
  await rm(path, { recursive: true, force: true });
});

const ALL: About[] = ["window", "start", "port", "pool"];
const notice = (id: string): Notice => ({ id, about: "pool", severity: "error", text: id, remedies: [] });

/** A window: at a second, these are so; what is told. */
function open(folder: Pick<Folder, "told" | "setTold"> = new Folder(path)): {
  at: (second: number, ids: string, judged?: About[]) => Promise<string>;
  episodes: Episodes;
} {
  const episodes = new Episodes(folder);
  return {
    episodes,
    at: async (second, ids, judged = ALL) => {
      const all = ids.split(" ").filter(Boolean).map(notice);
      return (await episodes.begin(all, new Set(judged), NOW + second * 1000)).map(({ id }) => id).join(" ");
    },
  };
}

describe("an episode", () => {
  it("is told once while it lasts, however long", async () => {
    const { at } = open();
    expect([await at(0, "dry"), await at(60, "dry"), await at(6_000, "dry"), await at(6_001, "dry")]).toEqual(
      ["dry", "", "", ""],
    );
  });

  it("goes on when its reason comes back within a minute, and is over afterwards", async () => {
    const { at, episodes } = open();
    expect(await at(0, "dry")).toBe("dry");
    expect(episodes.isWaiting).toBe(false);
    expect(await at(100, "")).toBe("");
    expect(episodes.isWaiting).toBe(true);
    expect(await at(159, "dry port")).toBe("port");
    expect(await at(200, "")).toBe("");
    expect(await at(200 + CALM_MS / 1000, "dry")).toBe("dry");
  });

  it("outlives the window that told it: no start tells it again, until it was gone once", async () => {
    expect(await open().at(0, "badPort down")).toBe("badPort down");
    expect(await open().at(1000, "badPort down")).toBe("");
    const third = open();
    // Before the sidecar says how things are, that it says nothing means nothing.
    expect(await third.at(2000, "", ["window"])).toBe("");
    expect(await third.at(2100, "badPort down")).toBe("");
    expect(await third.at(2200, "down")).toBe("");
    expect(await third.at(2300, "down")).toBe("");
    expect(await open().at(3000, "badPort down")).toBe("badPort");
  });

  it("is not told by the window that takes over, nor again by one that followed meanwhile", async () => {
    const [leader, follower] = [open(), open()];
    await follower.at(0, "", []);
    expect(await leader.at(1, "dry")).toBe("dry");
    await follower.at(2, "", []);
    // The leader goes.
    expect(await follower.at(3, "dry")).toBe("");
    expect(await follower.at(200, "")).toBe("");
    expect(await follower.at(300, "")).toBe("");
    // A window that knew it hears from the folder that it was over.
    expect(await open().at(400, "dry")).toBe("dry");
  });

  it("is not forgotten by a window that cannot judge", async () => {
    const [leader, follower] = [open(), open()];
    await leader.at(0, "dry");
    for (const second of [1, 100, 200, 300]) {
      await follower.at(second, "", ["start"]);
    }
    expect(await follower.at(400, "dry")).toBe("");
  });

  it("ends at once where a person tried to mend it", async () => {
    const { at, episodes } = open();
    await at(0, "dry");
    await episodes.end("window");
    expect(await at(1, "dry")).toBe("");
    await episodes.end("pool");
    expect(await at(2, "dry")).toBe("dry");
  });

  it("leaves marks that name nobody", async () => {
    await open().at(0, "leaked-key1 down-my-relay");
    const text = await readFile(join(path, "told"), "utf8");
    expect(text).toMatch(/^pool [0-9a-f]{16}\npool [0-9a-f]{16}\n$/);
  });

  it("is told once by each window where the folder takes nothing, and after a file of nonsense", async () => {
    const locked = { told: () => Promise.resolve([]), setTold: () => Promise.reject(new Error("read-only")) };
    const { at } = open(locked);
    expect([
      await at(0, "dry"),
      await at(1, "dry"),
      await at(2, "dry port"),
      await at(3, "dry port"),
    ]).toEqual(["dry", "", "port", ""]);
    await writeFile(join(path, "told"), "\0\n\nnonsense\n");
    expect(await open().at(MINUTE, "dry")).toBe("dry");
    expect(await open().at(MINUTE, "dry")).toBe("");
  });
});
