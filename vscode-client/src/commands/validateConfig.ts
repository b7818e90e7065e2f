/**
 * Looks over the configuration and shows what is wrong with it; choosing a finding mends it.
 */

import { type QuickInputButton, type QuickPickItem, ThemeIcon, window } from "vscode";
import type { App } from "../app";
import { NoList } from "../entries";
import { findingWords, fixWords } from "../findings";
import { l10n } from "../l10n";
import { plain } from "../names";
import { say } from "../say";
import { type Finding, type Fix, type Severity, validate } from "../validate";
import { addApiKey } from "./addApiKey";
import { addServerlessInstance } from "./addServerlessInstance";
import { bindApiKeyToInstance } from "./bindApiKey";
import { editServerlessInstance, setInstanceEnabled } from "./editServerlessInstance";
import { copy } from "./endpoint";
import { modifyApiKey, setKeyEnabled } from "./modifyApiKey";
import { networkDiagnostics } from "./networkDiagnostics";
import { removeServerlessInstance } from "./removeServerlessInstance";
import { setDeploymentMode } from "./setDeploymentMode";
import { openSetting } from "./settings";
import { testConnectivity } from "./testConnectivity";
import { undoAction } from "./undo";
import { useAnotherPort } from "./useAnotherPort";

interface Item extends QuickPickItem {
  run?: () => unknown;
}

export async function validateConfig(app: App): Promise<void> {
  await app.refresh();
  const findings = look(app);
  const { names } = app.view;
  const list = window.createQuickPick<Item>();
  const copyAll: QuickInputButton = { iconPath: new ThemeIcon("copy"), tooltip: l10n.t("Copy") };
  list.title = title(findings);
  list.placeholder = l10n.t("Choose a finding to mend it");
  list.ignoreFocusOut = true;
  list.buttons = [copyAll];
  list.items = [
    ...findings.map((finding) => item(app, finding)),
    {
      label: `$(pulse) ${l10n.t("Test Every Way Out")}`,
      alwaysShow: true,
      run: () => networkDiagnostics(app),
    },
  ];
  list.onDidTriggerButton(() => {
    void copy(
      findings.map((finding) => `${finding.severity}: ${findingWords(finding, names)}`).join("\n"),
      l10n.t("The report was copied."),
    );
  });
  list.onDidAccept(() => {
    const run = list.selectedItems[0]?.run;
    if (run !== undefined) {
      list.hide();
      void run();
    }
  });
  list.onDidHide(() => {
    list.dispose();
  });
  list.show();
}

function look(app: App): Finding[] {
  const { settings, secrets, problems } = app.reading;
  const { status, phase } = app.view;
  return validate({
    entries: entries(app),
    settings,
    secrets,
    problems,
    ...(status !== undefined && phase.kind === "running" ? { status } : {}),
  });
}

/** A setting that is no list is a finding by itself. */
function entries(app: App): unknown[] {
  try {
    return app.configuration.entries();
  } catch (error) {
    if (error instanceof NoList) {
      return [];
    }
    throw error;
  }
}

function title(findings: readonly Finding[]): string {
  const count = (severity: Severity): number =>
    findings.filter((finding) => finding.severity === severity).length;
  return findings.length === 0
    ? l10n.t("The configuration is good.")
    : l10n.t("Errors: {0}, warnings: {1}, remarks: {2}", count("error"), count("warning"), count("info"));
}

function item(app: App, finding: Finding): Item {
  const icons: Record<Severity, string> = { error: "$(error)", warning: "$(warning)", info: "$(info)" };
  const { fix } = finding;
  return {
    label: `${icons[finding.severity]} ${plain(findingWords(finding, app.view.names))}`,
    ...(fix === undefined ? {} : { detail: fixWords(fix), run: () => mend(app, fix) }),
  };
}

function mend(app: App, fix: Fix): unknown {
  switch (fix.kind) {
    case "addKey":
      return addApiKey(app);
    case "addInstance":
      return addServerlessInstance(app);
    case "editInstance":
      return editServerlessInstance(app, fix.id);
    case "removeInstance":
      return removeServerlessInstance(app, fix.id);
    case "testInstance":
      return testConnectivity(app, fix.id);
    case "enableInstance":
      return setInstanceEnabled(app, fix.id);
    case "enableKey":
      return setKeyEnabled(app, fix.id);
    case "modifyKey":
      return modifyApiKey(app, fix.id);
    case "bindKey":
      return bindApiKeyToInstance(app, fix.id);
    case "forgetSecrets":
      return forgetSecrets(app, fix.id);
    case "setMode":
      return setDeploymentMode(app);
    case "anotherPort":
      return useAnotherPort(app);
    case "openSettings":
      return openSetting(fix.name);
  }
}

async function forgetSecrets(app: App, id: string): Promise<void> {
  const { change } = await app.journal.record(() => app.keys.setInstanceSecrets(id, {}));
  await app.refresh();
  say.info(l10n.t("The token and headers of {0} were forgotten.", id), ...undoAction(app, change));
}
