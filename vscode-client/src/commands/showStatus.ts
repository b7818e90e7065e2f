/**
 * The state of the pool on top, and below it what fits it.
 */

import { type QuickPickItem, QuickPickItemKind, commands, window } from "vscode";
import type { App } from "../app";
import { type Face, describe, headline } from "../describe";
import { l10n } from "../l10n";
import { plain } from "../names";
import { clock } from "../statusBar";
import { type View, servedPort } from "../view";

interface Item extends QuickPickItem {
  /** Name of a command; a row without one only tells something. */
  command?: string;
}

export function showStatus(app: App): void {
  const list = window.createQuickPick<Item>();
  const show = (): void => {
    const face = describe(app.view, Date.now(), clock);
    const place = list.items.findIndex((item) => item === list.activeItems[0]);
    list.title = headline(face);
    list.items = [...stateItems(face), ...actionItems(app.view)];
    const again = list.items[place] ?? list.items.find(({ command }) => command !== undefined);
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
    const command = list.selectedItems[0]?.command;
    if (command !== undefined) {
      list.hide();
      void commands.executeCommand(`geminiAggregator.${command}`);
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
    ...(noKeys ? ["addApiKey"] : []),
    ...(servedPort(view) === undefined ? ["showLogs"] : ["copyEndpoint"]),
    ...(noKeys ? [] : ["addApiKey", "listApiKeys", "verifyApiKeys"]),
    "setDeploymentMode",
    "copyAccessToken",
    ...(servedPort(view) === undefined ? [] : ["showLogs"]),
    "restartServer",
    "stopServer",
  ];
}

function stateItems({ tooltip }: Face): Item[] {
  return tooltip.map((line) =>
    line.kind === "heading"
      ? { label: plain(line.text), kind: QuickPickItemKind.Separator }
      : { label: plain(line.text) },
  );
}

function actionItems(view: View): Item[] {
  return [
    { label: l10n.t("Actions"), kind: QuickPickItemKind.Separator },
    ...actionsFor(view).map((command) => ({ label: actionWords(command), command })),
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
    setDeploymentMode: `$(settings) ${l10n.t("Deployment Mode")}`,
    copyEndpoint: `$(copy) ${l10n.t("Copy Endpoint")}`,
    copyAccessToken: `$(lock) ${l10n.t("Copy Access Token")}`,
  };
  return words[command] ?? command;
}
