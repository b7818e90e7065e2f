/**
 * Tests keys by their own way out, and tells what came out of it. A key that is refused stays, with its reason.
 */

import {
  type CancellationToken,
  type QuickInputButton,
  type QuickPickItem,
  ProgressLocation,
  ThemeIcon,
  window,
} from "vscode";
import type { RetestAnswer } from "../../../protocol/protocol";
import type { App } from "../app";
import { l10n } from "../l10n";
import { plain } from "../names";
import { retestWords } from "../problems";
import { say } from "../say";
import { askAndDelete } from "./deleteApiKey";
import { pickKey, sayNoKeys } from "./pickKey";
import { startServer } from "./server";

/** So many at once: they may all leave by one relay. */
const AT_ONCE = 4;

interface Result {
  id: string;
  /** `undefined`: there was no answer. */
  answer: RetestAnswer | undefined;
}

export async function verifyApiKeys(app: App, id?: string): Promise<void> {
  if (app.view.phase.kind !== "running") {
    say.warning(l10n.t("Keys are tested by the server, and it does not run."), {
      title: l10n.t("Start"),
      run: () => startServer(app),
    });
    return;
  }
  const keys = id === undefined ? app.reading.secrets.keys : [await pickKey(app, id, "")];
  const ids = keys.flatMap((key) => (key === undefined ? [] : [key.id]));
  if (ids.length === 0) {
    sayNoKeys(app);
    return;
  }
  await verifyIds(app, ids);
}

/** Tests these keys, with progress, and says what came out; of one that was `added` just now also that. */
export async function verifyIds(app: App, ids: readonly string[], { added = false } = {}): Promise<void> {
  const results = await window.withProgress(
    { location: ProgressLocation.Notification, title: l10n.t("Testing keys"), cancellable: true },
    (progress, token) =>
      test(app, ids, token, (done) => {
        progress.report({ message: l10n.t("{0} of {1}", done, ids.length), increment: 100 / ids.length });
      }),
  );
  if (results.length > 0) {
    tell(app, results, added);
  }
}

async function test(
  app: App,
  ids: readonly string[],
  token: CancellationToken,
  report: (done: number) => void,
): Promise<Result[]> {
  const waiting = [...ids];
  const results: Result[] = [];
  const cancelled = (): boolean => token.isCancellationRequested;
  const work = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined && !cancelled(); id = waiting.shift()) {
      const answer = await app.sidecar.retest(id, token).catch(() => undefined);
      if (!cancelled()) {
        results.push({ id, answer });
        report(results.length);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results.sort((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id));
}

function tell(app: App, results: readonly Result[], added: boolean): void {
  const bad = results.filter(({ answer }) => !answer?.detail.ok);
  const [only] = results;
  if (results.length === 1 && only !== undefined) {
    tellOne(app, only, added);
  } else if (bad.length === 0) {
    say.info(l10n.t("All {0} keys were accepted.", results.length), {
      title: l10n.t("Details"),
      run: () => {
        showResults(app, results);
      },
    });
  } else {
    say.warning(l10n.t("{0} of {1} keys were accepted.", results.length - bad.length, results.length), {
      title: l10n.t("Details"),
      run: () => {
        showResults(app, results);
      },
    });
  }
}

function tellOne(app: App, { id, answer }: Result, added: boolean): void {
  const text = oneWords(app.view.names.key(id), words(app, answer), {
    good: answer?.detail.ok ?? false,
    added,
  });
  if (answer?.detail.ok) {
    say.info(text);
    return;
  }
  say.warning(
    text,
    { title: l10n.t("Test Again"), run: () => verifyApiKeys(app, id) },
    { title: l10n.t("Delete"), run: () => remove(app, id) },
  );
}

function oneWords(name: string, found: string, { good, added }: { good: boolean; added: boolean }): string {
  if (good) {
    return added
      ? l10n.t("The key {0} was added and is accepted by Google.", name)
      : l10n.t("The key {0} was tested: {1}.", name, found);
  }
  return added
    ? l10n.t("The key {0} was added, but the test says: {1}.", name, found)
    : l10n.t("The key {0} was tested, and it does not work: {1}.", name, found);
}

/** One row a key; those that were refused can be deleted here. */
function showResults(app: App, results: readonly Result[]): void {
  const list = window.createQuickPick<QuickPickItem & { id: string }>();
  const trash: QuickInputButton = { iconPath: new ThemeIcon("trash"), tooltip: l10n.t("Delete") };
  list.title = l10n.t("What the tests found");
  list.ignoreFocusOut = true;
  list.items = results.map(({ id, answer }) => ({
    id,
    label: `${answer?.detail.ok ? "$(pass)" : "$(error)"} ${plain(app.view.names.key(id))}`,
    description: plain(words(app, answer)),
    detail: plain(answer?.detail.message ?? ""),
    buttons: answer?.detail.ok ? [] : [trash],
  }));
  list.onDidTriggerItemButton(({ item }) => {
    list.hide();
    void remove(app, item.id);
  });
  list.onDidAccept(() => {
    list.hide();
  });
  list.onDidHide(() => {
    list.dispose();
  });
  list.show();
}

async function remove(app: App, id: string): Promise<void> {
  const key = app.reading.secrets.keys.find((key) => key.id === id);
  if (key !== undefined) {
    await askAndDelete(app, key);
  }
}

function words(app: App, answer: RetestAnswer | undefined): string {
  return answer === undefined ? l10n.t("the server did not answer") : retestWords(answer, app.view.names);
}
