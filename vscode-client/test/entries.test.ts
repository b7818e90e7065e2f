import { describe, expect, it } from "vitest";
import { NoList, changeEntry, entriesOf, putEntry, removeEntry, withoutSecrets } from "../src/entries";

const US = { id: "us", name: "US", url: "https://us.example", maxKeys: 3, tags: ["a"] };
const LIST = [US, "text", { name: "without id" }, { id: "eu", url: "https://eu.example", region: "eu" }];

describe("the list of instances", () => {
  it("is empty if nothing is written, and is never overwritten if it is no list", () => {
    expect(entriesOf(undefined)).toEqual([]);
    expect(entriesOf(LIST)).toBe(LIST);
    expect(() => entriesOf({ us: US })).toThrow(NoList);
  });

  it("keeps fields and entries that nobody understands", () => {
    expect(changeEntry(LIST, "us", { name: "USA", enabled: false })).toEqual([
      { ...US, name: "USA", enabled: false },
      ...LIST.slice(1),
    ]);
    expect(removeEntry(LIST, "eu")).toEqual(LIST.slice(0, 3));
  });

  it("loses a field that is taken away, and changes nothing for an id that is not there", () => {
    expect(changeEntry(LIST, "eu", { region: undefined })[3]).toEqual({
      id: "eu",
      url: "https://eu.example",
    });
    expect(changeEntry(LIST, "none", { name: "x" })).toEqual(LIST);
  });

  it("changes the first of two with one id, which is the one that counts", () => {
    expect(changeEntry([US, US], "us", { name: "x" })).toEqual([{ ...US, name: "x" }, US]);
    expect(removeEntry([US, US], "us")).toEqual([]);
  });

  it("takes a new entry at its end, an old one at its place, and one that comes back where it was", () => {
    const fresh = { id: "de", url: "https://de.example" };
    expect(putEntry(LIST, fresh)).toEqual([...LIST, fresh]);
    expect(putEntry(LIST, { ...US, name: "x" })[0]).toEqual({ ...US, name: "x" });
    expect(putEntry(LIST, fresh, 1)[1]).toBe(fresh);
    expect(putEntry([], fresh, 5)).toEqual([fresh]);
  });

  it("can be looked at without what is secret", () => {
    expect(withoutSecrets({ ...US, token: "t", headers: {} })).toEqual(US);
  });
});
