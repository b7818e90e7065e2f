/**
 * Asks the sidecar for something that takes a while, with progress and a button that cancels it.
 */

import { type CancellationToken, CancellationTokenSource, ProgressLocation, window } from "vscode";

/** The answer, or `undefined` as soon as the person cancels: nobody waits for the answer to that. */
export async function cancellable<Answer>(
  title: string,
  ask: (token: CancellationToken) => Promise<Answer>,
): Promise<Answer | undefined> {
  return window.withProgress(
    { location: ProgressLocation.Notification, title, cancellable: true },
    (_, token) => {
      const source = new CancellationTokenSource();
      const cancelled = new Promise<undefined>((resolve) => {
        token.onCancellationRequested(() => {
          source.cancel();
          resolve(undefined);
        });
      });
      return Promise.race([ask(source.token), cancelled]);
    },
  );
}
