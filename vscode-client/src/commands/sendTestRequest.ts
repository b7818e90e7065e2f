/**
 * Sends one small request to the endpoint, as a client would, and tells who answered it or why nobody did.
 */

import { window } from "vscode";
import type { Record as Decision, TryRequestAnswer } from "../../../protocol/protocol";
import type { App } from "../app";
import { l10n } from "../l10n";
import { say } from "../say";
import { clock } from "../statusBar";
import { modelName, outcomeOf, trialWords } from "../trial";
import { servedPort } from "../view";
import { cancellable } from "./cancellable";
import { copyEndpoint } from "./endpoint";
import { sayNoKeys } from "./pickKey";
import { startServer } from "./server";
import { showRequests } from "./showRequests";
import { useAnotherPort } from "./useAnotherPort";
import { verifyApiKeys } from "./verifyApiKeys";

interface Result {
  /** `undefined`: none came. */
  answer?: TryRequestAnswer;
  record?: Decision;
}

/** To this model, or to a small one that every tier has. */
export async function sendTestRequest(app: App, model?: string): Promise<void> {
  if (app.reading.secrets.keys.length === 0) {
    sayNoKeys(app);
    return;
  }
  const port = servedPort(app.view);
  if (port === undefined) {
    sayNotServed(app);
    return;
  }
  const result = await cancellable(l10n.t("Sending a test request"), async (token): Promise<Result> => {
    const answer = await app.sidecar
      .tryRequest(model === undefined ? {} : { model }, token)
      .catch(() => undefined);
    if (answer === undefined) {
      return {};
    }
    // It only adds to what is told.
    const [record] = await app.sidecar.records({ requestId: answer.requestId }).catch(() => []);
    return { answer, ...(record && { record }) };
  });
  if (result?.answer !== undefined) {
    tell(app, result.answer, result.record);
  } else if (result !== undefined) {
    say.warning(
      l10n.t("No answer to the test request came over port {0}.", String(port)),
      { title: l10n.t("Test Again"), run: () => sendTestRequest(app, model) },
      showLog(app),
    );
  }
}

function sayNotServed(app: App): void {
  const action =
    app.view.status?.role.kind === "blocked"
      ? { title: l10n.t("Use Another Port"), run: () => useAnotherPort(app) }
      : { title: l10n.t("Start"), run: () => startServer(app) };
  say.warning(l10n.t("No request is answered now, so there is nothing to test."), action, showLog(app));
}

function tell(app: App, answer: TryRequestAnswer, record: Decision | undefined): void {
  const words = trialWords(answer, record, app.view.names, clock);
  const requests = { title: l10n.t("Show Requests"), run: () => showRequests(app) };
  switch (outcomeOf(answer)) {
    case "answered":
      say.info(words, { title: l10n.t("Copy Endpoint for …"), run: () => copyEndpoint(app) }, requests);
      break;
    case "unknownModel":
      say.warning(
        words,
        { title: l10n.t("Try Another Model"), run: () => tryAnotherModel(app, answer.model) },
        requests,
        showLog(app),
      );
      break;
    case "failed":
      say.warning(
        words,
        requests,
        { title: l10n.t("Verify Keys"), run: () => verifyApiKeys(app) },
        showLog(app),
      );
  }
}

function showLog(app: App): { title: string; run: () => void } {
  return {
    title: l10n.t("Show Log"),
    run: () => {
      app.log.show();
    },
  };
}

async function tryAnotherModel(app: App, value: string): Promise<void> {
  const text = await window.showInputBox({
    title: l10n.t("Send Test Request"),
    prompt: l10n.t("The model to ask, as your client names it"),
    value,
    ignoreFocusOut: true,
    validateInput: (text) =>
      modelName(text) === undefined ? l10n.t("Letters, digits, dots and dashes only.") : undefined,
  });
  const model = modelName(text ?? "");
  if (model !== undefined) {
    await sendTestRequest(app, model);
  }
}
