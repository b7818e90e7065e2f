import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import manifest from "../package.json";
import { type Entry, unzip } from "./support/zip";

const ROOT = join(__dirname, "..");
const SCRIPT = join(ROOT, "scripts/package.mjs");
const FOLDER = mkdtempSync(join(tmpdir(), "package-"));
const PATIENCE_MS = 120_000;

afterAll(() => {
  rmSync(FOLDER, { recursive: true, force: true });
});

interface Made {
  code: number | null;
  errors: string;
  out: string;
}

/** Packs these bytes as the program. */
function make(target: string, content: Buffer, ...more: string[]): Made {
  const [program, out] = ["program", "vsix"].map((kind) => join(FOLDER, `${target}.${kind}`)) as [
    string,
    string,
  ];
  writeFileSync(program, content, { mode: 0o600 });
  const { status, stderr } = spawnSync(
    process.execPath,
    [SCRIPT, "--target", target, "--binary", program, "--out", out, ...more],
    { encoding: "utf8" },
  );
  return { code: status, errors: stderr, out };
}

describe.skipIf(process.platform === "win32")("a package", () => {
  const content = Buffer.from("the program");
  let entries: Entry[];
  const text = (name: string): string =>
    entries.find((entry) => entry.name === name)?.content.toString() ?? "";

  beforeAll(() => {
    const made = make("alpine-arm64", content);
    expect(made).toMatchObject({ code: 0, errors: "" });
    entries = unzip(readFileSync(made.out));
  }, PATIENCE_MS);

  it("holds the bundle, the program, what people read, and no other file", () => {
    expect(entries.map(({ name }) => name).sort()).toEqual([
      "[Content_Types].xml",
      "extension.vsixmanifest",
      "extension/LICENSE.txt",
      "extension/README.zh-CN.md",
      "extension/changelog.md",
      "extension/dist/extension.js",
      "extension/l10n/bundle.l10n.zh-cn.json",
      "extension/media/icon.png",
      "extension/media/view.svg",
      "extension/media/walkthrough/addKey.md",
      "extension/media/walkthrough/addKey.zh-cn.md",
      "extension/media/walkthrough/connect.md",
      "extension/media/walkthrough/connect.zh-cn.md",
      "extension/media/walkthrough/request.md",
      "extension/media/walkthrough/request.zh-cn.md",
      "extension/media/walkthrough/verify.md",
      "extension/media/walkthrough/verify.zh-cn.md",
      "extension/package.json",
      "extension/package.nls.json",
      "extension/package.nls.zh-cn.json",
      "extension/readme.md",
      "extension/server/gemini-aggregator",
    ]);
    expect(readdirSync(join(ROOT, "out")).filter((name) => name.startsWith("stage-"))).toEqual([]);
  });

  it("has the program as it was built, and nothing else to execute", () => {
    const program = entries.filter(({ mode }) => (mode & 0o111) !== 0);
    expect(program.map(({ name }) => name)).toEqual(["extension/server/gemini-aggregator"]);
    expect(program[0]?.mode).toBe(0o100755);
    expect(program[0]?.content).toEqual(content);
  });

  it("is for its platform, and runs nothing when it is installed", () => {
    expect(text("extension.vsixmanifest")).toContain('TargetPlatform="alpine-arm64"');
    expect(text("extension.vsixmanifest")).not.toContain("VisualStudio.Code.PreRelease");
    const packed = JSON.parse(text("extension/package.json")) as Record<string, unknown>;
    const { scripts: _scripts, devDependencies: _needed, private: _private, ...kept } = manifest;
    expect(packed).toEqual({ ...kept, files: ["**"] });
  });

  it("shows its pages as they are written: no link in them depends on the place", () => {
    expect(text("extension/readme.md")).toBe(readFileSync(join(ROOT, "README.md"), "utf8"));
    expect(text("extension/changelog.md")).toBe(readFileSync(join(ROOT, "../CHANGELOG.md"), "utf8"));
    expect(text("extension/package.json")).toContain("github.com/JamzYang/api-key-aggregetor/issues");
  });

  it(
    "can be a pre-release, and names its program as Windows wants it",
    () => {
      const { out, code } = make("win32-x64", content, "--pre-release");
      expect(code).toBe(0);
      const found = unzip(readFileSync(out));
      expect(found.map(({ name }) => name)).toContain("extension/server/gemini-aggregator.exe");
      const about = found.find(({ name }) => name === "extension.vsixmanifest")?.content.toString();
      expect(about).toContain('Id="Microsoft.VisualStudio.Code.PreRelease" Value="true"');
    },
    PATIENCE_MS,
  );

  it(
    "that is larger than 8 MB is not made",
    () => {
      const { out, code, errors } = make("linux-x64", randomBytes(8 * 1024 * 1024));
      expect([code, existsSync(out)]).toEqual([1, false]);
      expect(errors).toMatch(/for linux-x64 would have 8\.\d\d MB, more than 8 MB/);
    },
    PATIENCE_MS,
  );
});

describe("the script", () => {
  it("asks for a program that exists", () => {
    const { status, stderr } = spawnSync(process.execPath, [SCRIPT, "--binary", join(FOLDER, "none")], {
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([1, expect.stringContaining("--binary FILE")]);
  });
});
