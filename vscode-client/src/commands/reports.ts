/**
 * Reports as documents that nobody can change and no disk holds, rendered where the editor can.
 */

import { type Disposable, EventEmitter, Uri, commands, window, workspace } from "vscode";

const SCHEME = "gemini-aggregator-report";

const changed = new EventEmitter<Uri>();
/** One text a title. It stays while the window lives: a preview asks for it again whenever it likes. */
const texts = new Map<string, string>();

/** Registers the documents. */
export function provideReports(): Disposable {
  return workspace.registerTextDocumentContentProvider(SCHEME, {
    onDidChange: changed.event,
    provideTextDocumentContent: ({ path }) => texts.get(path) ?? "",
  });
}

/** Shows a report; the same title is the same document. */
export async function showReport(title: string, text: string): Promise<void> {
  const uri = Uri.from({ scheme: SCHEME, path: `/${title}.md` });
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
