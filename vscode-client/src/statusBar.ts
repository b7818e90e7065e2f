/**
 * The item in the status bar: shows what `describe` says. Text of the user's is appended as text, so no label is read as markdown.
 */

import { type Disposable, MarkdownString, StatusBarAlignment, ThemeColor, env, window } from "vscode";
import type { App } from "./app";
import { type Clock, type Line, describe } from "./describe";
import { l10n } from "./l10n";

const PRIORITY = 100;

export class StatusBar implements Disposable {
  private readonly item = window.createStatusBarItem(
    "geminiAggregator.status",
    StatusBarAlignment.Right,
    PRIORITY,
  );
  private readonly listener: Disposable;

  constructor(private readonly app: App) {
    this.item.name = l10n.t("Gemini Aggregator");
    this.item.command = "geminiAggregator.showStatus";
    this.listener = app.onDidChange(() => {
      this.update();
    });
    this.update();
    this.item.show();
  }

  dispose(): void {
    this.listener.dispose();
    this.item.dispose();
  }

  private update(): void {
    const face = describe(this.app.view, Date.now(), clock);
    this.item.text = face.text;
    this.item.tooltip = markdown(face.tooltip);
    this.item.backgroundColor = face.colour && new ThemeColor(`statusBarItem.${face.colour}Background`);
  }
}

/** The time of day, with the date if it is not today's. */
export const clock: Clock = (ms) => {
  const time = new Date(ms);
  const today = time.toDateString() === new Date().toDateString();
  const day: Intl.DateTimeFormatOptions = today ? {} : { month: "short", day: "numeric" };
  return time.toLocaleString(env.language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...day });
};

/** Text of the user's is appended as text, so nothing in it is read as markdown. */
export function markdown(lines: readonly Line[]): MarkdownString {
  const text = new MarkdownString();
  for (const line of lines) {
    if (line.kind) {
      text.appendMarkdown("**").appendText(line.text).appendMarkdown("**\n\n");
    } else {
      text.appendText(line.text).appendMarkdown("\n\n");
    }
  }
  return text;
}
