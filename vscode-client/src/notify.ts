/**
 * Shows notices, each with the action that helps, and the ends of the sidecar. Decides nothing: `notices.ts` does.
 */

import { ProgressLocation, commands, window } from "vscode";
import type { App } from "./app";
import { l10n } from "./l10n";
import { CALM_MS, Episodes } from "./episodes";
import type { Folder } from "./folder";
import {
  type Notice,
  type Remedy,
  isLasting,
  isToldByUpgrade,
  judged,
  notices,
  remedyWords,
  together,
} from "./notices";
import { type Action, say } from "./say";
import { SECTION } from "./settings";
import { clock } from "./statusBar";
import { failureWords } from "./view";

/** What the sidecar finds wrong comes so much later at most than what the extension finds. */
const GATHER_MS = 600;
/** For a sentence. */
const READ_MS = 5_000;

/** From now on people are told what needs them. `upgraded`: this start tells them of an upgrade, in one message for all of it. */
export function notify(app: App, folder: Folder, upgraded: boolean): { dispose(): unknown }[] {
  const teller = new Teller(app, folder, upgraded);
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
    teller.look();
  };
  look();
  return [
    app.onDidChange(look),
    app.sidecar.onDidFail((failure) => {
      if (!isLasting(failure)) {
        say.error(failureWords(failure), remedy(app, "restart"), remedy(app, "showLog"));
      }
    }),
    app.sidecar.onDidCrash(() => {
      tellCrash(app);
    }),
    teller,
  ];
}

/** Tells of each episode once. */
class Teller {
  private readonly episodes: Episodes;
  private readonly settings: Gathering;
  private timer: NodeJS.Timeout | undefined;
  private failed = false;

  constructor(
    private readonly app: App,
    folder: Folder,
    private readonly upgraded: boolean,
  ) {
    this.episodes = new Episodes(folder);
    this.settings = new Gathering(app);
  }

  look(): void {
    const { kind } = this.app.view.phase;
    if (kind === "starting" && this.failed) {
      // Nothing starts again by itself, so somebody wants to know.
      void this.episodes.end("start");
    }
    this.failed = kind === "failed";
    void this.tell();
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.settings.dispose();
  }

  private async tell(): Promise<void> {
    const now = Date.now();
    const begun = (
      await this.episodes.begin(notices(this.app.view, now, clock), judged(this.app.view), now)
    ).filter((notice) => !this.upgraded || !isToldByUpgrade(notice));
    begun
      .filter(({ ofSettings }) => !ofSettings)
      .forEach((notice) => {
        show(this.app, notice);
      });
    this.settings.add(begun.filter(({ ofSettings }) => ofSettings));
    clearTimeout(this.timer);
    if (this.episodes.isWaiting) {
      this.timer = setTimeout(() => {
        this.look();
      }, CALM_MS);
    }
  }
}

/** Settings that cannot be: the extension and the sidecar find them one after the other, and a person is told once. */
class Gathering {
  private gathered: Notice[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly app: App) {}

  add(begun: readonly Notice[]): void {
    this.gathered.push(...begun);
    if (this.gathered.length > 0 && this.timer === undefined) {
      this.timer = setTimeout(() => {
        this.tell();
      }, GATHER_MS);
    }
  }

  dispose(): void {
    clearTimeout(this.timer);
  }

  private tell(): void {
    const notice = together(this.gathered);
    this.gathered = [];
    this.timer = undefined;
    if (notice !== undefined) {
      show(this.app, notice);
    }
  }
}

/** Stays until the sidecar is back and the words can have been read, and goes by itself. */
function tellCrash(app: App): void {
  const link = `[${remedyWords("showLog")}](command:${SECTION}.showLogs)`;
  const title = `${l10n.t("The server ended unexpectedly and is started again.")} ${link}`;
  void window.withProgress({ location: ProgressLocation.Notification, title }, () => {
    const read = new Promise((resolve) => setTimeout(resolve, READ_MS));
    return Promise.all([read, settled(app)]);
  });
}

/** Returns when the sidecar runs, or will not be started again. */
function settled(app: App): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (app.view.phase.kind !== "starting") {
        listener.dispose();
        resolve();
      }
    };
    const listener = app.onDidChange(look);
    look();
  });
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

function show(app: App, { severity, text, remedies, subject }: Notice): void {
  const actions = remedies.map((kind) => remedy(app, kind, subject));
  if (severity === "error") {
    say.error(text, ...actions);
  } else {
    say.warning(text, ...actions);
  }
}

function remedy(app: App, kind: Remedy, subject?: string): Action {
  const runs: Record<Remedy, () => unknown> = {
    anotherPort: () => commands.executeCommand("geminiAggregator.useAnotherPort"),
    addKey: () => commands.executeCommand("geminiAggregator.addApiKey"),
    showKeys: () => commands.executeCommand("geminiAggregator.openConfigPanel"),
    verify: () => commands.executeCommand("geminiAggregator.verifyApiKeys"),
    restart: () => commands.executeCommand("geminiAggregator.restartServer"),
    showLog: () => {
      app.log.show();
    },
    check: () => commands.executeCommand("geminiAggregator.validateConfig"),
    test: () => commands.executeCommand("geminiAggregator.testConnectivity", subject),
    newToken: () => commands.executeCommand("geminiAggregator.regenerateAccessToken"),
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
