// @ts-check
/** Finds a Chromium on this machine and starts it. Never downloads one. */

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/** It stays quiet: no updates, no lookups, no second protocol. The sandbox wants rights that containers do not have. */
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The path of a Chromium; throws a sentence that says what to do if there is none. */
export function findChromium() {
  const named = process.env.CHROME;
  const candidates = named ? [named] : (process.env.PATH ?? "").split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const found = candidates.find(isProgram);
  if (found === undefined) {
    throw new Error(
      named
        ? `CHROME names no program: ${named}`
        : "The tests in a real editor need Chromium. On Debian: apt-get install -y chromium. Elsewhere: CHROME=/path/to/chrome",
    );
  }
  return found;
}

/** @param {{ visible?: boolean }} [options] */
export function launch({ visible = false } = {}) {
  return chromium.launch({ executablePath: findChromium(), headless: !visible, args: ARGUMENTS });
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
