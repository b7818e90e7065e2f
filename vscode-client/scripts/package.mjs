// Makes the .vsix for one platform: `node scripts/package.mjs [--target linux-x64] [--binary FILE] [--out FILE] [--pre-release]`.
// The program comes from --binary or GEMINI_AGGREGATOR_BINARY; `cargo xtask package` builds it, and looks whether it fits the platform.
// Everything that is packed is named here and nothing else gets in.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { listFiles } from "@vscode/vsce";

const root = resolve(import.meta.dirname, "..");
const FILES = [
  "package.nls.json",
  "package.nls.zh-cn.json",
  "l10n/bundle.l10n.zh-cn.json",
  "media/icon.png",
  "media/view.svg",
  ...["addKey", "verify", "connect", "request"].flatMap((step) => [
    `media/walkthrough/${step}.md`,
    `media/walkthrough/${step}.zh-cn.md`,
  ]),
  "README.md",
  "README.zh-CN.md",
];
/** Of the repository, shared with it. */
const SHARED = ["LICENSE", "CHANGELOG.md"];
const LIMIT_MB = 8;

const { values } = parseArgs({
  options: {
    target: { type: "string" },
    binary: { type: "string" },
    out: { type: "string" },
    "pre-release": { type: "boolean", default: false },
  },
});
const target = values.target ?? `${process.platform}-${process.arch}`;
const binary = values.binary ?? process.env.GEMINI_AGGREGATOR_BINARY;
if (binary === undefined || !existsSync(binary)) {
  fail("name the program with --binary FILE or GEMINI_AGGREGATOR_BINARY");
}
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const out = resolve(values.out ?? join(root, "out", `gemini-aggregator-${target}-${version}.vsix`));
const isForWindows = target.startsWith("win32");
const program = `server/gemini-aggregator${isForWindows ? ".exe" : ""}`;
if (process.platform === "win32" && !isForWindows) {
  fail(`a package for ${target} cannot be made on Windows: files are not executable there`);
}

mkdirSync(join(root, "out"), { recursive: true });
const stage = mkdtempSync(join(root, "out", "stage-"));
process.on("exit", () => rmSync(stage, { recursive: true, force: true }));
execFileSync(
  process.execPath,
  [join(root, "scripts", "build.mjs"), "--production", "--out", join(stage, "dist", "extension.js")],
  { cwd: root, stdio: "inherit" },
);
FILES.forEach((file) => copy(join(root, file), file));
SHARED.forEach((file) => copy(join(root, "..", file), file));
copy(resolve(binary), program);
chmodSync(join(stage, program), 0o755);
writeFileSync(join(stage, "package.json"), `${JSON.stringify(manifest(), undefined, 2)}\n`);

const expected = ["package.json", "dist/extension.js", program, ...FILES, ...SHARED].sort();
const packed = (await listFiles({ cwd: stage, packageManager: 0, dependencies: false }))
  .map((file) => file.replaceAll("\\", "/"))
  .sort();
if (packed.join() !== expected.join()) {
  fail(`other files would be packed than should be:\n${packed.join("\n")}`);
}
mkdirSync(dirname(out), { recursive: true });
const vsce = join(root, "node_modules", "@vscode", "vsce", "vsce");
execFileSync(
  process.execPath,
  [
    vsce,
    "package",
    "--no-dependencies",
    ...(values["pre-release"] ? ["--pre-release"] : []),
    ...["--target", target, "--out", out],
  ],
  { cwd: stage, stdio: ["ignore", "ignore", "inherit"] },
);
const megabytes = statSync(out).size / 1024 / 1024;
// A debug build is large, and goes to nobody.
const isDebug = basename(dirname(resolve(binary))) === "debug";
if (megabytes > LIMIT_MB && !isDebug) {
  rmSync(out);
  fail(`the package for ${target} would have ${megabytes.toFixed(2)} MB, more than ${String(LIMIT_MB)} MB`);
}
process.stdout.write(`${out}: for ${target}, ${megabytes.toFixed(2)} MB, ${String(packed.length)} files\n`);

/** Without what only development needs. */
function manifest() {
  const {
    scripts: _scripts,
    devDependencies: _devDependencies,
    private: _private,
    ...rest
  } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return { ...rest, files: ["**"] };
}

function copy(from, to) {
  mkdirSync(dirname(join(stage, to)), { recursive: true });
  cpSync(from, join(stage, to));
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
