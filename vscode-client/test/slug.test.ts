import { describe, expect, it } from "vitest";
import { slugOf } from "../src/slug";

describe("the id of a new instance", () => {
  it.each([
    ["Deno US", "deno-us"],
    ["  Zürich (Büro) ", "zurich-buro"],
    ["德国", "instance"],
    ["---", "instance"],
    ["A name that goes on and on, and on", "a-name-that-goes-on-and"],
    ["Local", "local-2"],
    ["key/../x", "key-x"],
  ])("made from %j is %j", (name, id) => {
    expect(slugOf(name, [])).toBe(id);
  });

  it("is another one while something has it, and stays short", () => {
    expect(slugOf("Deno US", ["deno-us", "deno-us-2", "other"])).toBe("deno-us-3");
    const long = "a".repeat(40);
    const taken = [
      "a".repeat(24),
      ...Array.from({ length: 8 }, (_, index) => `${"a".repeat(22)}-${String(index + 2)}`),
    ];
    expect(slugOf(long, taken)).toBe(`${"a".repeat(21)}-10`);
  });

  it("is always one that the sidecar accepts", () => {
    for (const name of ["local", "LOCAL", "中文 a", "!", "a b\tc", "é".repeat(50), "-x-"]) {
      expect(slugOf(name, ["x"]), name).toMatch(/^(?!local$)[a-z0-9]+(-[a-z0-9]+)*$/);
    }
  });
});
