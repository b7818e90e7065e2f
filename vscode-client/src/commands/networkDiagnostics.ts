/**
 * Looks at every way out, step by step, and shows a report of it.
 */

import type { App } from "../app";
import { isGood, summary } from "../checks";
import { l10n } from "../l10n";
import { say } from "../say";
import { diagnose, reportOf, sayImpossible } from "./diagnose";
import { copy } from "./endpoint";
import { showReport } from "./reports";

export async function networkDiagnostics(app: App): Promise<void> {
  const result = await diagnose(app, {}, l10n.t("Testing every way out"));
  if (result.kind === "impossible") {
    sayImpossible(app, result.reason);
  }
  if (result.kind !== "found") {
    return;
  }
  const { names } = app.view;
  const title = l10n.t("Network Diagnostics");
  const report = reportOf(app, result.diagnosis, names);
  await showReport(title, report, "networkDiagnostics");
  const actions = [
    { title: l10n.t("Copy Report"), run: () => copy(report, l10n.t("The report was copied.")) },
    { title: l10n.t("Test Again"), run: () => networkDiagnostics(app) },
  ];
  if (isGood(result.diagnosis)) {
    say.info(summary(result.diagnosis, names), ...actions);
  } else {
    say.warning(summary(result.diagnosis, names), ...actions);
  }
}
