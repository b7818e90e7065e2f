// @ts-check
/** What people do again and again: each of these is done through the window alone. */

/** @typedef {import("./window.mjs").Window} Window */

/** A key that looks like one and is none. @param {number} number */
export const key = (number) => `AIzaSyInTheEditorTests-${String(number).padStart(16, "0")}`;

/** Adds keys through the palette, and waits until they were tested. @param {Window} window @param {string[]} keys */
export async function addKeys(window, ...keys) {
  await window.command("Gemini: Add API Keys");
  await window.waitQuick("Add API Keys");
  await window.type(keys.join(" "));
  await window.message.filter({ hasText: `${new Set(keys).size} new` }).waitFor();
  await window.accept();
  await window.waitToast(/accepted/);
}

/** The access token, as a person gets at it. @param {Window} window */
export async function copyToken(window) {
  await window.command("Gemini: Copy Access Token");
  await window.waitInStatusBar("The access token was copied.");
  return window.clipboard();
}

/** @param {Window} window @param {"local" | "serverless" | "hybrid"} mode */
export async function chooseMode(window, mode) {
  await window.command("Gemini: Set Deployment Mode");
  await window.waitQuick("Deployment Mode");
  await window.pick(mode);
}

/**
 * Writes settings into settings.json, in the editor, and saves it. What is `undefined` is taken out.
 * @param {Window} window @param {import("./profile.mjs").Profile} profile @param {import("./profile.mjs").Settings} changes
 */
export async function editSettings(window, profile, changes) {
  await window.command("Preferences: Open User Settings (JSON)");
  await window.replaceText("settings.json", JSON.stringify({ ...profile.readSettings(), ...changes }, undefined, 2));
}

/** Writes what comes into our channel from now on at this level. @param {Window} window @param {string} level */
export async function setLogLevel(window, level) {
  await window.command("Developer: Set Log Level...");
  await window.pick("Gemini Aggregator");
  await window.pick(level);
}

/**
 * Waits until what stands for version 1.x says this of the secrets it finds. The browser writes secrets behind the extension's back, and
 * what it wrote last need not be the latest: only a new page tells.
 * @param {Window} window @param {string} words
 */
export async function waitForVersion1(window, words) {
  for (let found = false; !found; ) {
    await window.page.reload();
    const item = window.page.locator(".statusbar-item", { hasText: /^1\.x / });
    await item.waitFor();
    found = (await item.innerText()).includes(words);
  }
}
