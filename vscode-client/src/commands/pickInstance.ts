/**
 * Lets a person choose an instance, each with its live health.
 */

import { type QuickPickItem, window } from "vscode";
import type { App } from "../app";
import { instanceState } from "../describe";
import { NoList, entryId } from "../entries";
import { l10n } from "../l10n";
import { plain } from "../names";
import { problemWords } from "../problems";
import { say } from "../say";
import { type InstanceSetting, SECTION } from "../settings";
import { clock } from "../statusBar";
import { addServerlessInstance } from "./addServerlessInstance";
import { openSetting } from "./settings";

/** A row that stands for an instance. */
export interface InstanceItem extends QuickPickItem {
  instance: InstanceSetting;
}

/** The instance that shall be changed: the one with this id, or the one that is chosen. Without instances, offers to add one. */
export async function pickInstance(
  app: App,
  id: string | undefined,
  placeHolder: string,
): Promise<InstanceSetting | undefined> {
  const instance = await pick(app, id, placeHolder);
  return instance !== undefined && isAlone(app, instance.id) ? instance : undefined;
}

async function pick(
  app: App,
  id: string | undefined,
  placeHolder: string,
): Promise<InstanceSetting | undefined> {
  const instances = app.reading.settings.serverlessInstances;
  if (id !== undefined) {
    return instances.find((instance) => instance.id === id);
  }
  if (instances.length === 0) {
    say.info(l10n.t("There is no instance yet."), {
      title: l10n.t("Add Instance"),
      run: () => addServerlessInstance(app),
    });
    return undefined;
  }
  const picked = await window.showQuickPick(
    instances.map((instance) => instanceItem(app, instance)),
    {
      placeHolder,
      matchOnDescription: true,
      ignoreFocusOut: true,
    },
  );
  return picked?.instance;
}

/** A row with what is known of the instance. */
export function instanceItem(app: App, instance: InstanceSetting): InstanceItem {
  const bound = app.reading.secrets.keys.filter(({ binding }) => binding === instance.id).length;
  const kept = app.reading.secrets.instances.get(instance.id);
  const detail = [
    instance.url,
    ...(instance.region ? [instance.region] : []),
    kept?.token === undefined ? l10n.t("no token") : l10n.t("with a token"),
    ...(kept?.headers === undefined ? [] : [l10n.t("with headers")]),
    ...(bound === 0 ? [] : [l10n.t("bound keys: {0}", bound)]),
  ];
  return {
    instance,
    label: plain(app.view.names.instance(instance.id)),
    description: plain(healthWords(app, instance)),
    detail: plain(detail.join(" · ")),
  };
}

/** How it is, in a few words: latency and version, or the reason and the next try. */
export function healthWords(app: App, { id, enabled }: InstanceSetting): string {
  const { status, names } = app.view;
  if (enabled === false) {
    return l10n.t("switched off");
  }
  const live = status?.instances.find((other) => other.id === id);
  if (live === undefined) {
    const problem = status?.problems.find(({ subject }) => subject === id);
    return problem === undefined ? "" : problemWords(problem, names);
  }
  const version = live.health.kind === "up" ? live.health.version : null;
  const state = instanceState(live, Date.now(), clock);
  return version === null ? state : l10n.t("{0}, version {1}", state, version);
}

/** No other entry has its id; if one does, says so: whatever was done to one of them could not be undone. */
function isAlone(app: App, id: string): boolean {
  if (app.configuration.entries().filter((entry) => entryId(entry) === id).length < 2) {
    return true;
  }
  const text = l10n.t(
    "The id {0} occurs twice in {1}. Correct that first.",
    id,
    `${SECTION}.serverlessInstances`,
  );
  say.warning(text, { title: l10n.t("Open Settings"), run: () => openSetting("serverlessInstances") });
  return false;
}

/** The setting can be written to; if not, says so. */
export function isList(app: App): boolean {
  try {
    app.configuration.entries();
    return true;
  } catch (error) {
    if (!(error instanceof NoList)) {
      throw error;
    }
    say.warning(error.message, {
      title: l10n.t("Open Settings"),
      run: () => openSetting("serverlessInstances"),
    });
    return false;
  }
}
