// @ts-check
/**
 * One window of the editor, as a person sees and uses it. Every wait is for something on the screen; nothing reaches behind it.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { PATIENCE_MS, until } from "./until.mjs";

/** @typedef {import("playwright-core").Page} Page @typedef {import("playwright-core").Locator} Locator */

/** How often the palette is opened for a command, and how long each time may take. */
const TRIES = 3;
const TRY_MS = 10_000;
const SCREENSHOTS = join(import.meta.dirname, "..", "screenshots");

export class Window {
  /** Lines of the browser's console. @type {string[]} */
  console = [];

  /** @param {Page} page @param {string} name goes in front of the names of screenshots */
  constructor(page, name) {
    this.page = page;
    this.name = name;
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("console", (message) => this.console.push(message.text()));
    page.on("pageerror", (error) => this.console.push(String(error)));
  }

  /** Opens a folder and waits until the workbench is drawn. The palette knows our commands when {@link statusItem} is there. @param {string} url */
  async open(url) {
    await this.page.goto(url, { waitUntil: "commit" });
    await this.page.locator(".monaco-workbench .part.statusbar").waitFor();
  }

  /** Our item in the status bar. */
  get statusItem() {
    return this.page.locator('.statusbar-item[id*="geminiAggregator.status"]');
  }

  /** Waits until our item says this. @param {RegExp | string} text */
  async waitStatus(text) {
    await this.statusItem.filter({ hasText: text }).waitFor();
  }

  /** What our item says, its icon by name. @returns {Promise<{ text: string, icon: string, colour: "error" | "warning" | "none" }>} */
  async status() {
    const item = this.statusItem;
    const classes = (await item.getAttribute("class")) ?? "";
    const icon = (await item.locator(".codicon").first().getAttribute("class")) ?? "";
    return {
      text: (await item.innerText()).trim(),
      icon: /codicon-([a-z-]+)/.exec(icon.replace(/codicon-modifier-\w+/, ""))?.[1] ?? "",
      colour: classes.includes("error-kind") ? "error" : classes.includes("warning-kind") ? "warning" : "none",
    };
  }

  /** Waits until the item says this when the mouse rests on it, and returns all of it. @param {string | RegExp} text */
  async tooltip(text) {
    await this.statusItem.hover();
    const hover = this.page.locator(".workbench-hover:visible").filter({ hasText: text }).last();
    await hover.waitFor();
    return plain(await hover.innerText());
  }

  /** Takes the mouse away, so that what it made appear goes. */
  async leaveTooltip() {
    await this.page.mouse.move(640, 300);
    await this.page.locator(".workbench-hover:visible").last().waitFor({ state: "hidden" });
  }

  /** Runs a command through the palette. @param {string} title with its category: `Gemini: Add API Keys` */
  async command(title) {
    for (let left = TRIES - 1; ; left -= 1) {
      try {
        await this.page.keyboard.press("F1");
        await this.quick.locator(".quick-input-box input").fill(`>${title}`, { timeout: TRY_MS });
        await this.row(title).first().click({ timeout: TRY_MS });
        return;
      } catch (error) {
        // It closes if something else takes the focus while it opens; then a person opens it again.
        if (left === 0) throw error;
      }
    }
  }

  /** Titles that the palette offers for this text. @param {string} text */
  async offered(text) {
    await this.page.keyboard.press("F1");
    await this.quick.locator(".quick-input-box input").fill(`>${text}`);
    await this.rows.first().waitFor();
    const titles = await this.rowTexts();
    await this.escape();
    return titles;
  }

  /** The widget of quick picks and input boxes. */
  get quick() {
    return this.page.locator(".quick-input-widget:visible");
  }

  /** Rows of a quick pick. */
  get rows() {
    return this.quick.locator(".quick-input-list .monaco-list-row");
  }

  /** @param {string | RegExp} text its whole label, or a part of it */
  row(text) {
    const label = typeof text === "string" ? new RegExp(`^\\s*${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}\\s*$`) : text;
    return this.rows.filter({ has: this.page.locator(".label-name", { hasText: label }) });
  }

  /** What the rows say, from top to bottom. */
  async rowTexts() {
    return (await this.rows.allInnerTexts()).map((text) => text.replace(/\s+/g, " ").trim());
  }

  /** Picks a row. @param {string | RegExp} text */
  async pick(text) {
    await this.row(text).first().click();
  }

  /** Waits for an input box or quick pick with this title. @param {string | RegExp} title */
  async waitQuick(title) {
    await this.quick.locator(".quick-input-title", { hasText: title }).waitFor();
  }

  /** Types into the input box. @param {string} text */
  async type(text) {
    await this.quick.locator(".quick-input-box input").fill(text);
  }

  /** Waits for an input box that asks this. @param {string} text */
  async prompt(text) {
    await this.message.filter({ hasText: text }).waitFor();
  }

  /** Types the answer to an input box that asks this. @param {string} question @param {string} text */
  async answer(question, text) {
    await this.prompt(question);
    await this.type(text);
    await this.accept();
  }

  /** One step back. */
  async back() {
    await this.quick.locator(".quick-input-titlebar .codicon-quick-input-back").click();
  }

  /** The line below the input box. */
  get message() {
    return this.quick.locator(".quick-input-message");
  }

  /** Enter. */
  async accept() {
    await this.page.keyboard.press("Enter");
  }

  /** Leaves whatever is open. */
  async escape() {
    await this.page.keyboard.press("Escape");
  }

  /** A message at the bottom right. @param {string | RegExp} text */
  toast(text) {
    return this.page.locator(".notification-toast").filter({ hasText: text });
  }

  /** Waits for a message and returns it. @param {string | RegExp} text */
  async waitToast(text) {
    const toast = this.toast(text).first();
    await toast.waitFor();
    return toast;
  }

  /** Presses a button of a message. @param {string | RegExp} text @param {string} button */
  async pressOnToast(text, button) {
    const toast = await this.waitToast(text);
    await toast.getByRole("button", { name: button, exact: true }).click();
  }

  /** What the messages on the screen say. */
  async toasts() {
    return (await this.page.locator(".notification-toast .notification-list-item-message").allInnerTexts()).map((text) => text.trim());
  }

  /** Takes every message off the screen. */
  async clearToasts() {
    await this.command("Notifications: Clear All Notifications");
    await this.page.locator(".notification-toast").first().waitFor({ state: "detached" });
  }

  /** A question in the middle of the window. */
  get dialog() {
    return this.page.locator(".monaco-dialog-box");
  }

  /** Shows our output channel and returns the lines on the screen once one of them is like this. @param {string | RegExp} text */
  async output(text) {
    await this.command("Gemini: Show Log");
    const lines = this.page.locator(".output-view-content .view-line, .output-view .view-line");
    await lines.filter({ hasText: text }).first().waitFor();
    return (await lines.allInnerTexts()).map(plain);
  }

  /**
   * Waits until a preview of markdown says this, and returns all of it. It lies in frames within frames, of which some are of former
   * previews. @param {RegExp} text @returns {Promise<string>}
   */
  async preview(text) {
    return until(
      async () => {
        const bodies = this.page.frames().filter((frame) => frame.url().includes("fake.html"));
        const texts = await Promise.all(bodies.map((frame) => frame.locator("body").innerText({ timeout: 1_000 }).catch(() => "")));
        return texts.find((body) => text.test(body)) ?? "";
      },
      (body) => body !== "",
    );
  }

  /** Waits for a text anywhere in the status bar. @param {string} text */
  async waitInStatusBar(text) {
    await this.page.locator(".statusbar-item", { hasText: text }).first().waitFor();
  }

  /** A row of a view, by what a screen reader says of it. @param {RegExp} name */
  item(name) {
    return this.page.getByRole("treeitem", { name });
  }

  /** Presses a button that a row of a view has when the mouse is over it. @param {RegExp} name @param {string} action */
  async rowAction(name, action) {
    await this.item(name).hover();
    await this.item(name).getByRole("button", { name: action, exact: true }).click();
  }

  /** Chooses from the menu of a row. @param {RegExp} name @param {string} action */
  async rowMenu(name, action) {
    await this.item(name).click({ button: "right" });
    // A menu takes no click in its first moment, but a key.
    await this.page.locator(".context-view .monaco-menu").getByRole("menuitem", { name: action, exact: true }).hover();
    await this.page.keyboard.press("Enter");
  }

  /** Replaces all of the file that is open in the editor, and saves it. @param {string} file its name @param {string} text */
  async replaceText(file, text) {
    const tab = this.page.locator(".tab.active", { hasText: file });
    await tab.waitFor();
    await this.page.locator(".editor-instance .monaco-editor.focused .view-line").first().waitFor();
    await this.page.keyboard.press("Control+a");
    await this.page.keyboard.insertText(text);
    await this.page.locator(".tab.active.dirty", { hasText: file }).waitFor();
    await this.page.keyboard.press("Control+s");
    await this.page.locator(".tab.active:not(.dirty)", { hasText: file }).waitFor();
  }

  /** What was copied last. @returns {Promise<string>} */
  clipboard() {
    return this.page.evaluate(() => navigator.clipboard.readText());
  }

  /** Keeps a picture of the window. @param {string} step */
  async screenshot(step) {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: join(SCREENSHOTS, `${this.name}-${step}.png`), animations: "disabled" });
  }

  /** Keeps a picture of the window in the dark and one in the light. @param {string} step */
  async screenshots(step) {
    await this.page.emulateMedia({ colorScheme: "dark" });
    await this.page.locator(".monaco-workbench.vs-dark").waitFor();
    await this.screenshot(`${step}-dark`);
    await this.page.emulateMedia({ colorScheme: "light" });
    await this.page.locator(".monaco-workbench.vs").waitFor();
    await this.screenshot(step);
  }

  /** Closes the window, like a person who is done: the workbench says goodbye to its server. */
  async close() {
    const closed = this.page.waitForEvent("close");
    await this.page.close({ runBeforeUnload: true });
    await closed;
  }
}

/** Editors draw some blanks so that they do not break. @param {string} text */
function plain(text) {
  return text.replaceAll("\u00a0", " ");
}
