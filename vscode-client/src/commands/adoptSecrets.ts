/**
 * Moves tokens and headers that somebody wrote into the settings to where they belong, and tells the person once.
 */

import type { Disposable } from "vscode";
import type { App } from "../app";
import { NoList, takeSecrets } from "../entries";
import { l10n } from "../l10n";
import { say } from "../say";

/** From now on. */
export function adoptSecrets(app: App): Disposable {
  let last: Promise<void> = Promise.resolve();
  const look = (): void => {
    if (app.reading.problems.some(({ code }) => code === "secretInSettings") && isOurTurn(app)) {
      last = last
        .then(() => adopt(app))
        .catch((error: unknown) => {
          app.log.error(
            "a token could not be moved out of the settings",
            error instanceof Error ? error.message : "",
          );
        });
    }
  };
  look();
  return app.onDidChange(look);
}

/** One window does it: the one that serves, or any whose server does not run. */
function isOurTurn({ view: { phase, status } }: App): boolean {
  const role = status?.role.kind;
  return (
    phase.kind === "stopped" ||
    phase.kind === "failed" ||
    (role !== undefined && role !== "starting" && role !== "follower")
  );
}

async function adopt(app: App): Promise<void> {
  const { entries, found } = taken(app);
  if (found.size === 0) {
    return;
  }
  const moved = [...found.keys()].map((id) => app.view.names.instance(id));
  await app.journal.silently(async () => {
    const kept = (await app.keys.read()).instances;
    for (const [id, secrets] of found) {
      const headers = { ...kept.get(id)?.headers, ...secrets.headers };
      await app.keys.setInstanceSecrets(id, {
        ...kept.get(id),
        ...secrets,
        headers: Object.keys(headers).length > 0 ? headers : undefined,
      });
    }
    await app.configuration.setEntries(entries);
  });
  await app.refresh();
  say.info(
    l10n.t(
      "Tokens and headers do not belong into the settings. Those of {0} were moved to the secret storage; copies of the settings may still hold them.",
      moved.join(l10n.t(", ")),
    ),
  );
}

function taken(app: App): ReturnType<typeof takeSecrets> {
  try {
    return takeSecrets(app.configuration.entries());
  } catch (error) {
    if (error instanceof NoList) {
      return { entries: [], found: new Map() };
    }
    throw error;
  }
}
