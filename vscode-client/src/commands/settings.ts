/**
 * Opens the editor's page of settings.
 */

import { commands } from "vscode";
import { SECTION } from "../settings";

/** The page with this setting of ours. */
export function openSetting(name: string): Thenable<unknown> {
  return commands.executeCommand(
    "workbench.action.openSettings",
    `@id:${SECTION}.${name.replace(/\[.*$/, "")}`,
  );
}
