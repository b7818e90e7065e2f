/**
 * The state of the pool on top, each row with what can be done about it, and below it the commands that fit.
 */

import { type QuickPickItem, QuickPickItemKind, commands, window } from "vscode";
import type { App } from "../app";
import { type Deed, type Face, describe, headline } from "../describe";
import { l10n } from "../l10n";
import { plain } from "../names";
import { SECTION } from "../settings";
import { clock } from "../statusBar";
import { type View, servedPort } from "../view";
import { instanceActions, keyActions } from "./actions";

interface Item extends QuickPickItem {
  does?: Deed;
  /** Below the state. */
  isAction?: boolean;
}

export function showStatus(app: App): void {
  const list = window.createQuickPick<Item>();
  const show = (): void => {
    const face = describe(app.view, Date.now(), clock);
    const place = list.items.findIndex((item) => item === list.activeItems[0]);
    list.title = headline(face);
    list.items = [...stateItems(face), ...actionItems(app.view)];
    const again = list.items[place] ?? list.items.find((item) => item.isAction);
    list.activeItems = again ? [again] : [];
  };
  const listener = app.onDidChange(show);
  list.placeholder = l10n.t("Choose what to do");
  list.keepScrollPosition = true;
  list.onDidHide(() => {
    listener.dispose();
    list.dispose();
  });
  list.onDidAccept(() => {
    const does = list.selectedItems[0]?.does;
    if (does !== undefined) {
      list.hide();
      void act(app, does);
    }
  });
  show();
  list.show();
}

/** The commands that fit the state, the most helpful first. */
export function actionsFor(view: View): string[] {
  if (view.phase.kind !== "running") {
    return ["startServer", "showLogs", "addApiKey", "listApiKeys"];
  }
  const noKeys = view.status?.keys.length === 0;
  return [
    ...(view.status?.role.kind === "blocked" ? ["useAnotherPort"] : []),
    ...(noKeys ? ["addApiKey"] : []),
    ...(servedPort(view) === undefined ? ["showLogs"] : ["copyEndpoint"]),
    ...(noKeys ? [] : ["addApiKey", "listApiKeys", "verifyApiKeys"]),
    ...(noKeys || servedPort(view) === undefined ? [] : ["sendTestRequest"]),
    "setDeploymentMode",
    "listServerlessInstances",
    "showRequests",
    "networkDiagnostics",
    "validateConfig",
    "copyAccessToken",
    ...(servedPort(view) === undefined ? [] : ["showLogs"]),
    "restartServer",
    "stopServer",
  ];
}

/** Every row does something; what only tells something stands below the row it belongs to. */
function stateItems({ tooltip }: Face): Item[] {
  const items: Item[] = [];
  for (const { text, kind, does } of tooltip) {
    const above = items.at(-1);
    if (kind === "heading") {
      items.push({ label: plain(text), kind: QuickPickItemKind.Separator });
    } else if (does === undefined && above !== undefined) {
      above.detail = [...(above.detail === undefined ? [] : [above.detail]), plain(text)].join(" · ");
    } else {
      items.push({
        label: `${does === undefined ? "" : `${iconOf(does)} `}${plain(text)}`,
        ...(does && { does }),
      });
    }
  }
  return items;
}

function iconOf(deed: Deed): string {
  if ("key" in deed) {
    return "$(key)";
  }
  if ("instance" in deed) {
    return "$(server-environment)";
  }
  const icons: Record<string, string> = {
    copyEndpoint: "$(copy)",
    startServer: "$(play)",
    showLogs: "$(output)",
    useAnotherPort: "$(plug)",
    validateConfig: "$(warning)",
    addServerlessInstance: "$(add)",
    addApiKey: "$(add)",
    listApiKeys: "$(watch)",
  };
  return icons[deed.command] ?? "$(info)";
}

function act(app: App, deed: Deed): unknown {
  return "key" in deed
    ? keyActions(app, deed.key)
    : "instance" in deed
      ? instanceActions(app, deed.instance)
      : commands.executeCommand(`${SECTION}.${deed.command}`, deed.about);
}

function actionItems(view: View): Item[] {
  return [
    { label: l10n.t("Actions"), kind: QuickPickItemKind.Separator },
    ...actionsFor(view).map((command) => ({
      label: actionWords(command),
      does: { command },
      isAction: true,
    })),
  ];
}

function actionWords(command: string): string {
  const words: Record<string, string> = {
    startServer: `$(play) ${l10n.t("Start")}`,
    stopServer: `$(debug-stop) ${l10n.t("Stop")}`,
    restartServer: `$(debug-restart) ${l10n.t("Restart")}`,
    showLogs: `$(output) ${l10n.t("Show Log")}`,
    addApiKey: `$(add) ${l10n.t("Add API Keys")}`,
    listApiKeys: `$(key) ${l10n.t("API Keys")}`,
    verifyApiKeys: `$(beaker) ${l10n.t("Verify Keys")}`,
    sendTestRequest: `$(zap) ${l10n.t("Send Test Request")}`,
    setDeploymentMode: `$(settings) ${l10n.t("Deployment Mode")}`,
    useAnotherPort: `$(plug) ${l10n.t("Use Another Port")}`,
    listServerlessInstances: `$(server-environment) ${l10n.t("Instances")}`,
    showRequests: `$(list-unordered) ${l10n.t("Last Requests")}`,
    networkDiagnostics: `$(pulse) ${l10n.t("Network Diagnostics")}`,
    validateConfig: `$(checklist) ${l10n.t("Check the Configuration")}`,
    copyEndpoint: `$(copy) ${l10n.t("Copy Endpoint")}`,
    copyAccessToken: `$(lock) ${l10n.t("Copy Access Token")}`,
  };
  return words[command] ?? command;
}
