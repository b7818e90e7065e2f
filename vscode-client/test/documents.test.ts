/**
 * The documents for people say what is so: settings and commands are those of package.json, sentences that people look for are there in
 * both languages, and every link leads somewhere.
 */

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, it } from "vitest";
import chineseWords from "../l10n/bundle.l10n.zh-cn.json";
import manifest from "../package.json";
import nls from "../package.nls.json";
import nlsChinese from "../package.nls.zh-cn.json";
import { anchors, rows, targets } from "./support/markdown";

const ROOT = join(__dirname, "../..");
const PREFIX = "geminiAggregator.";
/** Pages of the repository, by the address that people outside of it need. */
const ONLINE = /^https:\/\/github\.com\/JamzYang\/api-key-aggregetor\/(?:blob|raw|tree)\/HEAD\//;
const LONGEST_BUTTON = 24;

interface Schema {
  type: string;
  scope: string;
  default: unknown;
  minimum?: number;
  maximum?: number;
  enum?: string[];
  anyOf?: { const?: number; minimum?: number; maximum?: number }[];
}

/** What differs from language to language. */
interface Language {
  folder: string;
  settings: string;
  instances: string;
  commands: string;
  codes: string;
  empty: string;
  types: Record<string, string>;
  titles: Record<string, string>;
  /** As people see it. */
  words: (sentence: string) => string;
}

const ENGLISH: Language = {
  folder: "docs",
  settings: "## Settings",
  instances: "### Instances",
  commands: "## Commands",
  codes: "## Status codes of our own",
  empty: "empty",
  types: { integer: "integer", boolean: "boolean", array: "list", object: "object" },
  titles: nls,
  words: (sentence) => sentence,
};
const CHINESE: Language = {
  folder: "docs/zh-CN",
  settings: "## 设置",
  instances: "### Serverless 实例",
  commands: "## 命令",
  codes: "## 我们自己的状态码",
  empty: "空",
  types: { integer: "整数", boolean: "布尔", array: "列表", object: "对象" },
  titles: nlsChinese,
  words: (sentence) => (chineseWords as Record<string, string>)[sentence] ?? sentence,
};

const commands = manifest.contributes.commands.map(({ command }) => command.slice(PREFIX.length));
const settings = Object.entries(
  manifest.contributes.configuration.properties as unknown as Record<string, Schema>,
).map(([name, schema]) => ({ name: name.slice(PREFIX.length), ...schema }));

describe.each([ENGLISH, CHINESE])("what $folder says of the extension", (language) => {
  const read = (name: string): string => readFileSync(join(ROOT, language.folder, name), "utf8");

  it("names every setting with its range, default and scope, and no other", () => {
    const said = rows(read("configuration.md"), language.settings).map((cells) => cells.slice(0, 4));
    expect(said.map(([name]) => name)).toEqual(settings.map(({ name }) => `\`${name}\``));
    for (const [index, setting] of settings.entries()) {
      const [name, type = "", ...others] = said[index] ?? [];
      expect([name, ...others]).toEqual([name, defaultOf(setting, language), setting.scope]);
      for (const part of partsOf(setting, language)) {
        // 1–20 is not 1–200.
        expect(type, setting.name).toMatch(new RegExp(`(?<![\\d–])${part}(?![\\d–])`));
      }
    }
  });

  it("names every field of an instance", () => {
    const { properties } =
      manifest.contributes.configuration.properties["geminiAggregator.serverlessInstances"].items;
    const fields = Object.keys(properties).filter((name) => name !== "token" && name !== "headers");
    const named = rows(read("configuration.md"), language.instances).map(([name]) => name);
    expect(named.filter((name) => name?.startsWith("`"))).toEqual(fields.map((name) => `\`${name}\``));
  });

  it("names every command by its title, and no other", () => {
    const said = rows(read("guide.md"), language.commands).map(([id = "", title]) => [
      id.slice(1, -1),
      title,
    ]);
    const titles = new Map(Object.entries(language.titles));
    expect(said.sort()).toEqual(commands.map((name) => [name, titles.get(`command.${name}`)]).sort());
  });

  it("calls commands by their titles, wherever it names one", () => {
    const titles = rows(read("guide.md"), language.commands).map(([, title]) => title);
    const pages = markdownFiles(join(ROOT, language.folder)).filter(
      (page) => (language === CHINESE) === page.includes("zh-CN"),
    );
    const named = pages.flatMap((page) =>
      [...flat(readFileSync(join(ROOT, page), "utf8")).matchAll(/\*\*Gemini: ([^*]+)\*\*/g)].map(
        ([, title]) => title,
      ),
    );
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((title) => !titles.includes(title))).toEqual([]);
  });

  it.each(["problems", "rules", "relayUrl", "view", "notices", "notify", "commands", "extension"])(
    "lets people find the sentences of %s",
    (file) => {
      const text = flat(read("troubleshooting.md"));
      // Buttons are among the notices; they are short.
      const sought = sentences(file).filter(({ length }) => file !== "notices" || length > LONGEST_BUTTON);
      expect(sought.length).toBeGreaterThan(0);
      expect(sought.filter((sentence) => !pattern(language.words(sentence)).test(text))).toEqual([]);
    },
  );

  it("explains every text of the status bar", () => {
    const text = flat(read("guide.md"));
    const faces = sentences("describe").filter((sentence) => sentence.startsWith("Gemini: "));
    expect(faces.length).toBeGreaterThan(5);
    expect(faces.filter((face) => !pattern(language.words(face)).test(text))).toEqual([]);
  });

  it("helps with every answer of our own", () => {
    const help = flat(read("troubleshooting.md"));
    const answers = rows(read("http.md"), language.codes).flatMap(([, , cell = ""]) => cell.split(" · "));
    expect(answers.length).toBeGreaterThan(25);
    // The beginning is what people look for; brackets say by which way.
    expect(answers.filter((answer) => !help.includes(/^[^.;(]+/.exec(answer)?.[0].trim() ?? answer))).toEqual(
      [],
    );
  });
});

describe("links of the documents", () => {
  const pages = new Map(markdownFiles(ROOT).map((name) => [name, readFileSync(join(ROOT, name), "utf8")]));

  it("lead to what is there, and to headings that are so called", () => {
    const broken = [...pages].flatMap(([page, text]) =>
      targets(text)
        .filter((target) => !leads(page, target))
        .map((target) => `${page}: ${target}`),
    );
    expect(pages.size).toBeGreaterThan(20);
    expect(broken).toEqual([]);
  });

  it("are for everybody where a store shows the page", () => {
    // `vsce` puts them behind the root of the repository, wherever the page lies in it.
    for (const page of ["vscode-client/README.md", "CHANGELOG.md"]) {
      const near = targets(pages.get(page) ?? "").filter((target) => !/^(https:\/\/|#)/.test(target));
      expect(near, page).toEqual([]);
    }
  });

  function leads(page: string, target: string): boolean {
    if (/^[a-z]+:/i.test(target) && !ONLINE.test(target)) {
      return true;
    }
    const [path = "", anchor] = target.split("#").map(decodeURI);
    const file = ONLINE.test(path)
      ? path.replace(ONLINE, "")
      : path === ""
        ? page
        : normalize(join(dirname(page), path)).replaceAll("\\", "/");
    const there = existsSync(join(ROOT, file));
    return there && (anchor === undefined || anchors(pages.get(file) ?? "").has(anchor));
  }
});

/** Every page that somebody wrote, as a path below the folder. */
function markdownFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    const made = /^(\..*|node_modules|target|dist|out|coverage|screenshots)$/.test(entry.name);
    return entry.isDirectory()
      ? made
        ? []
        : markdownFiles(path)
      : entry.name.endsWith(".md")
        ? [relative(ROOT, path).replaceAll("\\", "/")]
        : [];
  });
}

/** The sentences of one of the modules. */
function sentences(file: string): string[] {
  const source = readFileSync(join(__dirname, "../src", `${file}.ts`), "utf8");
  const found = [...source.matchAll(/l10n\.t\(\s*("(?:[^"\\]|\\.)*")/g)];
  return found.map(([, literal]) => JSON.parse(literal ?? '""') as string);
}

/** Finds the sentence with whatever stands in its places. */
function pattern(sentence: string): RegExp {
  const parts = sentence.split(/\{\d\}/).map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(parts.join("[^|]{1,60}?"));
}

/** As people read it: on one line. */
function flat(text: string): string {
  return text.replace(/\\(?=[*_])/g, "").replace(/\s+/g, " ");
}

function defaultOf({ default: value }: Schema, { empty }: Language): string {
  return value === "" ? empty : `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

/** What has to stand in the cell of type and range. */
function partsOf(
  { type, minimum, maximum, enum: choices, anyOf = [] }: Schema,
  { types }: Language,
): string[] {
  const ranges = [{ minimum, maximum }, ...anyOf].filter((range) => range.minimum !== undefined);
  return [
    ...(types[type] === undefined ? [] : [types[type]]),
    ...ranges.map((range) => `${String(range.minimum)}–${String(range.maximum)}`),
    ...anyOf.flatMap((choice) => ("const" in choice ? [String(choice.const)] : [])),
    ...(choices ?? []).map((choice) => `\`${choice}\``),
  ];
}
