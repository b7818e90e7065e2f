/**
 * What a person is shown at the very first start of 2.x, and never again: what an upgrade changed, or the first steps.
 */

import type { App } from "./app";
import { tellUpgrade } from "./commands/showUpgrade";
import type { Folder } from "./folder";
import type { Keys } from "./keys";
import type { Legacy } from "./upgrade/legacy";
import { openWalkthrough } from "./walkthrough";

/**
 * Called before anything of 2.x is stored; what it returns tells afterwards whether this is the very first start. Secrets are one for all
 * profiles of the editor, the folder is one a profile: of several windows one greets.
 */
export async function greeter(keys: Keys, folder: Folder): Promise<() => Promise<boolean>> {
  const fresh = !(await keys.hasPool());
  return async () => fresh && (await folder.once("greeted"));
}

/**
 * Shows it. `exposed`: clients of 1.x know no access token, so none is asked for, and others may reach the endpoint; that is told in the
 * same message.
 */
export async function greet(app: App, legacy: Legacy | undefined, exposed: boolean): Promise<void> {
  if (legacy === undefined) {
    await openWalkthrough();
  } else {
    tellUpgrade(app, legacy, exposed);
  }
}
