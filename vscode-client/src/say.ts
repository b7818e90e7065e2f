/**
 * Messages with actions, so that nobody compares the words on buttons. Never waits for the person: a message may stay for ever. Whatever
 * stands in it is text: the editor would make links of `[text](address)`.
 */

import { window } from "vscode";
import { plain } from "./names";

/** A button. */
export interface Action {
  title: string;
  run: () => unknown;
}

type Show = (message: string, ...items: Action[]) => Thenable<Action | undefined>;

export const say = {
  info: (message: string, ...actions: Action[]): void => {
    show(window.showInformationMessage, message, actions);
  },
  warning: (message: string, ...actions: Action[]): void => {
    show(window.showWarningMessage, message, actions);
  },
  error: (message: string, ...actions: Action[]): void => {
    show(window.showErrorMessage, message, actions);
  },
};

/** Asks before something that cannot be taken back; `true` if the person presses the button. */
export async function sure(message: string, detail: string, button: string): Promise<boolean> {
  const shown = { modal: true, detail: plain(detail) };
  return (await window.showWarningMessage(plain(message), shown, button)) === button;
}

/** A name of the user's in it is text: the editor would turn `[text](command:…)` into a link that does something. */
function show(how: Show, message: string, actions: Action[]): void {
  void how(plain(message), ...actions).then((action) => action?.run());
}
