/**
 * Lets a person choose a key of the pool.
 */

import { type QuickPickItem, window } from "vscode";
import type { App } from "../app";
import { keyState, requestsToday, tokensToday } from "../describe";
import { l10n } from "../l10n";
import { bindingName, nameOf, plain } from "../names";
import { say } from "../say";
import type { StoredKey } from "../secrets";
import { clock } from "../statusBar";
import { projectOf } from "../view";
import { addApiKey } from "./addApiKey";

/** A row that stands for a key. */
export interface KeyItem extends QuickPickItem {
  key: StoredKey;
}

/** The key with this id, or the one that is chosen. Without keys, offers to add one. */
export async function pickKey(
  app: App,
  id: string | undefined,
  placeHolder: string,
): Promise<StoredKey | undefined> {
  const { keys } = app.reading.secrets;
  if (id !== undefined) {
    return keys.find((key) => key.id === id);
  }
  if (keys.length === 0) {
    sayNoKeys(app);
    return undefined;
  }
  const picked = await window.showQuickPick(
    keys.map((key) => keyItem(app, key)),
    {
      placeHolder,
      matchOnDescription: true,
      ignoreFocusOut: true,
    },
  );
  return picked?.key;
}

/** There are no keys, and what helps. */
export function sayNoKeys(app: App): void {
  say.info(l10n.t("There is no key yet."), { title: l10n.t("Add Key"), run: () => addApiKey(app) });
}

/** A row with what is known of the key. */
export function keyItem(app: App, key: StoredKey): KeyItem {
  const { names, status } = app.view;
  const live = status?.keys.find(({ id }) => id === key.id);
  const project = projectOf(key, live);
  const detail = [
    ...(live ? [requestsToday(live.usedToday), tokensToday(live.tokensToday)] : []),
    ...(project ? [l10n.t("project {0}", project)] : []),
    ...(key.binding ? [l10n.t("bound to {0}", bindingName(key.binding, names))] : []),
  ];
  return {
    key,
    label: plain(nameOf(key)),
    description: plain(live ? keyState(live, clock) : key.enabled === false ? l10n.t("switched off") : ""),
    detail: plain(detail.join(" · ")),
  };
}
