/**
 * What is entered of an instance, and its test before it is kept.
 */

import type { Instance } from "../../../protocol/protocol";
import type { App } from "../app";
import { isGood } from "../checks";
import {
  adviseHeaderName,
  adviseHeaderValue,
  adviseName,
  adviseRegion,
  adviseToken,
  adviseUrl,
} from "../instanceInput";
import { l10n } from "../l10n";
import { type Names, plain } from "../names";
import type { InstanceSecrets } from "../secrets";
import { copy } from "./endpoint";
import { diagnose, reportOf, showChecks } from "./diagnose";
import { say } from "../say";
import type { Step } from "./steps";

/** An extra header as it is being entered. */
export interface HeaderDraft {
  headerName: string;
  headerValue: string;
}

/** An instance as it is being entered. */
export interface Draft extends HeaderDraft {
  name: string;
  url: string;
  token: string;
  region: string;
}

/** What to do after the test. */
export type AfterTest = "save" | "change" | "leave";

/** The boxes of an extra header. */
export function headerSteps<T extends HeaderDraft>(): Step<T>[] {
  return [
    {
      prompt: () => l10n.t("The name of an extra header that it wants. Empty for none, which is usual."),
      read: ({ headerName }) => headerName,
      write: (draft, text) => (draft.headerName = text),
      advise: adviseHeaderName,
    },
    {
      prompt: ({ headerName }) => l10n.t("The value of the header {0}", headerName),
      password: true,
      read: ({ headerValue }) => headerValue,
      write: (draft, text) => (draft.headerValue = text),
      advise: adviseHeaderValue,
      needless: ({ headerName }) => headerName === "",
    },
  ];
}

/** The boxes of a new instance. */
export function draftSteps(app: App): Step<Draft>[] {
  const others = app.reading.settings.serverlessInstances;
  return [
    {
      prompt: () => l10n.t("A name for this instance"),
      placeholder: l10n.t("Deno US"),
      read: ({ name }) => name,
      write: (draft, text) => (draft.name = text),
      advise: (text) =>
        adviseName(
          text,
          others.map(({ name, id }) => name ?? id),
        ),
    },
    {
      prompt: () =>
        l10n.t("Its URL. Your keys pass through this host in clear: enter none but a relay of your own."),
      placeholder: EXAMPLE,
      read: ({ url }) => url,
      write: (draft, text) => (draft.url = text),
      advise: (text) =>
        adviseUrl(
          text,
          others.map(({ url }) => url),
        ),
    },
    {
      prompt: () =>
        l10n.t("Its token, RELAY_TOKEN where the relay runs: at least 24 characters. Empty for none."),
      password: true,
      read: ({ token }) => token,
      write: (draft, text) => (draft.token = text),
      advise: adviseToken,
    },
    ...headerSteps<Draft>(),
    {
      prompt: () => l10n.t("Its region, for you only. Empty for none."),
      read: ({ region }) => region,
      write: (draft, text) => (draft.region = text),
      advise: adviseRegion,
    },
  ];
}

/** The part of a draft that is secret. */
export function draftSecrets({ token, headerName, headerValue }: Draft): InstanceSecrets {
  return {
    ...(token === "" ? {} : { token }),
    ...(headerName === "" ? {} : { headers: { [headerName]: headerValue } }),
  };
}

/** Tests an instance that is not kept yet; if something is wrong with it, a person decides. */
export async function testCandidate(app: App, instance: Instance): Promise<AfterTest> {
  const name = plain(instance.name ?? instance.id);
  const names: Names = {
    ...app.view.names,
    instance: (id) => (id === instance.id ? name : app.view.names.instance(id)),
  };
  for (;;) {
    const result = await diagnose(app, { candidate: { instance } }, l10n.t("Testing {0}", name));
    if (result.kind === "found" && isGood(result.diagnosis)) {
      return "save";
    }
    const diagnosis = result.kind === "found" ? result.diagnosis : { checks: [] };
    const choice = await showChecks(notGood(name, result), diagnosis, names, [
      { id: "change", label: `$(arrow-left) ${l10n.t("Change What Was Entered")}` },
      { id: "again", label: `$(refresh) ${l10n.t("Test Again")}` },
      {
        id: "save",
        label: `$(save) ${l10n.t("Save Anyway")}`,
        detail: l10n.t("It is used as soon as it works."),
      },
      ...(result.kind === "found"
        ? [{ id: "copy" as const, label: `$(copy) ${l10n.t("Copy Report")}` }]
        : []),
    ]);
    if (choice === "copy") {
      await copy(reportOf(app, diagnosis, names), l10n.t("The report was copied."));
    } else if (choice !== "again") {
      return choice ?? "leave";
    }
  }
}

/** The instance was kept; in `local` mode it has no effect yet. */
export function sayKept(app: App, text: string, setMode: () => unknown): void {
  if (app.reading.settings.deploymentMode === "local") {
    say.info(`${text} ${l10n.t("In local mode no instance is used.")}`, {
      title: l10n.t("Deployment Mode"),
      run: setMode,
    });
  } else {
    say.info(text);
  }
}

const EXAMPLE = "https://relay.example.org";

function notGood(name: string, result: Awaited<ReturnType<typeof diagnose>>): string {
  switch (result.kind) {
    case "found":
      return l10n.t("{0}: the test found something", name);
    case "cancelled":
      return l10n.t("{0}: the test was cancelled", name);
    case "impossible":
      return l10n.t("{0} could not be tested: {1}", name, result.reason);
  }
}
