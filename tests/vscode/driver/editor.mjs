// @ts-check
/**
 * A real editor with the packaged extension in a fresh profile, and the windows that are open in it.
 */

import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { launch } from "./chromium.mjs";
import { Profile } from "./profile.mjs";
import { Server, installExtension } from "./server.mjs";
import { until } from "./until.mjs";
import { Window } from "./window.mjs";

/** What the runner prepared: an editor, and profiles with our extension (and with the one that stands for 1.x) installed. */
/** @typedef {{ editor: import("./install.mjs").Installed & { name: string }, template: string, templateOf1: string, vsix: string, fake: string }} Prepared */

/** @returns {Prepared} */
export function prepared() {
  const file = process.env.EDITOR_TESTS_PREPARED;
  if (file === undefined) {
    throw new Error("run these tests with `npm test` in tests/vscode: it prepares the editors");
  }
  return JSON.parse(readFileSync(file, "utf8"));
}

/** @type {Promise<import("playwright-core").Browser> | undefined} one browser for all tests of a file */
let browser;

/** Ends the browser of this file. */
export async function closeBrowser() {
  await (await browser)?.close();
  browser = undefined;
}

/**
 * @typedef {object} Wanted
 * @property {string} name of the story, for screenshots
 * @property {string} [template] folder to copy the profile from; by default one with our extension
 * @property {import("./profile.mjs").Settings} [settings] the user's
 * @property {import("./profile.mjs").Settings} [machine] this machine's
 * @property {string} [locale] language of the editor, like `zh-cn`
 */

export class Editor {
  /** @type {Window[]} */
  windows = [];

  /**
   * @param {string} name @param {Profile} profile @param {Server} server @param {import("playwright-core").BrowserContext} context @param {number} port
   */
  constructor(name, profile, server, context, port) {
    this.name = name;
    this.profile = profile;
    this.server = server;
    this.context = context;
    /** That our endpoint is set to. */
    this.port = port;
  }

  /** Starts an editor; no window is open yet. @param {Wanted} wanted @returns {Promise<Editor>} */
  static async start({ name, template, settings = {}, machine = {}, locale }) {
    const { editor, template: usual } = prepared();
    const profile = Profile.copyOf(template ?? usual);
    const port = await freePort();
    profile.writeSettings(settings);
    profile.writeMachineSettings({ "geminiAggregator.port": port, "geminiAggregator.proxy": "direct", ...machine });
    browser ??= launch();
    const [server, context] = await Promise.all([Server.start(editor, profile.folder), newContext(await browser, locale)]);
    return new Editor(`${editor.name}-${name}`, profile, server, context, port);
  }

  /** Closes every window, installs this over what is installed, and starts the editor anew at the same address. @param {string} vsix */
  reinstall(vsix) {
    return this.restart(() => installExtension(prepared().editor, this.profile.folder, vsix));
  }

  /** Closes every window, and starts the editor anew at the same address. @param {() => unknown} between done while nothing runs */
  async restart(between) {
    for (const window of this.windows.filter(({ page }) => !page.isClosed())) {
      await window.close();
    }
    await this.server.stop();
    await between();
    this.server = await Server.start(prepared().editor, this.profile.folder, this.server.port);
  }

  /** Opens one more window. @param {{ folder?: string, label?: string, ready?: boolean }} [options] `ready`: wait for our extension */
  async open({ folder = this.profile.makeWorkspace("empty"), label, ready = true } = {}) {
    const window = new Window(await this.context.newPage(), label ? `${this.name}-${label}` : this.name);
    this.windows.push(window);
    await window.open(`${this.server.url}/?folder=${encodeURIComponent(folder)}`);
    if (ready) {
      await window.statusItem.waitFor();
    }
    return window;
  }

  /** Where clients find the pool. */
  get endpoint() {
    return `http://127.0.0.1:${this.port}`;
  }

  /**
   * Where one of these secrets lies in clear or in base64: files, lines of the consoles. Nowhere, if all is well.
   * @param {string[]} secrets @returns {string[]}
   */
  leaks(secrets) {
    const places = [
      ...this.profile.written(),
      ...this.windows.map((window, index) => ({ path: `console of window ${index + 1}`, text: window.console.join("\n") })),
    ];
    const spellings = secrets.flatMap((secret) => [secret, ...inBase64(secret)]);
    return places.filter(({ text }) => spellings.some((spelling) => text.includes(spelling))).map(({ path }) => path);
  }

  /** Ends everything; returns when no sidecar is left, and fails if one stays. */
  async stop() {
    await this.context.close();
    const { profile } = this;
    await this.server.stop();
    try {
      await until(() => profile.sidecars(), (pids) => pids.length === 0);
    } finally {
      profile.sidecars().forEach((pid) => process.kill(pid, "SIGKILL"));
      if (!process.env.KEEP_PROFILES) {
        profile.remove();
      }
    }
  }
}

/** @param {import("playwright-core").Browser} browser @param {string | undefined} locale */
async function newContext(browser, locale) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    reducedMotion: "reduce",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  if (locale) {
    // What a language pack would set. Without one the workbench's own words stay English; extensions speak the language.
    await context.addInitScript((language) => Object.assign(globalThis, { _VSCODE_NLS_LANGUAGE: language }), locale);
  }
  // The workbench encrypts its secrets with a key from here; the bare server has no such page, and secrets would end with the window.
  await context.route("**/mint-key", (route) => route.fulfill({ body: Buffer.alloc(32, 7) }));
  return context;
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** A secret within a longer text has one of three spellings; ends that depend on neighbours are left out. @param {string} secret */
function inBase64(secret) {
  return [0, 1, 2].map((shift) => {
    const text = Buffer.from(`${"x".repeat(shift)}${secret}`).toString("base64").replace(/=+$/, "");
    return text.slice(shift === 0 ? 0 : 4, -2);
  });
}
