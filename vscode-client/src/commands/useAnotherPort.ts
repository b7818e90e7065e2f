/**
 * Moves the endpoint to another port: offered where the port is taken.
 */

import { createServer } from "node:net";
import type { App } from "../app";
import { l10n } from "../l10n";
import { say } from "../say";
import { copyEndpoint } from "./endpoint";
import { askOne } from "./steps";
import { undoAction } from "./undo";

const HIGHEST = 65_535;
/** So many ports behind the present one are looked at. */
const LOOKED_AT = 50;

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

/** The next port that nobody holds; behind many that are taken, whatever the system gives. */
async function nextFree(present: number): Promise<number> {
  for (let port = present + 1; port <= Math.min(present + LOOKED_AT, HIGHEST); port += 1) {
    if (await isFree(port)) {
      return port;
    }
  }
  return present;
}

/** Whether the port could be bound on loopback just now. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => {
      resolve(false);
    });
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
