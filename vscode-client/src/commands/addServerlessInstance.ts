/**
 * Adds an instance, step by step. It is tested before it is kept.
 */

import type { App } from "../app";
import { slugOf } from "../slug";
import { l10n } from "../l10n";
import { say } from "../say";
import { type Draft, draftSecrets, draftSteps, sayKept, testCandidate } from "./instanceDraft";
import { isList } from "./pickInstance";
import { setDeploymentMode } from "./setDeploymentMode";
import { walk } from "./steps";
import { undoAction } from "./undo";

export async function addServerlessInstance(app: App): Promise<void> {
  if (!isList(app)) {
    return;
  }
  const draft: Draft = { name: "", url: "", token: "", headerName: "", headerValue: "", region: "" };
  const steps = draftSteps(app);
  for (
    let from = 0;
    await walk(l10n.t("Add Serverless Instance"), draft, steps, from);
    from = steps.length - 1
  ) {
    const id = slugOf(draft.name, taken(app));
    const secrets = draftSecrets(draft);
    const next = await testCandidate(app, {
      id,
      name: draft.name,
      url: draft.url,
      ...secrets,
      region: draft.region || null,
      enabled: true,
    });
    if (next === "leave") {
      return;
    }
    if (next === "save") {
      const entry = {
        id,
        name: draft.name,
        url: draft.url,
        ...(draft.region === "" ? {} : { region: draft.region }),
      };
      const { change } = await app.journal.record(() => app.configuration.addInstance(entry, secrets));
      await app.refresh();
      const text = l10n.t("The instance {0} was added.", draft.name);
      if (app.reading.settings.deploymentMode === "local") {
        sayKept(app, text, () => setDeploymentMode(app));
      } else {
        say.info(text, ...undoAction(app, change));
      }
      return;
    }
  }
}

/** Ids that mean something already: of instances, and of those that are gone but bound to, or whose token is still there. */
function taken(app: App): string[] {
  const { settings, secrets } = app.reading;
  return [
    ...settings.serverlessInstances.map(({ id }) => id),
    ...secrets.keys.flatMap(({ binding }) => binding ?? []),
    ...secrets.instances.keys(),
  ];
}
