/**
 * Start, stop, restart, the log, and the command that 1.x called "Run Server".
 */

import { window, ProgressLocation } from "vscode";
import type { App } from "../app";
import { l10n } from "../l10n";
import { say } from "../say";
import { endpoint, servedPort } from "../view";
import { copyEndpoint } from "./endpoint";

export async function startServer(app: App): Promise<void> {
  if (app.view.phase.kind === "running") {
    say.info(l10n.t("The server runs already."));
    return;
  }
  await withProgress(l10n.t("Starting the server"), () => app.sidecar.start());
}

export async function stopServer(app: App): Promise<void> {
  await withProgress(l10n.t("Stopping the server"), () => app.sidecar.stop());
}

export async function restartServer(app: App): Promise<void> {
  await withProgress(l10n.t("Restarting the server"), () => app.sidecar.restart());
}

/** Starts the sidecar, or says where it is. */
export async function runserver(app: App): Promise<void> {
  const port = servedPort(app.view);
  if (port === undefined) {
    await startServer(app);
    return;
  }
  say.info(l10n.t("Requests are answered at {0}.", endpoint(port)), {
    title: l10n.t("Copy"),
    run: () => copyEndpoint(app, "address"),
  });
}

export function showLogs(app: App): void {
  app.log.show();
}

function withProgress(title: string, work: () => Promise<void>): Thenable<void> {
  return window.withProgress({ location: ProgressLocation.Window, title }, work);
}
