/**
 * All instances with their live health, and what can be done with each.
 */

import { type QuickInputButton, type QuickPickItem, ThemeIcon, window } from "vscode";
import type { App } from "../app";
import { l10n } from "../l10n";
import { addServerlessInstance } from "./addServerlessInstance";
import { editServerlessInstance, setInstanceEnabled } from "./editServerlessInstance";
import { networkDiagnostics } from "./networkDiagnostics";
import { type InstanceItem, instanceItem } from "./pickInstance";
import { removeServerlessInstance } from "./removeServerlessInstance";
import { testConnectivity } from "./testConnectivity";

type Item = (InstanceItem | QuickPickItem) & { run: () => unknown };

export function listServerlessInstances(app: App): void {
  const list = window.createQuickPick<Item>();
  const test: QuickInputButton = { iconPath: new ThemeIcon("pulse"), tooltip: l10n.t("Test") };
  const edit: QuickInputButton = { iconPath: new ThemeIcon("edit"), tooltip: l10n.t("Edit") };
  const toggle: QuickInputButton = {
    iconPath: new ThemeIcon("circle-slash"),
    tooltip: l10n.t("Switch Off or On"),
  };
  const remove: QuickInputButton = { iconPath: new ThemeIcon("trash"), tooltip: l10n.t("Remove") };
  const runs = new Map([
    [test, testConnectivity],
    [edit, editServerlessInstance],
    [toggle, setInstanceEnabled],
    [remove, removeServerlessInstance],
  ]);
  const show = (): void => {
    const instances = app.reading.settings.serverlessInstances;
    const active = list.activeItems[0];
    list.title = l10n.t(
      "Instances: {0}, active: {1}",
      instances.length,
      app.view.status?.activeInstances ?? 0,
    );
    list.items = [
      ...instances.map((instance): Item => ({
        ...marked(app, instanceItem(app, instance)),
        buttons: [...runs.keys()],
        run: () => editServerlessInstance(app, instance.id),
      })),
      { label: `$(add) ${l10n.t("Add Instance")}`, alwaysShow: true, run: () => addServerlessInstance(app) },
      {
        label: `$(pulse) ${l10n.t("Network Diagnostics")}`,
        alwaysShow: true,
        run: () => networkDiagnostics(app),
      },
    ];
    const again = list.items.find((item) => idOf(item) === idOf(active)) ?? list.items[0];
    list.activeItems = again === undefined ? [] : [again];
  };
  const listener = app.onDidChange(show);
  list.placeholder = l10n.t("Choose an instance to change it");
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
    if ("instance" in item) {
      void runs.get(button)?.(app, item.instance.id);
    }
  });
  show();
  list.show();
}

/** What stands for the same thing after a change: an instance, or an action by its words. */
function idOf(item: Item | undefined): string | undefined {
  return item !== undefined && "instance" in item ? item.instance.id : item?.label;
}

function marked(app: App, item: InstanceItem): InstanceItem {
  const health = app.view.status?.instances.find(({ id }) => id === item.instance.id)?.health.kind;
  const icon =
    item.instance.enabled === false
      ? "circle-slash"
      : health === "up"
        ? "pass"
        : health === "down"
          ? "error"
          : "question";
  return { ...item, label: `$(${icon}) ${item.label}` };
}
