import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import manifest from "../package.json";
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
