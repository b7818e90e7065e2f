// @ts-check
/**
 * Makes an editor once and keeps it in a cache outside the checkout: a built VS Code server, its native modules, and the Node that runs
 * it. A build that was interrupted goes on at the step where it ended; only a whole one gets its final name.
 */

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as later } from "node:timers/promises";
import { EDITORS } from "../editors.mjs";

/** An editor that is there. @typedef {{ version: string, server: string, node: string }} Installed */

/**
 * @param {import("../editors.mjs").EditorName} name
 * @param {(line: string) => void} [say] hears of each step that takes its time
 * @returns {Promise<Installed>}
 */
export async function install(name, say = () => undefined) {
  const recipe = EDITORS[name];
  const place = join(cache(), `${recipe.version}-${process.platform}-${process.arch}`);
  if (!(await isMade(place, recipe))) {
    await alone(`${place}.lock`, async () => {
      if (!(await isMade(place, recipe))) {
        await make(place, recipe, say);
      }
    });
  }
  return { version: recipe.version, server: join(place, "server"), node: nodeIn(place) };
}

function cache() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "gemini-aggregator-editors");
}

/** Package of a Node for this machine. */
function nodePackage() {
  const platform = process.platform === "win32" ? "win" : process.platform;
  return `node-${platform}-${process.arch}`;
}

/** @param {string} place */
function nodeIn(place) {
  return join(place, "node", "node_modules", nodePackage(), "bin", process.platform === "win32" ? "node.exe" : "node");
}

/** Whether it was made by this very recipe. @param {string} place @param {import("../editors.mjs").Recipe} recipe */
async function isMade(place, recipe) {
  const written = await readFile(join(place, "recipe.json"), "utf8").catch(() => "");
  return written === JSON.stringify(recipe);
}

/** @param {string} place @param {import("../editors.mjs").Recipe} recipe @param {(line: string) => void} say */
async function make(place, recipe, say) {
  const partial = `${place}.partial`;
  const server = join(partial, "server");
  const node = join(partial, "node");
  if ((await readFile(join(partial, "begun.json"), "utf8").catch(() => "")) !== JSON.stringify(recipe)) {
    await rm(partial, { recursive: true, force: true });
    await mkdir(join(partial, "done"), { recursive: true });
    await writeFile(join(partial, "begun.json"), JSON.stringify(recipe));
  }
  say(`VS Code ${recipe.version} is made, once; it takes a minute or two`);
  await step(partial, "node", say, async () => {
    await rm(node, { recursive: true, force: true });
    await mkdir(node);
    await writeFile(join(node, "package.json"), "{}");
    await npm(["install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund", `${nodePackage()}@${recipe.node}`], node);
  });
  await step(partial, "server", say, () => unpack(recipe, partial, server));
  await step(partial, "modules", say, () => npm(["ci", "--omit=dev", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"], server));
  const headers = join(node, "node_modules", nodePackage());
  for (const module of recipe.natives) {
    await step(partial, module.replaceAll("/", "-"), say, () =>
      npm(["rebuild", "--ignore-scripts=false", module], server, { npm_config_nodedir: headers }),
    );
  }
  if (!existsSync(join(server, "node_modules.asar"))) {
    await symlink("node_modules", join(server, "node_modules.asar"));
  }
  await writeFile(join(partial, "recipe.json"), JSON.stringify(recipe));
  await rm(place, { recursive: true, force: true });
  await rename(partial, place);
}

/** Does it unless it was done. @param {string} partial @param {string} name @param {(line: string) => void} say @param {() => Promise<void>} work */
async function step(partial, name, say, work) {
  const mark = join(partial, "done", name);
  if (!existsSync(mark)) {
    say(`  ${name}`);
    await work();
    await writeFile(mark, "");
  }
}

/** The server out of its package, once the package is what the recipe says. @param {import("../editors.mjs").Recipe} recipe @param {string} partial @param {string} server */
async function unpack(recipe, partial, server) {
  const whole = join(partial, "package");
  await rm(whole, { recursive: true, force: true });
  await rm(server, { recursive: true, force: true });
  await mkdir(whole);
  await npm(["pack", "--silent", recipe.server], whole);
  const [archive = ""] = await readdir(whole);
  const bytes = await readFile(join(whole, archive));
  const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  if (integrity !== recipe.integrity) {
    throw new Error(`${recipe.server} is not what it was: ${integrity}`);
  }
  await run("tar", ["-xzf", archive, "package/lib/vscode"], whole);
  await rename(join(whole, "package", "lib", "vscode"), server);
  await rm(whole, { recursive: true });
}

/** One process at a time; one that died does not count. @param {string} lock @param {() => Promise<void>} work */
async function alone(lock, work) {
  await mkdir(cache(), { recursive: true });
  while (!(await take(lock))) {
    await later(500);
  }
  try {
    await work();
  } finally {
    await rm(lock, { force: true });
  }
}

/** @param {string} lock */
async function take(lock) {
  try {
    await writeFile(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    const holder = Number(await readFile(lock, "utf8").catch(() => ""));
    if (holder > 0 && !isAlive(holder)) {
      await rm(lock, { force: true });
    }
    return false;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** @param {string[]} args @param {string} cwd @param {Record<string, string>} [env] */
function npm(args, cwd, env = {}) {
  return run(process.platform === "win32" ? "npm.cmd" : "npm", args, cwd, env);
}

/** Its output shows only if it fails. @param {string} program @param {string[]} args @param {string} cwd @param {Record<string, string>} [env] */
async function run(program, args, cwd, env = {}) {
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (bytes) => (output += bytes));
  child.stderr.on("data", (bytes) => (output += bytes));
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code !== 0) {
    throw new Error(`${program} ${args.join(" ")} ended with ${code}:\n${output.slice(-4_000)}`);
  }
}
