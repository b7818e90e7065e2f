/**
 * Binds a key to an instance or to the direct way, or takes a binding away; says what each means in the mode in force.
 */

import { type QuickPickItem, window } from "vscode";
import type { App } from "../app";
import { type Way, wayMeans } from "../bindings";
import { l10n } from "../l10n";
import { nameOf, plain } from "../names";
import { say, sure } from "../say";
import type { StoredKey } from "../secrets";
import { addServerlessInstance } from "./addServerlessInstance";
import { keyItem, pickKey } from "./pickKey";
import { healthWords } from "./pickInstance";
import { undoAction } from "./undo";

interface WayItem extends QuickPickItem {
  /** `undefined`: add an instance first. */
  way?: Way;
}

export async function bindApiKeyToInstance(app: App, id?: string): Promise<void> {
  const key = await pickKey(app, id, l10n.t("Which key shall be bound?"));
  if (key === undefined) {
    return;
  }
  const { deploymentMode } = app.reading.settings;
  const picked = await window.showQuickPick(wayItems(app, key), {
    title: plain(l10n.t("Bind {0}", nameOf(key))),
    placeHolder: l10n.t("Which way shall its requests take? The mode is {0}.", deploymentMode),
    matchOnDescription: true,
    ignoreFocusOut: true,
  });
  if (picked === undefined) {
    return;
  }
  await (picked.way === undefined ? addServerlessInstance(app) : bind(app, key, picked.way));
}

export async function unbindApiKey(app: App, id?: string): Promise<void> {
  const bound = app.reading.secrets.keys.filter(({ binding }) => binding !== undefined);
  if (bound.length === 0) {
    say.info(l10n.t("No key is bound."), { title: l10n.t("Bind Key"), run: () => bindApiKeyToInstance(app) });
    return;
  }
  const key = id === undefined ? await pickBound(app, bound) : bound.find((other) => other.id === id);
  const detail =
    key &&
    wayMeans({ kind: "none" }, app.reading.settings.deploymentMode, app.reading.settings.fallbackToLocal);
  if (
    key !== undefined &&
    (await sure(
      l10n.t("Unbind the key {0} from {1}?", nameOf(key), wayName(app, key.binding)),
      detail ?? "",
      l10n.t("Unbind"),
    ))
  ) {
    await bind(app, key, { kind: "none" });
  }
}

async function pickBound(app: App, bound: readonly StoredKey[]): Promise<StoredKey | undefined> {
  const items = bound.map((key) => keyItem(app, key));
  return (
    await window.showQuickPick(items, {
      placeHolder: l10n.t("Which key shall be unbound?"),
      ignoreFocusOut: true,
    })
  )?.key;
}

async function bind(app: App, key: StoredKey, way: Way): Promise<void> {
  const target = way.kind === "none" ? undefined : way.kind === "local" ? "local" : way.id;
  if (target === key.binding) {
    say.info(l10n.t("Nothing changed."));
    return;
  }
  const { deploymentMode, fallbackToLocal, serverlessInstances } = app.reading.settings;
  if (way.kind === "instance" && !serverlessInstances.some(({ id }) => id === way.id)) {
    say.warning(l10n.t("The instance {0} is not there any more.", way.id));
    return;
  }
  const { result: refusal, change } = await app.journal.record(() => app.keys.bind(key.id, target));
  await app.refresh();
  if (refusal !== undefined) {
    say.warning(l10n.t("The key {0} is not there any more.", nameOf(key)));
    return;
  }
  const text =
    target === undefined
      ? l10n.t("The key {0} is not bound any more.", nameOf(key))
      : l10n.t("The key {0} is bound to {1}.", nameOf(key), wayName(app, target));
  say.info(`${text} ${wayMeans(way, deploymentMode, fallbackToLocal)}`, ...undoAction(app, change));
}

function wayItems(app: App, { binding }: StoredKey): WayItem[] {
  const { deploymentMode, fallbackToLocal, serverlessInstances } = app.reading.settings;
  const item = (way: Way, label: string, description: string, chosen: boolean): WayItem => ({
    way,
    label: chosen ? `$(check) ${plain(label)}` : plain(label),
    description: plain(description),
    detail: wayMeans(way, deploymentMode, fallbackToLocal),
  });
  return [
    ...serverlessInstances.map((instance) =>
      item(
        { kind: "instance", id: instance.id, off: instance.enabled === false },
        app.view.names.instance(instance.id),
        healthWords(app, instance),
        binding === instance.id,
      ),
    ),
    item({ kind: "local" }, l10n.t("Direct way"), "local", binding === "local"),
    item({ kind: "none" }, l10n.t("Not bound"), "", binding === undefined),
    ...(serverlessInstances.length === 0 ? [{ label: `$(add) ${l10n.t("Add Instance")}` }] : []),
  ];
}

function wayName(app: App, target: string | undefined): string {
  return target === "local" || target === undefined
    ? l10n.t("the direct way")
    : app.view.names.instance(target);
}
