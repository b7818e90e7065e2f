/**
 * The two ends of the extension's life. Only wires.
 */

import { type ExtensionContext, type LogOutputChannel, env, l10n as editorWords, window } from "vscode";
import { App } from "./app";
import { registerCommands } from "./commands";
import { provideReports } from "./commands/reports";
import { legacyOf } from "./commands/showUpgrade";
import { greet, greeter } from "./firstStart";
import { Folder } from "./folder";
import { Keys } from "./keys";
import { l10n, speak } from "./l10n";
import { plain } from "./names";
import { notify } from "./notify";
import { say } from "./say";
import { StatusBar } from "./statusBar";
import { showViews } from "./tree/views";
import { followMilestones } from "./walkthrough";

let app: App | undefined;

export async function activate(context: ExtensionContext): Promise<void> {
  speak((sentence, ...args) => editorWords.t(sentence, ...args));
  const log = window.createOutputChannel("Gemini Aggregator", { log: true });
  context.subscriptions.push(log);
  try {
    await begin(context, log);
  } catch (error) {
    // The folder or the secret storage cannot be used.
    const text = error instanceof Error ? plain(error.message) : "";
    log.error(text);
    say.error(l10n.t("Gemini Aggregator could not begin: {0}", text), {
      title: l10n.t("Show Log"),
      run: () => {
        log.show();
      },
    });
  }
}

async function begin(context: ExtensionContext, log: LogOutputChannel): Promise<void> {
  const keys = new Keys(context.secrets);
  const folder = new Folder(context.globalStorageUri.fsPath);
  const isFirst = await greeter(keys, folder);
  const version1 = await folder.cameFromVersion1(
    async () => !(await keys.hasPool()) && (await keys.read()).keys.length > 0,
  );
  app = await App.open(context, log, keys, folder, version1.came);
  const first = await isFirst();
  const legacy = first ? await legacyOf(app) : undefined;
  context.subscriptions.push(
    app,
    new StatusBar(app),
    ...registerCommands(app),
    ...notify(app, folder, legacy !== undefined),
    provideReports(),
    ...showViews(app),
    ...followMilestones(app),
  );

  // Not waited for: commands work meanwhile, and what goes wrong is told by then.
  void app.sidecar.start();
  if (first) {
    await greet(app, legacy, version1.now && env.remoteName !== undefined);
  }
}

export async function deactivate(): Promise<void> {
  await app?.sidecar.stop();
}
