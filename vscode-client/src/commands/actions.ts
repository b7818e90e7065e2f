/**
 * What can be done with one key or one instance. Every action is a command of ours, which is handed the id.
 */

import { type QuickPickItem, commands, window } from "vscode";
import type { App } from "../app";
import { l10n } from "../l10n";
import { SECTION } from "../settings";
import { instanceItem } from "./pickInstance";
import { keyItem } from "./pickKey";

interface Action extends QuickPickItem {
  command: string;
}

/** For a key of the pool; one that is gone meanwhile has none. */
export async function keyActions(app: App, id: string): Promise<void> {
  const key = app.reading.secrets.keys.find((key) => key.id === id);
  if (key === undefined) {
    return;
  }
  const off = key.enabled === false;
  await choose(id, keyItem(app, key), [
    { label: `$(beaker) ${l10n.t("Verify")}`, command: "verifyApiKeys" },
    { label: `$(edit) ${l10n.t("Modify")}`, command: "modifyApiKey" },
    { label: `$(pulse) ${l10n.t("Test Its Way Out")}`, command: "testConnectivity" },
    { label: `$(link) ${l10n.t("Bind Key")}`, command: "bindApiKeyToInstance" },
    ...(key.binding === undefined
      ? []
      : [{ label: `$(close) ${l10n.t("Unbind")}`, command: "unbindApiKey" }]),
    {
      label: `$(circle-slash) ${off ? l10n.t("Use This Key") : l10n.t("Do Not Use This Key")}`,
      command: "setKeyEnabled",
    },
    { label: `$(trash) ${l10n.t("Delete")}`, command: "deleteApiKey" },
  ]);
}

/** For an instance of the settings; one that is gone meanwhile has none. */
export async function instanceActions(app: App, id: string): Promise<void> {
  const instance = app.reading.settings.serverlessInstances.find((instance) => instance.id === id);
  if (instance === undefined) {
    return;
  }
  const off = instance.enabled === false;
  await choose(id, instanceItem(app, instance), [
    { label: `$(pulse) ${l10n.t("Test")}`, command: "testConnectivity" },
    { label: `$(edit) ${l10n.t("Edit")}`, command: "editServerlessInstance" },
    {
      label: `$(circle-slash) ${off ? l10n.t("Use This Instance") : l10n.t("Do Not Use This Instance")}`,
      command: "setInstanceEnabled",
    },
    { label: `$(trash) ${l10n.t("Remove")}`, command: "removeServerlessInstance" },
  ]);
}

async function choose(id: string, about: QuickPickItem, actions: Action[]): Promise<void> {
  const picked = await window.showQuickPick(actions, {
    title: about.label,
    placeHolder: [about.description, about.detail].filter(Boolean).join(" · "),
  });
  if (picked !== undefined) {
    await commands.executeCommand(`${SECTION}.${picked.command}`, id);
  }
}
