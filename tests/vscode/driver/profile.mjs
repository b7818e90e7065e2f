// @ts-check
/** The folder of one editor profile: settings, logs, what the extension keeps there. A copy of a template in which the extension is installed. */

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** What is in force in every profile: nothing pops up that is not ours, and what is typed stays as it is. */
const CALM = {
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "workbench.enableExperiments": false,
  "security.workspace.trust.enabled": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "chat.disableAIFeatures": true,
  "extensions.ignoreRecommendations": true,
  "extensions.autoUpdate": false,
  "git.enabled": false,
  "remote.autoForwardPorts": false,
  "files.autoSave": "off",
  "workbench.editor.useModal": "off",
  "editor.autoIndent": "none",
  "editor.autoSurround": "never",
  "editor.autoClosingBrackets": "never",
  "update.showReleaseNotes": false,
  "telemetry.telemetryLevel": "off",
  "window.autoDetectColorScheme": true,
};

/** What is in force on this machine: editors read this one setting nowhere else. A walkthrough takes the focus when it opens. */
const CALM_MACHINE = { "workbench.welcomePage.walkthroughs.openOnInstall": false };

/** @typedef {Record<string, unknown>} Settings */

export class Profile {
  /** @param {string} folder */
  constructor(folder) {
    this.folder = folder;
  }

  /** @param {string} template folder with the extension in it */
  static copyOf(template) {
    const folder = mkdtempSync(join(tmpdir(), "gemini-aggregator-profile-"));
    cpSync(template, folder, { recursive: true, verbatimSymlinks: true });
    return new Profile(folder);
  }

  /** The user's settings, whole. @param {Settings} settings */
  writeSettings(settings) {
    write(join(this.folder, "data", "User", "settings.json"), { ...CALM, ...settings });
  }

  /** Those of this machine: port, proxy, token. @param {Settings} settings */
  writeMachineSettings(settings) {
    write(join(this.folder, "data", "Machine", "settings.json"), { ...CALM_MACHINE, ...settings });
  }

  /** The user's settings as they stand in the file. @returns {Settings} */
  readSettings() {
    return JSON.parse(readFileSync(join(this.folder, "data", "User", "settings.json"), "utf8"));
  }

  /** Takes out every extension and puts in those of another profile; the editor finds them at its next start. @param {string} template */
  replaceExtensions(template) {
    const extensions = join(this.folder, "extensions");
    rmSync(extensions, { recursive: true, force: true });
    cpSync(join(template, "extensions"), extensions, { recursive: true });
  }

  /** A folder to open, with these files in it. @param {string} name @param {Record<string, string>} [files] */
  makeWorkspace(name, files = {}) {
    const folder = join(this.folder, "workspaces", name);
    for (const [file, text] of Object.entries({ "notes.txt": "", ...files })) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    return folder;
  }

  /**
   * Everything the editor wrote: logs, what extensions keep, state. Not what was installed and not what a test put there.
   * @returns {{ path: string, text: string }[]}
   */
  written() {
    const data = join(this.folder, "data");
    return readdirSync(data, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => ({ path: path.slice(data.length + 1), text: readFileSync(path, "latin1") }));
  }

  /** The log of the extension, all windows together. */
  log() {
    return this.written()
      .filter(({ path }) => /ShaneYang\.api-key-aggregetor.*Gemini Aggregator\.log$/i.test(path))
      .map(({ text }) => Buffer.from(text, "latin1").toString("utf8"))
      .join("");
  }

  /** The sidecar's program within the extension. */
  get program() {
    const extensions = join(this.folder, "extensions");
    const ours = readdirSync(extensions).find((name) => name.startsWith("shaneyang.api-key-aggregetor-"));
    return join(extensions, ours ?? "", "server", process.platform === "win32" ? "gemini-aggregator.exe" : "gemini-aggregator");
  }

  /** Process ids of the sidecars of this profile. */
  sidecars() {
    return execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line.includes(this.folder) && /server\/gemini-aggregator(\.exe)?$/.test(line.trimEnd()))
      .map((line) => Number.parseInt(line, 10));
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** @param {string} file @param {unknown} value */
function write(file, value) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(value, undefined, 2)}\n`);
}
