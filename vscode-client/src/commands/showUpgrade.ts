/**
 * What the upgrade from 1.x took over and changed: told once, and shown as often as somebody asks.
 */

import { Uri, commands, workspace } from "vscode";
import type { App } from "../app";
import { l10n } from "../l10n";
import { type Action, say } from "../say";
import { SECTION } from "../settings";
import { type Legacy, type SettingsFile, readLegacy } from "../upgrade/legacy";
import { type Step, stepWords, upgradeNotice, upgradeReport } from "../upgrade/words";
import { showReport } from "./reports";

/** Of a workspace with many folders, so many are looked at. */
const FOLDERS = 20;

/** The document, as things are now. */
export async function showUpgrade(app: App): Promise<void> {
  const legacy = await legacyOf(app);
  if (legacy === undefined) {
    say.info(l10n.t("Nothing of version 1 was found here."));
    return;
  }
  await showReport(
    l10n.t("From version 1 to version 2"),
    upgradeReport(legacy, app.view.names),
    "showUpgrade",
  );
}

/** What is there of 1.x. */
export async function legacyOf(app: App): Promise<Legacy | undefined> {
  return readLegacy(app.secrets, (name) => workspace.getConfiguration().inspect(name), await settingsFiles());
}

/** The one notification. */
export function tellUpgrade(app: App, legacy: Legacy, exposed: boolean): void {
  const { text, steps } = upgradeNotice(legacy, exposed);
  say.info(
    text,
    { title: l10n.t("Show Details"), run: () => showUpgrade(app) },
    ...steps.map((step) => action(app, step)),
  );
}

function action(app: App, step: Step): Action {
  const runs: Record<Step, () => unknown> = {
    keepPort: () => app.journal.record(() => app.configuration.setSetting("port", undefined)),
    fallBack: () => app.journal.record(() => app.configuration.setSetting("fallbackToLocal", undefined)),
    editInstance: () => commands.executeCommand("geminiAggregator.editServerlessInstance"),
    openSettings: () => commands.executeCommand("workbench.action.openSettings", SECTION),
    setMode: () => commands.executeCommand("geminiAggregator.setDeploymentMode"),
    addKeys: () => commands.executeCommand("geminiAggregator.addApiKey"),
    askForToken: () => app.journal.record(() => app.configuration.setSetting("accessToken", "on")),
    reviewBindings: () => commands.executeCommand("geminiAggregator.openConfigPanel"),
  };
  return { title: stepWords(step), run: runs[step] };
}

/** The editor passes over what a workspace says of our settings, so it is read where it stands. */
async function settingsFiles(): Promise<SettingsFile[]> {
  const folders = (workspace.workspaceFolders ?? []).slice(0, FOLDERS);
  const files: { path: string; uri: Uri }[] = folders.map(({ name, uri }) => ({
    path: `${name}/.vscode/settings.json`,
    uri: Uri.joinPath(uri, ".vscode", "settings.json"),
  }));
  const { workspaceFile } = workspace;
  if (workspaceFile !== undefined && workspaceFile.scheme !== "untitled") {
    files.push({ path: workspaceFile.path.split("/").at(-1) ?? "", uri: workspaceFile });
  }
  const texts = await Promise.all(files.map(({ uri }) => readText(uri)));
  return files.map(({ path }, index) => ({ path, text: texts[index] ?? "" }));
}

async function readText(uri: Uri): Promise<string> {
  try {
    return new TextDecoder().decode(await workspace.fs.readFile(uri));
  } catch {
    // Most folders have none.
    return "";
  }
}
