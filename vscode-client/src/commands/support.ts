/**
 * What somebody needs who shall help: diagnostics for the clipboard, a report of an issue, and where help is.
 */

import { type QuickPickItem, commands, env, extensions, version, window } from "vscode";
import type { Record as Decision } from "../../../protocol/protocol";
import type { App } from "../app";
import { l10n } from "../l10n";
import { type Reader, supportReport } from "../report";
import { say } from "../say";
import { clock } from "../statusBar";
import { copy } from "./endpoint";

const EXTENSION = "ShaneYang.api-key-aggregetor";
/** As many as tell what is going on. */
const RECORDS = 10;

export async function copyDiagnostics(app: App): Promise<void> {
  await copy(
    await report(app, "owner"),
    l10n.t("The diagnostics were copied. They hold no key and no token."),
  );
}

/** The editor's own form, filled in; where there is none, the clipboard. */
export async function reportIssue(app: App): Promise<void> {
  const data = await report(app, "strangers");
  const issueBody = `${l10n.t("What did you do, what did you expect, and what happened?")}\n\n\n`;
  try {
    await commands.executeCommand("workbench.action.openIssueReporter", {
      extensionId: EXTENSION,
      issueBody,
      data,
    });
  } catch {
    await copy(`${issueBody}${data}`, l10n.t("The report was copied."));
    say.info(
      l10n.t(
        "This editor has no form for issues. The report is in the clipboard: paste it where you report the issue.",
      ),
    );
  }
}

export async function showHelp(app: App): Promise<void> {
  const walkthrough = walkthroughId();
  const items: (QuickPickItem & { run: () => unknown })[] = [
    ...(walkthrough === undefined
      ? []
      : [
          {
            label: `$(rocket) ${l10n.t("First Steps")}`,
            run: () =>
              commands.executeCommand("workbench.action.openWalkthrough", `${EXTENSION}#${walkthrough}`),
          },
        ]),
    {
      label: `$(book) ${l10n.t("Documentation")}`,
      run: () => commands.executeCommand("extension.open", EXTENSION),
    },
    {
      label: `$(checklist) ${l10n.t("Check the Configuration")}`,
      run: () => commands.executeCommand("geminiAggregator.validateConfig"),
    },
    {
      label: `$(pulse) ${l10n.t("Network Diagnostics")}`,
      run: () => commands.executeCommand("geminiAggregator.networkDiagnostics"),
    },
    { label: `$(copy) ${l10n.t("Copy Diagnostics")}`, run: () => copyDiagnostics(app) },
    { label: `$(bug) ${l10n.t("Report an Issue")}`, run: () => reportIssue(app) },
  ];
  const picked = await window.showQuickPick(items, {
    title: l10n.t("Help"),
    placeHolder: l10n.t("Choose what to do"),
    ignoreFocusOut: true,
  });
  await picked?.run();
}

async function report(app: App, reader: Reader): Promise<string> {
  const { settings, secrets, problems } = app.reading;
  const { phase, status } = app.view;
  const records: Decision[] =
    phase.kind === "running" ? await app.sidecar.records({ limit: RECORDS }).catch(() => []) : [];
  const surroundings = {
    extension: manifest().version ?? "-",
    editor: `${env.appName} ${version}`,
    platform: `${process.platform}-${process.arch}`,
    remote: remoteKind(env.remoteName),
    language: env.language,
  };
  const state = phase.kind === "failed" ? `${phase.kind}: ${phase.failure.kind}` : phase.kind;
  return supportReport(
    {
      surroundings,
      settings,
      secrets,
      ...(status === undefined ? {} : { status }),
      phase: state,
      problems,
      records,
    },
    reader,
    clock,
  );
}

/** Editors in a browser call a remote by its address, which is nobody's business. */
function remoteKind(name: string | undefined): string {
  return name === undefined ? "desktop" : /^[a-z-]+$/.test(name) ? name : "server";
}

function walkthroughId(): string | undefined {
  return manifest().contributes?.walkthroughs?.[0]?.id;
}

interface Manifest {
  version?: string;
  contributes?: { walkthroughs?: { id: string }[] };
}

function manifest(): Manifest {
  return (extensions.getExtension(EXTENSION)?.packageJSON ?? {}) as Manifest;
}
