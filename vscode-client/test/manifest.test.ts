import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import manifest from "../package.json";
import nls from "../package.nls.json";
import nlsChinese from "../package.nls.zh-cn.json";
import { DEFAULTS } from "../src/settings";

interface Schema {
  type?: string;
  scope?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  pattern?: string;
}

const PREFIX = "geminiAggregator.";
const written = manifest.contributes.configuration.properties as unknown as Record<string, Schema>;
const properties = new Map(
  Object.entries(written).map(([name, schema]) => [name.slice(PREFIX.length), schema]),
);
const instance = written[`${PREFIX}serverlessInstances`] as unknown as {
  items: { required: string[]; additionalProperties: boolean; properties: Record<string, Schema> };
};

describe("package.json", () => {
  it("is the original's extension, so that its secrets stay readable", () => {
    expect(`${manifest.publisher}.${manifest.name}`).toBe("ShaneYang.api-key-aggregetor");
    expect(manifest.version).toMatch(/^2\./);
    expect(manifest).toMatchObject({
      engines: { vscode: "^1.104.0" },
      extensionKind: ["workspace"],
      capabilities: { virtualWorkspaces: true, untrustedWorkspaces: { supported: true } },
      activationEvents: ["onStartupFinished"],
    });
    expect(manifest).not.toHaveProperty("browser");
    expect(manifest.devDependencies["@types/vscode"]).toBe("1.104.0");
  });

  it("declares every setting that is read, with the same default, and no other", () => {
    const declared = Object.fromEntries([...properties].map(([name, schema]) => [name, schema.default]));
    expect(declared).toEqual({ ...DEFAULTS, strictTls: true });
    expect([...properties.keys()].sort()).toEqual(Object.keys(DEFAULTS).sort());
  });

  it("lets no workspace set anything", () => {
    const machine = ["accessToken", "caFile", "noProxy", "port", "proxy", "strictTls"];
    for (const [name, { scope }] of properties) {
      expect([name, scope]).toEqual([name, machine.includes(name) ? "machine" : "application"]);
    }
  });

  it.each([
    ["port", 1, 65535],
    ["requestTimeout", 1000, 3_600_000],
    ["maxAttempts", 1, 20],
    ["maxQueueWait", 0, 600_000],
    ["maxBodySize", 1, 2048],
  ])("bounds %s from %d to %d", (name, minimum, maximum) => {
    expect(properties.get(name)).toMatchObject({ type: "integer", minimum, maximum });
  });

  it("asks for id, name and url of an instance and lets unknown fields be", () => {
    expect(instance.items).toMatchObject({ required: ["id", "name", "url"], additionalProperties: true });
  });

  it.each([
    ["id", ["deno-us", "instance-1751500000000", "a.b/c"], ["local", "", "a b", "ä"]],
    [
      "url",
      [
        "https://a.example",
        "https://a.example:8443/gemini/",
        "http://127.0.0.1:8787",
        "http://localhost/x",
        "http://[::1]:1",
      ],
      [
        "http://a.example",
        "https://u@a.example",
        "https://a.example/?x",
        "https://a.example/#x",
        "ftp://a",
        "http://localhost.evil.example",
        "http://127.0.0.1@evil.example",
      ],
    ],
  ])("accepts and refuses the %s of an instance as it should", (field, good, bad) => {
    const pattern = new RegExp(instance.items.properties[field]?.pattern ?? "");
    expect(good.filter((text) => !pattern.test(text))).toEqual([]);
    expect(bad.filter((text) => pattern.test(text))).toEqual([]);
  });

  it.each([
    [
      "proxy",
      ["auto", "direct", "http://p:3128", "socks5h://u:p@h:1080", "p:3128", "https://p/"],
      ["ftp://p", "", "http://p/path", "a b"],
    ],
    [
      "upstream",
      ["https://generativelanguage.googleapis.com", "http://127.0.0.1:9/x"],
      ["http://a.example", "nothing"],
    ],
  ])("accepts and refuses %s as it should", (name, good, bad) => {
    const pattern = new RegExp(properties.get(name)?.pattern ?? "");
    expect(good.filter((text) => !pattern.test(text))).toEqual([]);
    expect(bad.filter((text) => pattern.test(text))).toEqual([]);
  });

  it("puts every command in the category Gemini, and pins every version", () => {
    expect(manifest.contributes.commands.filter(({ category }) => category !== "Gemini")).toEqual([]);
    expect(
      Object.values(manifest.devDependencies).filter((version) => !/^\d+\.\d+\.\d+$/.test(version)),
    ).toEqual([]);
    expect(readFileSync(join(__dirname, "../package-lock.json"), "utf8")).not.toContain('"resolved": "http');
  });

  it("offers in its menus, welcomes and walkthrough what there is, and rows' own commands nowhere else", () => {
    const { commands, menus, views, viewsWelcome, walkthroughs } = manifest.contributes;
    const known = new Set(commands.map(({ command }) => command));
    const inMenus = [...menus["view/title"], ...menus["view/item/context"], ...menus.commandPalette];
    const inTexts = [nls, nlsChinese]
      .flatMap(Object.values<string>)
      .flatMap((text) =>
        [...text.matchAll(/\(command:(geminiAggregator\.\w+)[?)]/g)].map(([, name]) => name),
      );
    expect(
      [...inMenus.map(({ command }) => command), ...inTexts].filter((name) => !known.has(name ?? "")),
    ).toEqual([]);
    const ids = views.geminiAggregator.map(({ id }) => id);
    expect(new Set(viewsWelcome.map(({ view }) => view))).toEqual(new Set(ids));
    const places = [...menus["view/title"], ...menus["view/item/context"]];
    expect(places.filter(({ when }) => !ids.some((id) => when.startsWith(`view == ${id}`)))).toEqual([]);
    expect(walkthroughs.map(({ when }) => when)).toEqual(["geminiAggregator.active"]);
  });

  it.each([
    ["key.on.unbound", ["switchKeyOff"], ["switchKeyOn", "unbindApiKey", "switchInstanceOff"]],
    ["key.off.bound", ["switchKeyOn", "unbindApiKey", "deleteApiKey"], ["switchKeyOff"]],
    ["relay.on", ["testConnectivity", "switchInstanceOff"], ["switchInstanceOn", "deleteApiKey"]],
    ["relay.off", ["switchInstanceOn", "removeServerlessInstance"], ["switchInstanceOff", "verifyApiKeys"]],
    ["request", ["copyId", "copyRequest"], ["deleteApiKey", "testConnectivity"]],
    ["attempt", [], ["copyId", "deleteApiKey"]],
    ["model", [], ["copyId", "modifyApiKey"]],
  ])("offers for a row %s what applies", (row, offered, hidden) => {
    const fits = manifest.contributes.menus["view/item/context"].filter(({ when }) =>
      new RegExp(/=~ \/(.*)\/$/.exec(when)?.[1] ?? "-").test(row),
    );
    const names = new Set(fits.map(({ command }) => command.replace(PREFIX, "")));
    expect(offered.filter((name) => !names.has(name))).toEqual([]);
    // What stands for something offers it at the row and in the menu; what only belongs to it offers nothing.
    const groups = new Set(fits.map(({ group }) => (group.startsWith("inline@") ? "row" : "menu")));
    expect(groups.size).toBe(offered.length === 0 ? 0 : 2);
    expect(hidden.filter((name) => names.has(name))).toEqual([]);
  });

  it("brings the page of each step of the walkthrough in both languages", () => {
    const packed = readFileSync(join(__dirname, "../scripts/package.mjs"), "utf8");
    for (const { id, media, completionEvents } of manifest.contributes.walkthroughs[0]?.steps ?? []) {
      const key = media.markdown.slice(1, -1);
      const pages = [nls, nlsChinese].map((texts) => (texts as Record<string, string>)[key] ?? "");
      expect(pages).toEqual([`media/walkthrough/${id}.md`, `media/walkthrough/${id}.zh-cn.md`]);
      for (const page of pages) {
        expect(readFileSync(join(__dirname, "..", page), "utf8")).toMatch(/^## /);
      }
      expect(packed).toContain(`"${id}"`);
      expect(completionEvents).toEqual([expect.stringMatching(/^onContext:geminiAggregator\.\w+$/)]);
    }
  });

  it("has no source file over 400 lines, and each begins with what it is", () => {
    const files = readdirSync(join(__dirname, "../src"), { recursive: true, encoding: "utf8" }).filter(
      (name) => name.endsWith(".ts"),
    );
    for (const name of files) {
      const text = readFileSync(join(__dirname, "../src", name), "utf8");
      expect(text, name).toMatch(/^\/\*\*\n/);
      expect(text.split("\n").length, name).toBeLessThanOrEqual(400);
    }
  });
});
