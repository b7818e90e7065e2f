/**
 * Which handler a command has. One place, which a test compares with package.json.
 */

import { type Disposable, commands } from "vscode";
import type { App } from "./app";
import { addApiKey } from "./commands/addApiKey";
import { addServerlessInstance } from "./commands/addServerlessInstance";
import { bindApiKeyToInstance, unbindApiKey } from "./commands/bindApiKey";
import { deleteApiKey } from "./commands/deleteApiKey";
import { editServerlessInstance, setInstanceEnabled } from "./commands/editServerlessInstance";
import { copyAccessToken, copyEndpoint, regenerateAccessToken } from "./commands/endpoint";
import { listApiKeys } from "./commands/listApiKeys";
import { listServerlessInstances } from "./commands/listServerlessInstances";
import { modifyApiKey, setKeyEnabled } from "./commands/modifyApiKey";
import { networkDiagnostics } from "./commands/networkDiagnostics";
import { removeServerlessInstance } from "./commands/removeServerlessInstance";
import { restartServer, runserver, showLogs, startServer, stopServer } from "./commands/server";
import { sendTestRequest } from "./commands/sendTestRequest";
import { setDeploymentMode } from "./commands/setDeploymentMode";
import { showRequests } from "./commands/showRequests";
import { showStatus } from "./commands/showStatus";
import { openConfigPanel, rows } from "./commands/rows";
import { showUpgrade } from "./commands/showUpgrade";
import { copyDiagnostics, reportIssue, showHelp } from "./commands/support";
import { testConnectivity } from "./commands/testConnectivity";
import { clearUndoHistory, redoConfigChange, undoConfigChange } from "./commands/undo";
import { useAnotherPort } from "./commands/useAnotherPort";
import { validateConfig } from "./commands/validateConfig";
import { verifyApiKeys } from "./commands/verifyApiKeys";
import { NoList } from "./entries";
import { l10n } from "./l10n";
import { plain } from "./names";
import { say } from "./say";
import { Unreadable, isFields } from "./secrets";
import { SECTION } from "./settings";

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
  sendTestRequest,
  copyEndpoint,
  copyAccessToken,
  regenerateAccessToken,
  addServerlessInstance,
  editServerlessInstance,
  removeServerlessInstance,
  listServerlessInstances,
  setInstanceEnabled,
  bindApiKeyToInstance,
  unbindApiKey,
  networkDiagnostics,
  testConnectivity,
  validateConfig,
  showRequests,
  copyDiagnostics,
  reportIssue,
  undoConfigChange,
  redoConfigChange,
  clearUndoHistory,
  useAnotherPort,
  showHelp,
  openConfigPanel,
  showUpgrade,
  ...rows,
};

/** What a command is about: an id, or a row of a view that stands for one. */
function subjectOf(argument: unknown): string | undefined {
  const subject = isFields(argument) ? argument.subject : argument;
  return typeof subject === "string" ? subject : undefined;
}

/** Registers them all; what one throws is said and logged. */
export function registerCommands(app: App): Disposable[] {
  return Object.entries(COMMANDS).map(([name, handler]) =>
    commands.registerCommand(`${SECTION}.${name}`, async (argument: unknown) => {
      try {
        await handler(app, subjectOf(argument));
      } catch (error) {
        const text = error instanceof Error ? plain(error.message) : "";
        app.log.error(`the command ${name} failed`, text);
        say.error(failureWords(error, text), {
          title: l10n.t("Show Log"),
          run: () => {
            app.log.show();
          },
        });
      }
    }),
  );
}

/** What we throw ourselves has words of ours; the editor's are in its language already. */
function failureWords(error: unknown, text: string): string {
  if (error instanceof Unreadable) {
    return l10n.t("The stored secret {0} cannot be read. It is left as it is.", error.secret);
  }
  return error instanceof NoList ? text : l10n.t("This did not work: {0}", text);
}
