/**
 * All instances with their live health, and what can be done with each.
 */

import { ThemeIcon } from "vscode";
import type { App } from "../app";
import { l10n } from "../l10n";
import { addServerlessInstance } from "./addServerlessInstance";
import { editServerlessInstance, setInstanceEnabled } from "./editServerlessInstance";
import { type Buttons, liveList } from "./liveList";
import { networkDiagnostics } from "./networkDiagnostics";
import { type InstanceItem, instanceItem } from "./pickInstance";
import { removeServerlessInstance } from "./removeServerlessInstance";
import { testConnectivity } from "./testConnectivity";

export function listServerlessInstances(app: App): void {
  const buttons: Buttons = new Map([
    [{ iconPath: new ThemeIcon("pulse"), tooltip: l10n.t("Test") }, testConnectivity],
    [{ iconPath: new ThemeIcon("edit"), tooltip: l10n.t("Edit") }, editServerlessInstance],
    [{ iconPath: new ThemeIcon("circle-slash"), tooltip: l10n.t("Switch Off or On") }, setInstanceEnabled],
    [{ iconPath: new ThemeIcon("trash"), tooltip: l10n.t("Remove") }, removeServerlessInstance],
  ]);
  liveList(app, l10n.t("Choose an instance to change it"), buttons, () => {
    const instances = app.reading.settings.serverlessInstances;
    const active = app.view.status?.activeInstances ?? 0;
    return {
      title: l10n.t("Instances: {0}, active: {1}", instances.length, active),
      rows: [
        ...instances.map((instance) => ({
          ...marked(app, instanceItem(app, instance)),
          id: instance.id,
          run: () => editServerlessInstance(app, instance.id),
        })),
        {
          label: `$(add) ${l10n.t("Add Instance")}`,
          alwaysShow: true,
          run: () => addServerlessInstance(app),
        },
        {
          label: `$(pulse) ${l10n.t("Network Diagnostics")}`,
          alwaysShow: true,
          run: () => networkDiagnostics(app),
        },
      ],
    };
  });
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
