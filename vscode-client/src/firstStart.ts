/**
 * What a person is shown at the very first start of 2.x, and never again: what an upgrade changed, or the first steps.
 */

import type { App } from "./app";
import { legacyOf, tellUpgrade } from "./commands/showUpgrade";
import { openWalkthrough } from "./walkthrough";

/** Shows it. */
export async function greet(app: App): Promise<void> {
  const legacy = await legacyOf(app);
  if (legacy === undefined) {
    await openWalkthrough();
  } else {
    tellUpgrade(app, legacy);
  }
}
