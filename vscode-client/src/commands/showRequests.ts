/**
 * The last requests, and of each its attempts with their reasons.
 */

import { type QuickInputButton, type QuickPickItem, QuickInputButtons, ThemeIcon, window } from "vscode";
import type { Record as Decision } from "../../../protocol/protocol";
import type { App } from "../app";
import { l10n } from "../l10n";
import { plain } from "../names";
import { type Row, requestLines, requestRow } from "../requests";
import { say } from "../say";
import { clock } from "../statusBar";
import { copy } from "./endpoint";
import { startServer } from "./server";

/** As many as a person looks through. */
const SHOWN = 50;

export async function showRequests(app: App): Promise<void> {
  if (app.view.phase.kind !== "running") {
    say.info(l10n.t("Requests are remembered by the server, and it does not run."), {
      title: l10n.t("Start"),
      run: () => startServer(app),
    });
    return;
  }
  const records = await app.sidecar.records({ limit: SHOWN }).catch(() => undefined);
  if (records === undefined) {
    say.warning(l10n.t("The server did not answer."), {
      title: l10n.t("Show Log"),
      run: () => {
        app.log.show();
      },
    });
    return;
  }
  if (records.length === 0) {
    say.info(l10n.t("There has been no request yet."));
    return;
  }
  const icons: Record<Row["end"], string> = { good: "$(pass)", bad: "$(error)", left: "$(debug-disconnect)" };
  const items = records.map((record) => {
    const { end, label, description, detail } = requestRow(record, app.view.names, clock);
    return {
      record,
      label: `${icons[end]} ${plain(label)}`,
      description: plain(description),
      detail: plain(detail),
    };
  });
  const picked = await window.showQuickPick(items, {
    title: l10n.t("Last Requests"),
    placeHolder: l10n.t("Choose a request to see its attempts"),
    matchOnDescription: true,
    matchOnDetail: true,
    ignoreFocusOut: true,
  });
  if (picked !== undefined) {
    showOne(app, picked.record);
  }
}

function showOne(app: App, record: Decision): void {
  const lines = requestLines(record, app.view.names, clock);
  const list = window.createQuickPick<QuickPickItem>();
  const copyAll: QuickInputButton = { iconPath: new ThemeIcon("copy"), tooltip: l10n.t("Copy") };
  const [title = "", ...rest] = lines;
  list.title = title;
  list.ignoreFocusOut = true;
  list.buttons = [QuickInputButtons.Back, copyAll];
  list.items = rest.map((line) => ({ label: plain(line) }));
  list.onDidTriggerButton((button) => {
    if (button === copyAll) {
      void copy(lines.join("\n"), l10n.t("The request was copied."));
    } else {
      list.hide();
      void showRequests(app);
    }
  });
  list.onDidAccept(() => {
    list.hide();
  });
  list.onDidHide(() => {
    list.dispose();
  });
  list.show();
}
