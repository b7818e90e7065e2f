/**
 * What a client is set up with: the address, and the token if one is asked for.
 */

import { ConfigurationTarget, commands, env, window, workspace } from "vscode";
import type { App } from "../app";
import { type Client, TRIAL, clients } from "../clients";
import { l10n } from "../l10n";
import { plain, withoutGaps } from "../names";
import { say, sure } from "../say";
import { SECTION } from "../settings";
import { endpoint, servedPort } from "../view";
import { startServer } from "./server";

/** A message at the bottom goes by itself. */
const SHOWN_MS = 4_000;
/** The walkthrough ticks by it. */
const COPIED = "geminiAggregator.endpointCopied";

/** The text for this client, or for the one that is chosen; `address`: the address alone. Returns whether something was copied. */
export async function copyEndpoint(app: App, id?: string): Promise<boolean> {
  const port = servedPort(app.view);
  if (port === undefined) {
    say.warning(l10n.t("No request is answered now, so there is no endpoint to copy."), {
      title: l10n.t("Start"),
      run: () => startServer(app),
    });
    return false;
  }
  const { accessToken: token } = app.reading.state;
  const all = clients({ base: endpoint(port), platform: process.platform, ...(token ? { token } : {}) });
  const client = id === undefined ? await pickClient(all) : all.find((other) => other.id === id);
  if (client === undefined) {
    return false;
  }
  await env.clipboard.writeText(client.copied);
  if (client.id !== TRIAL) {
    void commands.executeCommand("setContext", COPIED, true);
  }
  if (client.id === "address") {
    told(l10n.t("Copied: {0}", client.copied));
  } else {
    tellWhere(app, client);
  }
  return true;
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
    await app.journal.record(() => app.keys.regenerateAccessToken());
    await app.refresh();
    say.info(l10n.t("There is a new access token."), {
      title: l10n.t("Copy"),
      run: () => copyAccessToken(app),
    });
  }
}

/** Into the clipboard, and says so at the bottom. */
export async function copy(text: string, words: string): Promise<void> {
  await env.clipboard.writeText(withoutGaps(text));
  told(words);
}

function told(words: string): void {
  window.setStatusBarMessage(`$(check) ${plain(words)}`, SHOWN_MS);
}

async function pickClient(all: readonly Client[]): Promise<Client | undefined> {
  const items = all.map((client) => ({
    client,
    label: client.called,
    description: client.id === "address" ? client.where : "",
    detail: client.id === "address" ? "" : client.where,
  }));
  const picked = await window.showQuickPick(items, {
    title: l10n.t("Copy Endpoint for …"),
    placeHolder: l10n.t("Which client shall use the pool?"),
    matchOnDetail: true,
    ignoreFocusOut: true,
  });
  return picked?.client;
}

/** Where to paste it; a client that wants a key besides is told which. */
function tellWhere(app: App, { called, where, complete }: Client): void {
  const place = l10n.t("{0}: {1}", called, where);
  const { accessToken } = app.reading.state;
  if (complete && !accessToken) {
    say.info(`${l10n.t("Copied.")} ${place} ${l10n.t("Where it wants an API key, any text will do.")}`);
  } else if (complete) {
    say.info(`${l10n.t("Copied, with the access token.")} ${place}`);
  } else {
    say.info(`${l10n.t("Copied.")} ${place} ${l10n.t("Its API key is the access token.")}`, {
      title: l10n.t("Copy Access Token"),
      run: () => copyAccessToken(app),
    });
  }
}
