/**
 * Reports as documents that nobody can change and no disk holds, rendered where the editor can. The editor brings their tabs back after a
 * reload, when their text is gone: then they say what they were and how to make them again.
 */

import { type Disposable, EventEmitter, Uri, commands, window, workspace } from "vscode";
import { l10n } from "../l10n";

const SCHEME = "gemini-aggregator-report";

/** The command that makes a report. */
export type Maker = "networkDiagnostics" | "showUpgrade";

const changed = new EventEmitter<Uri>();
/** One text a title. It stays while the window lives: a preview asks for it again whenever it likes. */
const texts = new Map<string, string>();

/** Registers the documents. */
export function provideReports(): Disposable {
  return workspace.registerTextDocumentContentProvider(SCHEME, {
    onDidChange: changed.event,
    provideTextDocumentContent: ({ path, query }) => texts.get(path) ?? gone(path, query),
  });
}

/** Shows a report; the same title is the same document. */
export async function showReport(title: string, text: string, maker: Maker): Promise<void> {
  const uri = Uri.from({ scheme: SCHEME, path: `/${title}.md`, query: maker });
  texts.set(uri.path, text);
  changed.fire(uri);
  const document = await workspace.openTextDocument(uri);
  try {
    await commands.executeCommand("markdown.showPreview", uri);
  } catch {
    // The editor's own markdown extension can be switched off.
    await window.showTextDocument(document, { preview: true });
  }
}

function gone(path: string, maker: string): string {
  const title = path.replace(/^\/|\.md$/g, "");
  const makers: Record<string, () => string> = {
    networkDiagnostics: () => l10n.t("Network Diagnostics"),
    showUpgrade: () => l10n.t("Show What Changed since Version 1"),
  } satisfies Record<Maker, () => string>;
  const command = Object.hasOwn(makers, maker) ? makers[maker]?.() : undefined;
  const lines = [
    l10n.t("This report is kept nowhere, and went when the window was loaded anew."),
    ...(command === undefined
      ? []
      : [l10n.t("To make it again, choose “Gemini: {0}” in the command palette.", command)]),
  ];
  return [`# ${title}`, "", lines.join(" "), ""].join("\n");
}
