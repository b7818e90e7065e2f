/**
 * All keys with their live state, and what can be done with each.
 */

import { ThemeIcon } from "vscode";
import type { App } from "../app";
import { l10n } from "../l10n";
import { addApiKey } from "./addApiKey";
import { deleteApiKey } from "./deleteApiKey";
import { type Buttons, liveList } from "./liveList";
import { modifyApiKey } from "./modifyApiKey";
import { keyItem } from "./pickKey";
import { verifyApiKeys } from "./verifyApiKeys";

export function listApiKeys(app: App): void {
  const buttons: Buttons = new Map([
    [{ iconPath: new ThemeIcon("beaker"), tooltip: l10n.t("Verify") }, verifyApiKeys],
    [{ iconPath: new ThemeIcon("edit"), tooltip: l10n.t("Modify") }, modifyApiKey],
    [{ iconPath: new ThemeIcon("trash"), tooltip: l10n.t("Delete") }, deleteApiKey],
  ]);
  liveList(app, l10n.t("Choose a key to change it"), buttons, () => {
    const { keys } = app.reading.secrets;
    return {
      title: keys.length === 1 ? l10n.t("1 API key") : l10n.t("{0} API keys", keys.length),
      rows: [
        ...keys.map((key) => ({ ...keyItem(app, key), id: key.id, run: () => modifyApiKey(app, key.id) })),
        { label: `$(add) ${l10n.t("Add API Keys")}`, alwaysShow: true, run: () => addApiKey(app) },
      ],
    };
  });
}
