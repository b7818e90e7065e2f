/**
 * Deletes a key, after asking. Its binding and its label go with it.
 */

import type { App } from "../app";
import { l10n } from "../l10n";
import { bindingName, nameOf } from "../names";
import { say, sure } from "../say";
import type { StoredKey } from "../secrets";
import { pickKey } from "./pickKey";
import { undoAction } from "./undo";

export async function deleteApiKey(app: App, id?: string): Promise<void> {
  const key = await pickKey(app, id, l10n.t("Which key shall be deleted?"));
  if (key !== undefined) {
    await askAndDelete(app, key);
  }
}

/** Returns whether it was deleted. */
export async function askAndDelete(app: App, key: StoredKey): Promise<boolean> {
  const detail = key.binding
    ? l10n.t(
        "It is taken out of this editor's secret storage, and its binding to {0} goes with it.",
        bindingName(key.binding, app.view.names),
      )
    : l10n.t("It is taken out of this editor's secret storage.");
  if (!(await sure(l10n.t("Delete the key {0}?", nameOf(key)), detail, l10n.t("Delete")))) {
    return false;
  }
  const { change } = await app.journal.record(() => app.keys.delete(key.id));
  await app.refresh();
  say.info(l10n.t("The key {0} was deleted.", nameOf(key)), ...undoAction(app, change));
  return true;
}
