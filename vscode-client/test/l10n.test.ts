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
    [
      "a sentence without a translation",
      'l10n.t("Hello {0}", name); l10n.t("Bye");',
      'not translated: "Bye"',
    ],
    ["a translation without a sentence", "", 'not used: "Hello {0}"'],
    ["an expression in place of a sentence", 'l10n.t("Hello {0}", name); l10n.t(word);', "wants a sentence"],
    [
      "a message past l10n.t",
      'l10n.t("Hello {0}", name); window.showInformationMessage("Hello");',
      'written past l10n.t: "Hello"',
    ],
    ["a title past l10n.t", 'l10n.t("Hello {0}", name); const box = { title: "Hello" };', "written past"],
    [
      "a template past l10n.t",
      "l10n.t('Hello {0}', name); const box = { label: `$(key) Hello ${name}` };",
      "written past",
    ],
    [
      "one branch past l10n.t",
      'l10n.t("Hello {0}", name); list.title = good ? l10n.t("Hello {0}", name) : "Bad";',
      "written past",
    ],
    [
      "a button past l10n.t",
      'l10n.t("Hello {0}", name); say.info(l10n.t("Hello {0}", name), { title: "OK then" });',
      "written past",
    ],
  ])("refuses %s", (_, text, complaint) => {
    source(text);
    expect(complaints()).toContain(complaint);
  });

  it.each([
    'window.showQuickPick(["hello", good]);',
    'vscode.window.showErrorMessage("hello");',
    'const { showWarningMessage } = window; showWarningMessage("hello");',
    'void box.showInformationMessage?.("hello");',
    'const box = { "title": "hello" };',
    'box["placeholder"] = "hello";',
    'item.text += "hello";',
    'const title = "hello"; open({ title });',
    'const words = "hello"; list.placeholder = words;',
    'const step = { prompt: () => "hello" };',
    'const step = { validateInput: (typed) => { if (!typed) { return "hello"; } return undefined; } };',
    'const row = { label: ["hello", name].join(" ") };',
    'const row = { label: "hello".concat(name) };',
    'const row = { label: (name as string) || ("hello" as const) };',
    'const row = { description: name && "hello" };',
    "const row = { tooltip: `${name}: ${good ? `hello` : name}` };",
    'const row = { accessibilityInformation: { label: "hello" } };',
    'new TreeItem("hello");',
    'new MarkdownString("hello");',
    'text.appendMarkdown("hello").appendText("hello");',
    'progress.report({ message: "hello" });',
    'window.withProgress({ title: "hello" }, work);',
    'const buttons = [{ iconPath, tooltip: "hello" }];',
    'say.info(l10n.t("Hello {0}", "hello"));',
    'say.info(l10n.t("Hello {0}", good ? name : "hello"));',
    // What reads like words is refused wherever it stands.
    'const found = vscode.l10n.t("hello there");',
    'const { t } = l10n; t("Hello");',
    'function words(): string { return "hello there"; }',
    'throw new Error("hello there");',
    "const words = `${count} hello`;",
    "const words = `hello ${name}`;",
    'const WORDS = { good: "Hello", bad: name };',
    'const words = "你好";',
  ])("is not fooled by %s", (text) => {
    source(`l10n.t("Hello {0}", name);\n${text}`);
    expect(complaints()).toMatch(/^src\/a\.ts:2: written past l10n\.t: "[^"]*(hello|Hello|你好)/);
  });

  it.each([
    'app.log.error("hello there", name); log.info(`hello there ${name}`);',
    "const notice = { id: `hello ${name}` };",
    'commands.executeCommand("workbench.action.openSettings", `${SECTION}.caFile`);',
    'const step = { placeholder: "https://relay.example.org" };',
    "text.appendMarkdown(`](command:${SECTION}.copyEndpoint) **`);",
    'type Kind = "hello there"; import { hello } from "hello there";',
    'if (kind === "unreachable") { open("leader"); }',
  ])("lets %s be", (text) => {
    source(`l10n.t("Hello {0}", name);\n${text}`);
    expect(complaints()).toBe("");
  });

  it("looks into what the log is given for sentences, and at the number of values", () => {
    source('log.info(l10n.t("Hello {0}", name));');
    expect(complaints()).toBe("");
    source('l10n.t("Hello {0}");');
    expect(complaints()).toContain("another number of values than of places");
    source('l10n.t("Hello {0}", name, other);');
    expect(complaints()).toContain("another number of values than of places");
    source('l10n.t("Hello {0}", ...names);');
    expect(complaints()).toBe("");
  });

  it("refuses a translation that is none, and takes names and signs for what they are", () => {
    file("l10n/bundle.l10n.zh-cn.json", { "Hello {0}": "Hello {0}" });
    expect(complaints()).toContain('left in English: "Hello {0}"');
    source('l10n.t("Hello {0}", name); l10n.t("{0}: {1}", a, b); l10n.t("URL");');
    file("l10n/bundle.l10n.zh-cn.json", { "Hello {0}": "你好 {0}", "{0}: {1}": "{0}：{1}", URL: "URL" });
    expect(complaints()).toBe("");
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

  it.each([
    { views: { ours: [{ name: "Plain" }] } },
    { views: { ours: [{ contextualTitle: "Plain" }] } },
    { viewsWelcome: [{ contents: "Plain" }] },
    { configuration: { properties: { a: { enumDescriptions: ["%a%", "Plain"] } } } },
    { configuration: { properties: { a: { markdownDeprecationMessage: "Plain" } } } },
    { configuration: { properties: { a: { patternErrorMessage: "Plain" } } } },
    { configuration: { properties: { a: { defaultSnippets: [{ label: "plain" }] } } } },
    { walkthroughs: [{ steps: [{ media: { altText: "Plain" } }] }] },
  ])("refuses text in package.json: %o", (contributes) => {
    file("package.json", { contributes: { ...contributes, commands: [{ title: "%a%" }] } });
    expect(complaints()).toMatch(/^package\.json: written past the nls files: contributes\.\S+$/);
  });

  it("refuses texts of package.json that are left in English, or whose links and code differ", () => {
    file("package.nls.zh-cn.json", { a: "A title" });
    file("package.nls.json", { a: "A title" });
    expect(complaints()).toBe("package.nls.zh-cn.json: left in English: a");
    file("package.nls.json", { a: "[Add](command:add) to `list`" });
    for (const chinese of ["[添加](command:remove)到 `list`", "[添加](command:add)到列表"]) {
      file("package.nls.zh-cn.json", { a: chinese });
      expect(complaints()).toBe("package.nls.zh-cn.json: other links or code: a");
    }
    file("package.nls.zh-cn.json", { a: "把它[添加](command:add)到 `list`" });
    expect(complaints()).toBe("");
  });

  it("refuses a page of the walkthrough that is missing in a language, or has other parts", () => {
    mkdirSync(join(folder, "media/walkthrough"), { recursive: true });
    const page = (name: string, text: string): void => {
      writeFileSync(join(folder, "media/walkthrough", name), text);
    };
    page("a.md", "## Head\n\n- one `x`\n- two\n");
    expect(complaints()).toBe("media/walkthrough/a.zh-cn.md: missing");
    page("a.zh-cn.md", "## 标题\n\n- 一 `x`\n- 二\n");
    expect(complaints()).toBe("");
    for (const text of ["## 标题\n\n- 一 `x`\n", "## 标题\n\n- 一\n- 二\n", "标题\n\n- 一 `x`\n- 二\n"]) {
      page("a.zh-cn.md", text);
      expect(complaints()).toContain("other headings, points, paragraphs, links or code than a.md");
    }
    page("a.zh-cn.md", "## 标题\n\n- 一 `x`\n- two more\n");
    expect(complaints()).toBe("media/walkthrough/a.zh-cn.md: left in English: - two more");
    page("a.zh-cn.md", "## 标题\n\n- 一 `x`\n- 二\n");
    page("b.zh-cn.md", "## 标题\n");
    expect(complaints()).toBe("media/walkthrough/b.zh-cn.md: has no page in English");
    file("package.nls.json", { a: "media/walkthrough/c.md" });
    file("package.nls.zh-cn.json", { a: "media/walkthrough/c.zh-cn.md" });
    expect(complaints()).toContain("media/walkthrough/c.md: missing");
  });

  it("leaves icons and the product's name alone", () => {
    source(
      'l10n.t("Hello {0}", name); const box = { label: `$(key) ${l10n.t("Hello {0}", name)}`, name: "Gemini Aggregator", text: "· …" };',
    );
    expect(complaints()).toBe("");
  });
});
