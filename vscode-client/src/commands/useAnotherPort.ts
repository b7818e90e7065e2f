/**
 * Moves the endpoint to another port: offered where the port is taken.
 */

import type { App } from "../app";
import { HIGHEST, isFree, nextFree } from "../freePort";
import { l10n } from "../l10n";
import { say } from "../say";
import { copyEndpoint } from "./endpoint";
import { askOne } from "./steps";
import { undoAction } from "./undo";

export async function useAnotherPort(app: App): Promise<void> {
  const present = app.reading.settings.port;
  const text = await askOne(l10n.t("Use Another Port"), String(await nextFree(present)), {
    prompt: () =>
      l10n.t(
        "The port at which clients reach the pool, in place of {0}. They have to be told.",
        String(present),
      ),
    advise: (typed) => {
      const port = Number(typed.trim());
      const good = /^\d+$/.test(typed.trim()) && port >= 1 && port <= HIGHEST;
      return good ? undefined : { severity: "error", text: l10n.t("The port must be from 1 to 65535.") };
    },
  });
  const port = Number(text);
  if (text === undefined || port === present) {
    return;
  }
  if (!(await isFree(port))) {
    say.warning(l10n.t("Another program holds port {0}. End it, or choose another port.", String(port)), {
      title: l10n.t("Choose Again"),
      run: () => useAnotherPort(app),
    });
    return;
  }
  const { change } = await app.journal.record(() => app.configuration.setSetting("port", port));
  await app.applied();
  say.info(
    l10n.t("The port is {0} now. Point your clients to it.", String(port)),
    { title: l10n.t("Copy Endpoint"), run: () => copyEndpoint(app) },
    ...undoAction(app, change),
  );
}
