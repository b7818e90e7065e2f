/**
 * Which handler a command has. One place, which a test compares with package.json.
 */

import { type Disposable, commands } from "vscode";
import type { App } from "./app";
import { addApiKey } from "./commands/addApiKey";
import { deleteApiKey } from "./commands/deleteApiKey";
import { copyAccessToken, copyEndpoint, regenerateAccessToken } from "./commands/endpoint";
import { listApiKeys } from "./commands/listApiKeys";
import { modifyApiKey, setKeyEnabled } from "./commands/modifyApiKey";
import { restartServer, runserver, showLogs, startServer, stopServer } from "./commands/server";
import { setDeploymentMode } from "./commands/setDeploymentMode";
import { showStatus } from "./commands/showStatus";
import { verifyApiKeys } from "./commands/verifyApiKeys";
import { say } from "./say";
import { l10n } from "./l10n";
import { Unreadable } from "./secrets";

/** What a command does; views hand it the id of what it is about. */
export type Handler = (app: App, id?: string) => unknown;

export const COMMANDS: Record<string, Handler> = {
  addApiKey,
  listApiKeys,
  modifyApiKey,
  deleteApiKey,
  setKeyEnabled,
  verifyApiKeys,
  setDeploymentMode,
  showStatus,
  startServer,
  stopServer,
  restartServer,
  runserver,
  showLogs,
  copyEndpoint,
  copyAccessToken,
  regenerateAccessToken,
};

/** Registers them all; what one throws is said and logged. */
export function registerCommands(app: App): Disposable[] {
  return Object.entries(COMMANDS).map(([name, handler]) =>
    commands.registerCommand(`geminiAggregator.${name}`, async (argument: unknown) => {
      try {
        await handler(app, typeof argument === "string" ? argument : undefined);
      } catch (error) {
        const text = error instanceof Error ? error.message : "";
        app.log.error(`the command ${name} failed`, text);
        say.error(
          error instanceof Unreadable
            ? l10n.t("The stored secret {0} cannot be read. It is left as it is.", error.secret)
            : l10n.t("This did not work: {0}", text),
          {
            title: l10n.t("Show Log"),
            run: () => {
              app.log.show();
            },
          },
        );
      }
    }),
  );
}
