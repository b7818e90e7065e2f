/**
 * Adds keys: one paste, stored at once, tested afterwards. Labels and projects come later, with Modify.
 */

import { type InputBoxValidationMessage, InputBoxValidationSeverity, window } from "vscode";
import type { App } from "../app";
import { counts } from "../counts";
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
      "Paste one Gemini API key or many, apart by blanks, commas or line breaks. They stay on this machine, in the system's keyring.",
    ),
    password: true,
    ignoreFocusOut: true,
    validateInput: (typed) => validation(typed, readPaste(typed, pool)),
  });
  if (text === undefined) {
    return;
  }
  const ids = await app.keys.add(readPaste(text, pool).fresh);
  if (ids.length === 0) {
    say.info(l10n.t("Nothing was added: these keys are there already."));
  } else if (await app.applied()) {
    await verifyIds(app, ids);
  } else {
    const added =
      ids.length === 1 ? l10n.t("The key was added.") : l10n.t("{0} keys were added.", ids.length);
    say.info(`${added} ${l10n.t("They are tested once the server runs.")}`, {
      title: l10n.t("Start"),
      run: () => startServer(app),
    });
  }
}

/** What the line below the box counts while somebody types. Nothing may be entered that adds nothing. */
function validation(typed: string, paste: Paste): InputBoxValidationMessage | undefined {
  if (typed.trim() === "") {
    return undefined;
  }
  const severity =
    paste.fresh.length > 0 ? InputBoxValidationSeverity.Info : InputBoxValidationSeverity.Error;
  return { message: counts(paste), severity };
}
