/**
 * Adds keys: one paste, stored at once, tested afterwards. Labels and projects come later, with Modify.
 */

import { type InputBoxValidationMessage, InputBoxValidationSeverity, window } from "vscode";
import type { App } from "../app";
import { counts, nothingNew } from "../counts";
import { l10n } from "../l10n";
import { type Paste, readPaste } from "../paste";
import { say } from "../say";
import { startServer } from "./server";
import { verifyIds } from "./verifyApiKeys";

export async function addApiKey(app: App): Promise<void> {
  const pool = (await app.keys.read()).keys.map((key) => key.value);
  const text = await window.showInputBox({
    title: l10n.t("Add API Keys"),
    prompt: l10n.t(
      "Paste one Gemini API key or many, apart by blanks, commas or line breaks. They are kept in the editor's secret storage, never in settings.",
    ),
    password: true,
    ignoreFocusOut: true,
    validateInput: (typed) => validation(typed, readPaste(typed, pool)),
  });
  if (text === undefined) {
    return;
  }
  const paste = readPaste(text, pool);
  const { result: ids } = await app.journal.record(() => app.keys.add(paste.fresh));
  if (paste.fresh.length === 0) {
    say.info(nothingNew(paste));
  } else if (ids.length === 0) {
    say.info(l10n.t("Nothing was added: these keys are there already."));
  } else if (await app.applied()) {
    await verifyIds(app, ids, { added: true });
  } else {
    const title = isRunning(app) ? l10n.t("Test") : l10n.t("Start and Test");
    say.info(untested(app, ids), { title, run: () => startAndTest(app, ids) });
  }
}

function isRunning(app: App): boolean {
  return app.view.phase.kind === "running";
}

async function startAndTest(app: App, ids: readonly string[]): Promise<void> {
  if (!isRunning(app)) {
    await startServer(app);
  }
  if (await app.applied()) {
    await verifyIds(app, ids);
  }
}

/** What the line below the box counts while somebody types. Nothing may be entered that adds nothing. */
function validation(typed: string, paste: Paste): InputBoxValidationMessage | undefined {
  if (typed.trim() === "") {
    return undefined;
  }
  return paste.fresh.length > 0
    ? { message: counts(paste), severity: InputBoxValidationSeverity.Info }
    : { message: nothingNew(paste), severity: InputBoxValidationSeverity.Error };
}

/** They are there, and nobody knows yet what they are good for. */
function untested(app: App, ids: readonly string[]): string {
  const [only] = ids;
  return ids.length === 1 && only !== undefined
    ? l10n.t("The key {0} was added, but not tested: the server is not ready.", app.view.names.key(only))
    : l10n.t("{0} keys were added, but not tested: the server is not ready.", ids.length);
}
