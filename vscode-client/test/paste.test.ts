import { describe, expect, it } from "vitest";
import { counts, nothingNew } from "../src/counts";
import { bindingName, nameOf, namesOf, plain } from "../src/names";
import { mask, readPaste } from "../src/paste";
import { DEFAULTS } from "../src/settings";

const A = "AIzaSyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const B = "AQ.Ab-an-opaque_key.of-another-shape";
const [C, D, E] = ["of-no-known-prefix-1", "of-no-known-prefix-2", "of-no-known-prefix-3"] as const;

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
    ["one =", "c2VjcmV0LXNlY3JldA=", ["c2VjcmV0LXNlY3JldA="]],
    ["commas, semicolons and blanks of Chinese", `${A}，${B}；${C}、${D}\u3000${E}`, [A, B, C, D, E]],
    ["quotes of a text program", `“${A}” ‘${B}’ 「${C}」`, [A, B, C]],
    ["what is not seen", `\ufeff${A}\u200b ${B}\u202e`, [A, B]],
    ["a list of JSON without blanks", `["${A}","${B}"]`, [A, B]],
    ["an object of JSON", `{"GEMINI_API_KEY": "${A}","b":"${B}"}`, [A, B]],
    ["YAML", `gemini:\n  api_key: ${A}\n  keys: [${B}, ${C}]`, [A, B, C]],
    ["a list that has one name", `GEMINI_API_KEYS="${C},${D}";${E}\nx ${A}`, [C, D, E, A]],
    ["a program", `const apiKey = "${C}";`, [C]],
    ["a shell that knows no =", `setx GOOGLE_GENERATIVE_AI_API_KEY ${C}`, [C]],
    ["a name without a value", `GOOGLE_GENERATIVE_AI_API_KEY= ${A}`, [A]],
    ["a name alone", "GOOGLE_GENERATIVE_AI_API_KEY=", []],
    ["keys of any prefix, by their names", `KEY=${C} GEMINI_KEY_2=${D} my_api_key=${E}`, [C, D, E]],
    ["nothing", " ;, ", []],
  ])("is split at %s", (_, text, keys) => {
    expect(readPaste(text, []).fresh).toEqual(keys);
  });

  it("may be a whole file of variables, of which nothing is taken but Gemini keys", () => {
    const file = [
      "# Keys from https://aistudio.google.com/apikey, one-for-each-project",
      "NODE_ENV=production",
      "DATABASE_URL=postgres://user:password@db.example:5432/app",
      "SECRET_KEY=django-insecure-0123456789",
      `export GEMINI_API_KEY="${A}"`,
      "OPENAI_API_KEY=sk-proj-0123456789abcdef",
      "ANTHROPIC_API_KEY='sk-ant-0123456789abcdef'",
      "AWS_SECRET_ACCESS_KEY=0123456789abcdef0123456789",
      `GOOGLE_API_KEY_2=${C}`,
      `WORK=${B}`,
      "GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:3145",
      "GEMINI_API_KEY_3=",
      "",
    ];
    // An input box makes blanks of line breaks, so that a comment has no end.
    for (const ends of ["\n", "\r\n", " "]) {
      const paste = readPaste(file.join(ends), []);
      expect(paste).toEqual({ fresh: [A, C, B], present: 0, short: 0, foreign: 0, other: 7 });
      expect(counts(paste)).toBe("3 new, 7 not named as a Gemini key");
    }
    expect(nothingNew(readPaste("OPENAI_API_KEY=sk-proj-0123456789abcdef", []))).toBe(
      "There is no new key in this: 1 not named as a Gemini key.",
    );
  });

  it("holds no key that is an address, or part of a file", () => {
    expect(readPaste("https://aistudio.google.com/apikey KEY-----\\nMIIEvQIBADANBgkqhki", [])).toMatchObject({
      fresh: [],
      foreign: 2,
    });
  });

  it.each([
    [15, 0],
    [16, 1],
    [39, 1],
    [200, 1],
  ])("of a key with %d characters is taken: %d", (length, taken) => {
    expect(readPaste("k".repeat(length), []).fresh).toHaveLength(taken);
  });

  it("is counted while somebody types", () => {
    const paste = readPaste(`${A} ${B} ${B} short schlüssel-mit-umlauten`, [` ${A} `]);
    expect(paste).toEqual({ fresh: [B], present: 2, short: 1, foreign: 1, other: 0 });
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

  it("has its label, which never becomes an icon, a link, a second line, or another order", () => {
    expect(nameOf({ id: "key1", value: ` ${A} `, label: "work" })).toBe("work (AIza…AAAA)");
    expect(nameOf({ id: "key1", value: A, label: "\u202e\n" })).toBe("AIza…AAAA");
    expect(plain(" a $(trash) b\n\tc ")).toBe("a $\u200b(trash) b c");
    expect(plain("[x](command:y) $\u0007(zap)")).toBe("[x]\u200b(command:y) $\u200b(zap)");
    expect(plain("\u202egnp.exe\u2066 a\u2028b\u0085c\u001b[2J\u061c")).toBe("gnp.exe a bc[2J");
    expect(plain(plain("$([x](y)"))).toBe(plain("$([x](y)"));
    expect(plain("👩‍💻 нет עברית 密钥")).toBe("👩‍💻 нет עברית 密钥");
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
