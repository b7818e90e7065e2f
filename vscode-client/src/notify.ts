/**
 * Shows notices, each with the action that helps, and the ends of the sidecar. Decides nothing: `notices.ts` does.
 */

import { type Disposable, commands, window } from "vscode";
import type { App } from "./app";
import { l10n } from "./l10n";
import { type Notice, type Remedy, Episodes, isToldByUpgrade, notices, remedyWords } from "./notices";
import { type Action, say } from "./say";
import { SECTION } from "./settings";
import { clock } from "./statusBar";
import { failureWords } from "./view";

/** From now on people are told what needs them. `upgraded`: this start tells them of an upgrade, in one message for all of it. */
export function notify(app: App, upgraded: boolean): Disposable[] {
  const episodes = new Episodes();
  let moving = false;
  const look = (): void => {
    if (!moving && app.view.problems.some(({ code }) => code === "secretInSettings")) {
      moving = true;
      moveSecrets(app).then(
        () => (moving = false),
        // Tried once in a window: a settings file that cannot be written stays so for a while.
        () => {
          app.log.error("the secrets of instances could not be moved out of the settings");
        },
      );
    }
    const now = Date.now();
    for (const notice of episodes.begin(notices(app.view, now, clock), now)) {
      if (!upgraded || !isToldByUpgrade(notice)) {
        show(app, notice);
      }
    }
  };
  look();
  return [
    app.onDidChange(look),
    app.sidecar.onDidFail((failure) => {
      say.error(failureWords(failure), remedy(app, "restart"), remedy(app, "showLog"));
    }),
    app.sidecar.onDidCrash(() => {
      say.warning(l10n.t("The server ended unexpectedly and is started again."), remedy(app, "showLog"));
    }),
  ];
}

/** A window that follows another leaves it to that one. */
async function moveSecrets(app: App): Promise<void> {
  if (app.view.status?.role.kind !== "leader") {
    return;
  }
  const ids = await app.moveSecrets();
  if (ids.length > 0) {
    say.info(
      l10n.t(
        "The token and the headers of {0} were moved from the settings into the secret storage.",
        ids.join(", "),
      ),
    );
  }
}

function show(app: App, { severity, text, remedies }: Notice): void {
  const actions = remedies.map((kind) => remedy(app, kind));
  if (severity === "error") {
    say.error(text, ...actions);
  } else {
    say.warning(text, ...actions);
  }
}

function remedy(app: App, kind: Remedy): Action {
  const runs: Record<Remedy, () => unknown> = {
    anotherPort: () => commands.executeCommand("geminiAggregator.useAnotherPort"),
    addKey: () => commands.executeCommand("geminiAggregator.addApiKey"),
    showKeys: () => commands.executeCommand("geminiAggregator.openConfigPanel"),
    verify: () => commands.executeCommand("geminiAggregator.verifyApiKeys"),
    restart: () => commands.executeCommand("geminiAggregator.restartServer"),
    showLog: () => {
      app.log.show();
    },
    openSettings: () => commands.executeCommand("workbench.action.openSettings", SECTION),
    keyringHelp: () => window.showInformationMessage(keyringHelp(), { modal: true }),
  };
  return { title: remedyWords(kind), run: runs[kind] };
}

function keyringHelp(): string {
  return l10n.t(
    "Without a keyring the editor keeps secrets in memory only. Install and unlock one (GNOME Keyring or KWallet), start the editor anew, if need be with --password-store=gnome-libsecret, and add your keys again.",
  );
}
