/**
 * Takes changes of the configuration back and makes them again. Asks first if something has changed since.
 */

import type { App } from "../app";
import { changeWords, stepNames } from "../changeWords";
import type { Change } from "../history";
import type { Ask, Outcome } from "../journal";
import { l10n } from "../l10n";
import { type Action, say, sure } from "../say";

export async function undoConfigChange(app: App): Promise<void> {
  await undo(app);
}

export async function redoConfigChange(app: App): Promise<void> {
  await redo(app);
}

export async function clearUndoHistory(app: App): Promise<void> {
  const detail = l10n.t("No change can be undone then, and no deleted key comes back.");
  if (!(await sure(l10n.t("Clear the undo history?"), detail, l10n.t("Clear")))) {
    return;
  }
  app.journal.clear();
  say.info(l10n.t("The undo history is empty now. Deleted keys are no longer in memory."));
}

/** The button that takes this change back, if it can be. A message may stay for ever, so it holds no more than the id. */
export function undoAction(app: App, change: Pick<Change, "id"> | undefined): Action[] {
  const id = change?.id;
  return id === undefined ? [] : [{ title: l10n.t("Undo"), run: () => undo(app, id) }];
}

async function undo(app: App, which?: number): Promise<void> {
  const outcome = await app.journal.undo(ask(l10n.t("Undo All the Same")), which);
  if (outcome.kind === "nothing") {
    say.info(
      which === undefined
        ? l10n.t("There is nothing to undo.")
        : l10n.t("This change can no longer be undone."),
    );
  } else if (outcome.kind === "done") {
    await tell(app, outcome, l10n.t("Undone: {0}.", changeWords(outcome.change)), (again) => ({
      title: l10n.t("Redo"),
      run: () => redo(app, again),
    }));
  }
}

async function redo(app: App, which?: number): Promise<void> {
  const outcome = await app.journal.redo(ask(l10n.t("Redo All the Same")), which);
  if (outcome.kind === "nothing") {
    say.info(
      which === undefined
        ? l10n.t("There is nothing to redo.")
        : l10n.t("This change can no longer be redone."),
    );
  } else if (outcome.kind === "done") {
    await tell(app, outcome, l10n.t("Redone: {0}.", changeWords(outcome.change)), (again) => ({
      title: l10n.t("Undo"),
      run: () => undo(app, again),
    }));
  }
}

function ask(button: string): Ask {
  return (change, { touched }) =>
    touched.length === 0
      ? Promise.resolve(true)
      : sure(
          l10n.t("This has changed since: {0}", stepNames(touched)),
          l10n.t("The change was: {0}. What was done to it later is lost.", changeWords(change)),
          button,
        );
}

async function tell(
  app: App,
  { again, refused }: Extract<Outcome, { kind: "done" }>,
  text: string,
  action: (again: number) => Action,
): Promise<void> {
  await app.refresh();
  if (refused.length > 0) {
    say.warning(
      l10n.t("{0} But not {1}: another key has this value already.", text, refused.join(l10n.t(", "))),
    );
  } else {
    say.info(text, ...(again === undefined ? [] : [action(again)]));
  }
}
