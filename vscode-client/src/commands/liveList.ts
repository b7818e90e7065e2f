/**
 * A list that stays true while it is open: rows of things that live, with their buttons, and actions below them.
 */

import { type QuickInputButton, type QuickPickItem, window } from "vscode";
import type { App } from "../app";

/** A row; with an id it stands for a thing, else for an action, which is told by its words. */
export interface Row extends QuickPickItem {
  id?: string;
  run: () => unknown;
}

/** What a list shows now. */
export interface Look {
  title: string;
  rows: Row[];
}

/** What the buttons of rows do, in their order. */
export type Buttons = ReadonlyMap<QuickInputButton, (app: App, id: string) => unknown>;

/** Shows it, and again with each change, until something is picked. */
export function liveList(app: App, placeholder: string, buttons: Buttons, look: () => Look): void {
  const list = window.createQuickPick<Row>();
  const show = (): void => {
    const active = standsFor(list.activeItems[0]);
    const { title, rows } = look();
    list.title = title;
    list.items = rows.map((row) => (row.id === undefined ? row : { ...row, buttons: [...buttons.keys()] }));
    const again = list.items.find((row) => standsFor(row) === active) ?? list.items[0];
    list.activeItems = again === undefined ? [] : [again];
  };
  const listener = app.onDidChange(show);
  list.placeholder = placeholder;
  list.matchOnDescription = true;
  list.matchOnDetail = true;
  list.keepScrollPosition = true;
  list.ignoreFocusOut = true;
  list.onDidHide(() => {
    listener.dispose();
    list.dispose();
  });
  list.onDidAccept(() => {
    const [row] = list.selectedItems;
    list.hide();
    void row?.run();
  });
  list.onDidTriggerItemButton(({ item, button }) => {
    list.hide();
    if (item.id !== undefined) {
      void buttons.get(button)?.(app, item.id);
    }
  });
  show();
  list.show();
}

function standsFor(row: Row | undefined): string | undefined {
  return row?.id ?? row?.label;
}
