/**
 * Tests one way out, or one key by its way.
 */

import { type QuickPickItem, QuickPickItemKind, window } from "vscode";
import type { App } from "../app";
import { isGood } from "../checks";
import { l10n } from "../l10n";
import { nameOf, plain } from "../names";
import { diagnose, reportOf, sayImpossible, showChecks } from "./diagnose";
import { copy } from "./endpoint";
import { healthWords } from "./pickInstance";

export async function testConnectivity(app: App, id?: string): Promise<void> {
  const subject = id ?? (await pickSubject(app));
  if (subject === undefined) {
    return;
  }
  const { names } = app.view;
  const name = subject === "local" ? l10n.t("the direct way") : names.key(names.instance(subject));
  const result = await diagnose(app, { subject }, l10n.t("Testing {0}", name));
  if (result.kind === "impossible") {
    sayImpossible(app, result.reason);
  }
  if (result.kind !== "found") {
    return;
  }
  const good = isGood(result.diagnosis);
  const choice = await showChecks(
    good ? l10n.t("{0}: everything is good", name) : l10n.t("{0}: the test found something", name),
    result.diagnosis,
    names,
    [
      { id: "again", label: `$(refresh) ${l10n.t("Test Again")}` },
      { id: "copy", label: `$(copy) ${l10n.t("Copy Report")}` },
    ],
  );
  if (choice === "again") {
    await testConnectivity(app, subject);
  } else if (choice === "copy") {
    await copy(reportOf(app, result.diagnosis, names), l10n.t("The report was copied."));
  }
}

async function pickSubject(app: App): Promise<string | undefined> {
  const { settings, secrets } = app.reading;
  const items: (QuickPickItem & { subject?: string })[] = [
    { label: l10n.t("Ways"), kind: QuickPickItemKind.Separator },
    { label: l10n.t("Direct way"), subject: "local" },
    ...settings.serverlessInstances.map((instance) => ({
      label: plain(app.view.names.instance(instance.id)),
      description: plain(healthWords(app, instance)),
      subject: instance.id,
    })),
    { label: l10n.t("Keys, each by its way"), kind: QuickPickItemKind.Separator },
    ...secrets.keys.map((key) => ({ label: plain(nameOf(key)), subject: key.id })),
  ];
  const picked = await window.showQuickPick(items, {
    placeHolder: l10n.t("What shall be tested?"),
    matchOnDescription: true,
    ignoreFocusOut: true,
  });
  return picked?.subject;
}
