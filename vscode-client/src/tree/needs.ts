/**
 * What needs a person, for the badges of the views: view → sentences. Pure. Nothing that ends by itself is among it.
 */

import type { KeyStatus, Problem } from "../../../protocol/protocol";
import { l10n } from "../l10n";
import { PORT_HELD } from "../notices";
import { downWords, problemWords, reasonWords } from "../problems";
import { type View, failureWords } from "../view";

/** By view. */
export interface Needs {
  keys: string[];
  relays: string[];
}

/** Everything that needs a person now. */
export function needs(view: View): Needs {
  const { phase, status } = view;
  if (phase.kind === "failed") {
    return { keys: [failureWords(phase.failure)], relays: [] };
  }
  if (phase.kind !== "running" || status === undefined) {
    return { keys: [], relays: [] };
  }
  return {
    keys: [
      ...(status.role.kind === "blocked" ? [blockedWords(view, status.role.by, status.role.port)] : []),
      ...status.problems
        .filter(
          ({ code }) => code === "allKeysInvalid" || (status.role.kind === "leader" && PORT_HELD.has(code)),
        )
        .map((problem) => problemWords(problem, view.names)),
      ...status.keys.flatMap((key) => keyNeeds(view, key)),
    ],
    relays:
      status.mode === "local"
        ? []
        : status.instances.flatMap(({ id, health }) =>
            health.kind === "down" && health.reason === "unauthorized" && !view.names.isOff(id)
              ? [l10n.t("{0}: {1}", view.names.instance(id), downWords(health.reason))]
              : [],
          ),
  };
}

/** A key that only a person brings back, or that Google found in public. */
function keyNeeds({ names }: View, { id, state }: KeyStatus): string[] {
  const needed =
    state.kind === "quarantined" &&
    (state.untilMs === null || state.reason === "leaked" || state.reason === "rejected");
  return needed ? [l10n.t("{0}: {1}", names.key(id), reasonWords(state.reason))] : [];
}

function blockedWords({ names }: View, code: Problem["code"], port: number): string {
  return problemWords({ code, subject: String(port), severity: "error" }, names);
}
