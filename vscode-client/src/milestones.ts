/**
 * How far a person has come, for the walkthrough's ticks and the views' welcomes. Pure.
 */

import type { View } from "./view";

/** Names of context keys, behind `geminiAggregator.`. */
export interface Milestones {
  hasKeys: boolean;
  hasInstances: boolean;
  /** The sidecar runs. */
  running: boolean;
  /** Google accepted a key: a test said so, or an answer did. */
  verified: boolean;
  /** A request was answered, of a client or for a test. */
  firstRequest: boolean;
}

/** What is so now; `accepted`: a test of a key succeeded in this window. */
export function milestones(
  view: View,
  counts: { keys: number; instances: number },
  accepted: boolean,
): Milestones {
  const running = view.phase.kind === "running" && view.status !== undefined;
  const answered = running && (view.status?.keys ?? []).some(({ usedToday }) => usedToday > 0);
  return {
    hasKeys: counts.keys > 0,
    hasInstances: counts.instances > 0,
    running,
    verified: accepted || answered,
    firstRequest: answered,
  };
}
