/**
 * What a client is set up with: the address, and the token if one is asked for.
 */

import { ConfigurationTarget, env, window, workspace } from "vscode";
import type { App } from "../app";
import { l10n } from "../l10n";
import { say, sure } from "../say";
import { SECTION } from "../settings";
import { endpoint, servedPort } from "../view";
import { startServer } from "./server";

/** A message at the bottom goes by itself. */
const SHOWN_MS = 4_000;

export async function copyEndpoint(app: App): Promise<void> {
  const port = servedPort(app.view);
  if (port === undefined) {
    say.warning(l10n.t("No request is answered now, so there is no endpoint to copy."), {
      title: l10n.t("Start"),
      run: () => startServer(app),
    });
    return;
  }
  await copy(endpoint(port), l10n.t("Copied: {0}", endpoint(port)));
}

export async function copyAccessToken(app: App): Promise<void> {
  const token = app.reading.state.accessToken;
  if (token) {
    await copy(token, l10n.t("The access token was copied."));
    return;
  }
  say.info(l10n.t("No access token is asked for: clients may send any key, or none."), {
    title: l10n.t("Ask for a Token"),
    run: () => workspace.getConfiguration(SECTION).update("accessToken", "on", ConfigurationTarget.Global),
  });
}

export async function regenerateAccessToken(app: App): Promise<void> {
  const detail = l10n.t("Clients that use the present one are refused until they are given the new one.");
  if (await sure(l10n.t("Make a new access token?"), detail, l10n.t("Make"))) {
    await app.keys.regenerateAccessToken();
    await app.refresh();
    say.info(l10n.t("There is a new access token."), {
      title: l10n.t("Copy"),
      run: () => copyAccessToken(app),
    });
  }
}

async function copy(text: string, told: string): Promise<void> {
  await env.clipboard.writeText(text);
  window.setStatusBarMessage(`$(check) ${told}`, SHOWN_MS);
}
