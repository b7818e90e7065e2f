import { describe, expect, it } from "vitest";
import { counts, nothingNew } from "../src/counts";
import { bindingName, nameOf, namesOf, plain } from "../src/names";
import { mask, readPaste } from "../src/paste";
import { DEFAULTS } from "../src/settings";

const A = "AIzaSyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const B = "AQ.Ab-an-opaque_key.of-another-shape";

describe("a paste", () => {
  it.each([
    ["blanks, commas, semicolons and line breaks", `${A} ${B}`, [A, B]],
    ["commas", `${A},${B},`, [A, B]],
    ["semicolons and lines", `${A};\r\n${B}\n`, [A, B]],
    ["quotes", `"${A}" '${B}'`, [A, B]],
    ["a list of JSON", `["${A}", "${B}"]`, [A, B]],
    ["names of variables", `GEMINI_API_KEY=${A} export KEY_2='${B}'`, [A, B]],
    ["other shells", `set KEY=${A} $env:KEY="${B}"`, [A, B]],
    ["a key that ends in =", "c2VjcmV0LXNlY3JldA==", ["c2VjcmV0LXNlY3JldA=="]],
    ["nothing", " ;, ", []],
  ])("is split at %s", (_, text, keys) => {
    expect(readPaste(text, []).fresh).toEqual(keys);
  });

  it("is counted while somebody types", () => {
    const paste = readPaste(`${A} ${B} ${B} short schlüssel-mit-umlauten`, [` ${A} `]);
    expect(paste).toEqual({ fresh: [B], present: 2, short: 1, foreign: 1 });
    expect(counts(paste)).toBe("1 new, 2 already there, 1 too short, 1 with characters that no key has");
    expect(counts(readPaste(A, []))).toBe("1 new");
  });

  it.each([
    [";,", "There is no key in this."],
    ["abc", "That is too short for a key."],
    [A, "This key is there already."],
    [`${A} ${A}`, "These keys are there already."],
    ["schlüssel-mit-umlauten", "No key has such characters."],
    [`${A} abc`, "There is no new key in this: 1 already there, 1 too short."],
  ])("tells in a sentence why nothing new is in it: %s", (text, sentence) => {
    expect(nothingNew(readPaste(text, [A]))).toBe(sentence);
  });
});

describe("a key in front of people", () => {
  it.each([
    ["AIzaSyFAKE-fake-FAKE-fake-FAKE-fake-FAK", "AIza…-FAK"],
    ["123456789012345678901234", "1234…1234"],
    ["12345678901234567890123", "…23"],
    ["12345", "…45"],
    ["1234", "…"],
    ["", "…"],
  ])("%s is shown as %s, as the sidecar masks it", (key, masked) => {
    expect(mask(key)).toBe(masked);
  });

  it("has its label, and never becomes an icon or a second line", () => {
    expect(nameOf({ id: "key1", value: ` ${A} `, label: "work" })).toBe("work (AIza…AAAA)");
    expect(plain("a $(trash) b\n\tc")).toBe("a \\$(trash) b c");
  });

  it("is called by its id when nobody knows it", () => {
    const settings = {
      ...DEFAULTS,
      serverlessInstances: [
        { id: "us", url: "u", name: "US", enabled: false },
        { id: "eu", url: "u", name: " " },
      ],
    };
    const secrets = {
      keys: [{ id: "key1", value: A }],
      instances: new Map(),
      unreadable: [],
      listMissing: false,
    };
    const names = namesOf(settings, secrets);
    expect([
      names.key("key1"),
      names.key("key2"),
      names.instance("us"),
      names.instance("eu"),
      names.instance("x"),
    ]).toEqual(["AIza…AAAA", "key2", "US", "eu", "x"]);
    expect([bindingName("local", names), bindingName("us", names)]).toEqual(["the direct way", "US"]);
    expect([names.isOff("us"), names.isOff("eu"), names.isOff("x")]).toEqual([true, false, false]);
  });
});
