/**
 * The three modes, what each means, and what it would mean now.
 */

import { type QuickPickItem, window } from "vscode";
import type { Mode } from "../../../protocol/protocol";
import type { App } from "../app";
import { l10n } from "../l10n";
import type { Settings } from "../settings";
import type { StoredKey } from "../secrets";

/** A mode, and words about it. */
export interface Choice extends QuickPickItem {
  mode: Mode;
}

export async function setDeploymentMode(app: App): Promise<void> {
  const { settings, secrets } = app.reading;
  const picked = await window.showQuickPick(modeChoices(settings, secrets.keys), {
    title: l10n.t("Deployment Mode"),
    placeHolder: l10n.t("Which ways may requests take?"),
    ignoreFocusOut: true,
  });
  // Somebody may have edited the settings while the list was open.
  if (picked !== undefined && picked.mode !== app.reading.settings.deploymentMode) {
    await app.journal.record(() => app.configuration.setSetting("deploymentMode", picked.mode));
    await app.refresh();
  }
}

/** The three of them, the present one marked. */
export function modeChoices(settings: Settings, keys: readonly StoredKey[]): Choice[] {
  const relays = settings.serverlessInstances.filter(({ enabled }) => enabled !== false).length;
  const toLocal = keys.filter(({ binding }) => binding === "local").length;
  const meanings: [Mode, string, string][] = [
    [
      "local",
      l10n.t("Directly to Google, never by an instance."),
      relays > 0
        ? l10n.t("Then: instances that are not used: {0}.", relays)
        : l10n.t("Then: requests go by your own network."),
    ],
    ["serverless", l10n.t("By instances only, never directly."), serverlessNow(relays, toLocal)],
    [
      "hybrid",
      settings.fallbackToLocal
        ? l10n.t("By instances first, then directly.")
        : l10n.t("By instances; directly only for keys bound to it, as local fallback is off."),
      relays === 0
        ? l10n.t("Then: requests go directly where that is allowed, as there is no instance.")
        : l10n.t("Then: instances in use: {0}.", relays),
    ],
  ];
  return meanings.map(([mode, meaning, now]) => ({
    mode,
    label: mode === settings.deploymentMode ? `$(check) ${mode}` : mode,
    description: meaning,
    detail: now,
  }));
}

function serverlessNow(relays: number, toLocal: number): string {
  if (relays === 0) {
    return l10n.t("Then: no request is answered, as there is no instance.");
  }
  return toLocal > 0
    ? l10n.t(
        "Then: instances in use: {0}; keys that are bound to the direct way and rest: {1}.",
        relays,
        toLocal,
      )
    : l10n.t("Then: instances in use: {0}.", relays);
}
