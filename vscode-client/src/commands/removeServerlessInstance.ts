/**
 * Removes an instance, after asking. Its token, its headers and the bindings to it go with it.
 */

import type { App } from "../app";
import { l10n } from "../l10n";
import { say, sure } from "../say";
import { isList, pickInstance } from "./pickInstance";
import { undoAction } from "./undo";

export async function removeServerlessInstance(app: App, id?: string): Promise<void> {
  const instance = isList(app)
    ? await pickInstance(app, id, l10n.t("Which instance shall be removed?"))
    : undefined;
  if (instance === undefined) {
    return;
  }
  const name = app.view.names.instance(instance.id);
  const bound = app.reading.secrets.keys
    .filter(({ binding }) => binding === instance.id)
    .map((key) => key.id);
  if (
    !(await sure(
      l10n.t("Remove the instance {0}?", name),
      consequences(app, instance.id, bound.length),
      l10n.t("Remove"),
    ))
  ) {
    return;
  }
  const { change } = await app.journal.record(() => app.configuration.removeInstance(instance.id, bound));
  await app.refresh();
  say.info(l10n.t("The instance {0} was removed.", name), ...undoAction(app, change));
}

function consequences(app: App, id: string, bound: number): string {
  const { deploymentMode, serverlessInstances } = app.reading.settings;
  const last = serverlessInstances.filter((other) => other.id !== id && other.enabled !== false).length === 0;
  return [
    bound === 0
      ? l10n.t("No key is bound to it. Its token and headers are forgotten.")
      : l10n.t("Keys bound to it: {0}. They are unbound. Its token and headers are forgotten.", bound),
    ...(last && deploymentMode === "serverless"
      ? [l10n.t("It is the last one: in serverless mode no request can be answered then.")]
      : []),
  ].join(" ");
}
