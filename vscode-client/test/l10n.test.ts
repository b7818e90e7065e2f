import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

let check: (folder: string) => { sentences: number; complaints: string[] };
let folder: string;
beforeAll(async () => {
  ({ check } = await import("../scripts/l10n.mjs"));
}, 30_000);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "l10n-"));
  mkdirSync(join(folder, "src"));
  mkdirSync(join(folder, "l10n"));
  file("package.json", { contributes: { commands: [{ title: "%a%" }] } });
  file("package.nls.json", { a: "A" });
  file("package.nls.zh-cn.json", { a: "甲" });
  file("l10n/bundle.l10n.zh-cn.json", { "Hello {0}": "你好 {0}" });
  source('l10n.t("Hello {0}", name);');
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, content: unknown): void {
  writeFileSync(join(folder, name), JSON.stringify(content));
}

function source(text: string): void {
  writeFileSync(join(folder, "src/a.ts"), text);
}

/** What the check says of the folder. */
const complaints = (): string => check(folder).complaints.join("\n");

describe("the check of translations", () => {
  it("passes what is there in both languages", () => {
    expect(complaints()).toBe("");
  });

  it("passes this extension", () => {
    const { sentences, complaints: found } = check(join(__dirname, ".."));
    expect(found).toEqual([]);
    expect(sentences).toBeGreaterThan(200);
  });

  it.each<[string, string, string]>([
    ["a sentence without a translation", 'l10n.t("Hello {0}"); l10n.t("Bye");', 'not translated: "Bye"'],
    ["a translation without a sentence", "", 'not used: "Hello {0}"'],
    ["an expression in place of a sentence", 'l10n.t("Hello {0}"); l10n.t(word);', "wants a sentence"],
    [
      "a message past l10n.t",
      'l10n.t("Hello {0}"); window.showInformationMessage("Hello");',
      'written past l10n.t: "Hello"',
    ],
    ["a title past l10n.t", 'l10n.t("Hello {0}"); const box = { title: "Hello" };', "written past"],
    [
      "a template past l10n.t",
      "l10n.t('Hello {0}'); const box = { label: `$(key) Hello ${name}` };",
      "written past",
    ],
    [
      "one branch past l10n.t",
      'l10n.t("Hello {0}"); list.title = good ? l10n.t("Hello {0}") : "Bad";',
      "written past",
    ],
    [
      "a button past l10n.t",
      'l10n.t("Hello {0}"); say.info(l10n.t("Hello {0}"), { title: "OK then" });',
      "written past",
    ],
  ])("refuses %s", (_, text, complaint) => {
    source(text);
    expect(complaints()).toContain(complaint);
  });

  it("refuses other placeholders in the translation", () => {
    file("l10n/bundle.l10n.zh-cn.json", { "Hello {0}": "你好" });
    expect(complaints()).toContain("other placeholders");
  });

  it("refuses texts of package.json that are missing, left over, or written past the nls files", () => {
    file("package.nls.zh-cn.json", { b: "乙" });
    const said = complaints();
    expect(said).toContain("package.nls.zh-cn.json: missing: a");
    expect(said).toContain("package.nls.zh-cn.json: not used: b");
    file("package.json", { contributes: { commands: [{ title: "Plain" }] } });
    expect(complaints()).toContain("written past the nls files: contributes.commands.0.title");
  });

  it("leaves icons and the product's name alone", () => {
    source(
      'l10n.t("Hello {0}"); const box = { label: `$(key) ${l10n.t("Hello {0}")}`, name: "Gemini Aggregator", text: "· …" };',
    );
    expect(complaints()).toBe("");
  });
});
