/**
 * Runs a diagnosis with progress and shows what it found as rows, for commands that then let a person choose.
 */

import { type QuickPickItem, QuickPickItemKind, env, window } from "vscode";
import type { DiagnoseParams, Diagnosis } from "../../../protocol/protocol";
import type { App } from "../app";
import { byWay, checkWords, wayWords } from "../checks";
import { l10n } from "../l10n";
import { type Names, plain } from "../names";
import { diagnosisReport, withoutSecrets } from "../report";
import { say } from "../say";
import { isFields } from "../secrets";
import { cancellable } from "./cancellable";
import { startServer } from "./server";

/** How the sidecar answers for a subject that it does not know. */
const UNKNOWN_SUBJECT = -32001;

/** `cancelled` by the person; `impossible` with the reason. */
export type Result =
  { kind: "found"; diagnosis: Diagnosis } | { kind: "cancelled" } | { kind: "impossible"; reason: string };

/** Something that can be done with what was found. */
export interface Option<Name extends string> {
  id: Name;
  label: string;
  detail?: string;
}

/** Looks at ways out, with progress; can be cancelled. */
export async function diagnose(app: App, params: DiagnoseParams, title: string): Promise<Result> {
  if (app.view.phase.kind !== "running") {
    return { kind: "impossible", reason: l10n.t("Ways are tested by the server, and it does not run.") };
  }
  const result = await cancellable(title, (token) =>
    app.sidecar.diagnose(params, token).then(
      (diagnosis): Result => ({ kind: "found", diagnosis }),
      (error: unknown): Result => ({ kind: "impossible", reason: impossibleWords(error) }),
    ),
  );
  if (result?.kind === "found") {
    void retestGood(app, result.diagnosis);
  }
  return result ?? { kind: "cancelled" };
}

function impossibleWords(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return isFields(cause) && cause.code === UNKNOWN_SUBJECT
    ? l10n.t("The server uses no such instance or key. Check the Configuration says why.")
    : l10n.t("The server did not answer.");
}

/**
 * A diagnosis changes the state of no key; a re-test does, in whatever window the pool is. Keys that Google accepted just now and that are
 * out all the same are re-tested, but for those whose re-test would count against the quota.
 */
async function retestGood(app: App, { checks }: Diagnosis): Promise<void> {
  const good = new Set(
    checks.flatMap(({ code, ok, detail }) => (code === "key" && ok ? (detail.key ?? []) : [])),
  );
  const out = (app.view.status?.keys ?? []).filter(
    ({ id, state }) => good.has(id) && state.kind === "quarantined" && state.reason !== "denied",
  );
  // Nobody asked for it, so nobody is told when it does not work.
  await Promise.all(out.map(({ id }) => app.sidecar.retest(id).catch(() => undefined)));
}

/** The server does not run, or does not answer. */
export function sayImpossible(app: App, reason: string): void {
  const actions =
    app.view.phase.kind === "running" ? [] : [{ title: l10n.t("Start"), run: () => startServer(app) }];
  say.warning(reason, ...actions);
}

/** Shows the checks and lets a person choose; `undefined` if the list was closed. */
export async function showChecks<Name extends string>(
  title: string,
  diagnosis: Diagnosis,
  names: Names,
  options: readonly Option<Name>[],
): Promise<Name | undefined> {
  type Item = QuickPickItem & { id?: Name };
  const rows = byWay(diagnosis).flatMap(([way, checks]): Item[] => [
    { label: plain(wayWords(way, names)), kind: QuickPickItemKind.Separator },
    ...checks.map((check): Item => {
      const words = checkWords(check, names);
      return {
        label: `${check.ok ? "$(pass)" : "$(error)"} ${words.title}`,
        description: plain(words.text),
        ...(words.help === undefined ? {} : { detail: words.help }),
        alwaysShow: true,
      };
    }),
  ]);
  const actions: Item[] = [
    { label: l10n.t("Actions"), kind: QuickPickItemKind.Separator },
    ...options.map(({ id, label, detail }) => ({
      id,
      label,
      alwaysShow: true,
      ...(detail === undefined ? {} : { detail }),
    })),
  ];
  const list = window.createQuickPick<Item>();
  list.title = title;
  list.placeholder = l10n.t("Choose what to do");
  list.ignoreFocusOut = true;
  list.items = [...rows, ...actions];
  list.activeItems = actions.slice(1, 2);
  return new Promise((resolve) => {
    list.onDidAccept(() => {
      const id = list.selectedItems[0]?.id;
      // A row only tells something.
      if (id !== undefined) {
        resolve(id);
        list.hide();
      }
    });
    list.onDidHide(() => {
      resolve(undefined);
      list.dispose();
    });
    list.show();
  });
}

/** The report of a diagnosis, without anything secret. */
export function reportOf(app: App, diagnosis: Diagnosis, names: Names): string {
  const { settings, secrets } = app.reading;
  const about = l10n.t(
    "{0}, mode {1}",
    new Date().toLocaleString(env.language),
    app.view.status?.mode ?? settings.deploymentMode,
  );
  return withoutSecrets(diagnosisReport(diagnosis, names, about), secrets, settings);
}
