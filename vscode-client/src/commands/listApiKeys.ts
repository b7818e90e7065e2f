/**
 * All keys with their live state, and what can be done with each.
 */

import { type QuickInputButton, type QuickPickItem, ThemeIcon, window } from "vscode";
import type { App } from "../app";
import { l10n } from "../l10n";
import { addApiKey } from "./addApiKey";
import { askAndDelete } from "./deleteApiKey";
import { modifyApiKey } from "./modifyApiKey";
import { type KeyItem, keyItem } from "./pickKey";
import { verifyApiKeys } from "./verifyApiKeys";

type Item = (KeyItem | QuickPickItem) & { run: () => unknown };

export function listApiKeys(app: App): void {
  const list = window.createQuickPick<Item>();
  const verify: QuickInputButton = { iconPath: new ThemeIcon("beaker"), tooltip: l10n.t("Verify") };
  const modify: QuickInputButton = { iconPath: new ThemeIcon("edit"), tooltip: l10n.t("Modify") };
  const remove: QuickInputButton = { iconPath: new ThemeIcon("trash"), tooltip: l10n.t("Delete") };
  const show = (): void => {
    const { keys } = app.reading.secrets;
    const active = list.activeItems[0];
    list.title = keys.length === 1 ? l10n.t("1 API key") : l10n.t("{0} API keys", keys.length);
    list.items = [
      ...keys.map((key): Item => ({
        ...keyItem(app, key),
        buttons: [verify, modify, remove],
        run: () => modifyApiKey(app, key.id),
      })),
      { label: `$(add) ${l10n.t("Add API Keys")}`, alwaysShow: true, run: () => addApiKey(app) },
    ];
    const again =
      active === undefined ? list.items[0] : list.items.find((item) => idOf(item) === idOf(active));
    list.activeItems = again ? [again] : [];
  };
  const listener = app.onDidChange(show);
  list.placeholder = l10n.t("Choose a key to change it");
  list.matchOnDescription = true;
  list.matchOnDetail = true;
  list.keepScrollPosition = true;
  list.ignoreFocusOut = true;
  list.onDidHide(() => {
    listener.dispose();
    list.dispose();
  });
  list.onDidAccept(() => {
    const [item] = list.selectedItems;
    list.hide();
    void item?.run();
  });
  list.onDidTriggerItemButton(({ item, button }) => {
    list.hide();
    if ("key" in item) {
      void (button === verify
        ? verifyApiKeys(app, item.key.id)
        : button === modify
          ? modifyApiKey(app, item.key.id)
          : askAndDelete(app, item.key));
    }
  });
  show();
  list.show();
}

function idOf(item: Item): string | undefined {
  return "key" in item ? item.key.id : undefined;
}
