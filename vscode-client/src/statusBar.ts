/**
 * The item in the status bar: shows what `describe` says. Text stays text, so no label is read as markdown, and the one command that the
 * tooltip may run is the one that copies the endpoint.
 */

import { type Disposable, MarkdownString, StatusBarAlignment, ThemeColor, env, window } from "vscode";
import type { App } from "./app";
import { type Clock, type Line, describe } from "./describe";
import { l10n } from "./l10n";
import { plain, withoutGaps } from "./names";
import { SECTION } from "./settings";

const PRIORITY = 100;
const COPY = "copyEndpoint";
/** As a link carries it: the address alone. */
const ADDRESS = encodeURIComponent(JSON.stringify(["address"]));

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

/** A tooltip of these lines. */
export function markdown(lines: readonly Line[]): MarkdownString {
  const text = new MarkdownString();
  text.isTrusted = { enabledCommands: [`${SECTION}.${COPY}`] };
  for (const line of lines) {
    const words = literal(line.text);
    if (line.does !== undefined && "command" in line.does && line.does.command === COPY) {
      // Not a link to the web: a browser finds no page there.
      const link = `command:${SECTION}.${COPY}?${ADDRESS} "${l10n.t("Copy Endpoint")}"`;
      text.appendMarkdown(`**[${words}](${link})**\n\n`);
    } else {
      text.appendMarkdown(line.kind ? `**${words}**\n\n` : `${words}\n\n`);
    }
  }
  return text;
}

/** Nothing in it is read as markdown: the editor's own way leaves addresses that become links, and entities. */
function literal(text: string): string {
  return withoutGaps(plain(text)).replace(/[!-/:-@[-`{-~]/g, (sign) => `&#${String(sign.charCodeAt(0))};`);
}
