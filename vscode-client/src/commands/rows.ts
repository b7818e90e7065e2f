/**
 * What only rows of the views offer, and the way to the views themselves. Rows say what applies; each of these looks again, for a row may
 * be a moment old.
 */

import { commands } from "vscode";
import type { App } from "../app";
import { l10n } from "../l10n";
import { requestLines } from "../requests";
import { clock } from "../statusBar";
import { setInstanceEnabled } from "./editServerlessInstance";
import { copy } from "./endpoint";
import { setKeyEnabled } from "./modifyApiKey";

type Row = (app: App, id?: string) => unknown;

/** Handlers by the name of their command; none of them is in the palette. */
export const rows: Record<string, Row> = {
  switchKeyOff: (app, id) => (isKey(app, id, true) ? setKeyEnabled(app, id) : undefined),
  switchKeyOn: (app, id) => (isKey(app, id, false) ? setKeyEnabled(app, id) : undefined),
  switchInstanceOff: (app, id) => (isInstance(app, id, true) ? setInstanceEnabled(app, id) : undefined),
  switchInstanceOn: (app, id) => (isInstance(app, id, false) ? setInstanceEnabled(app, id) : undefined),
  copyId: (_app, id) => (id === undefined ? undefined : copy(id, l10n.t("Copied: {0}", id))),
  copyRequest,
  refreshRequests: (app) => app.refresh(),
};

/** Shows the views. */
export async function openConfigPanel(): Promise<void> {
  await commands.executeCommand("geminiAggregator.keys.focus");
}

/** What happened to it, attempt by attempt; one that is forgotten meanwhile has no row any more. */
async function copyRequest(app: App, id?: string): Promise<void> {
  const [record] = id === undefined ? [] : await app.sidecar.records({ requestId: id });
  if (record !== undefined) {
    const lines = requestLines(record, app.view.names, clock);
    await copy(lines.join("\n"), l10n.t("The request was copied."));
  }
}

function isKey(app: App, id: string | undefined, on: boolean): boolean {
  return app.reading.secrets.keys.some((key) => key.id === id && (key.enabled !== false) === on);
}

function isInstance(app: App, id: string | undefined, on: boolean): boolean {
  return app.reading.settings.serverlessInstances.some(
    (instance) => instance.id === id && (instance.enabled !== false) === on,
  );
}
