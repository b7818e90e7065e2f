import { describe, expect, it } from "vitest";
import { Turns } from "../src/turns";

describe("turns", () => {
  it("come one after the other, whatever became of the one before", async () => {
    const turns = new Turns();
    const done: string[] = [];
    let finish = (): void => undefined;
    const slow = turns.take(async () => {
      await new Promise<void>((resolve) => (finish = resolve));
      done.push("slow");
    });
    const bad = turns.take(() => {
      done.push("bad");
      return Promise.reject(new Error("no"));
    });
    const quick = turns.take(() => Promise.resolve(done.push("quick")));
    await Promise.resolve();
    expect(done).toEqual([]);
    finish();
    await slow;
    await expect(bad).rejects.toThrow("no");
    expect(await quick).toBe(3);
    expect(done).toEqual(["slow", "bad", "quick"]);
  });
});
