/**
 * What a test request brought, in words: who answered and by which way, or why nobody did. Pure. Whoever shows it sees to it that what others wrote stays text.
 */

import type { Record as Decision, TryRequestAnswer } from "../../protocol/protocol";
import { wayWords } from "./checks";
import type { Clock } from "./describe";
import { l10n } from "./l10n";
import { type Names, oneLine } from "./names";
import { seconds, withEnd } from "./requests";
import { ruleWords } from "./rules";

/** Keys that were left out and are named. */
const NAMED = 3;
/** Names of models as the endpoint takes them. */
const MODEL = /^[A-Za-z0-9._-]+$/;

/** What came of it. */
export type Outcome = "answered" | "unknownModel" | "failed";

export function outcomeOf({ status }: TryRequestAnswer): Outcome {
  return status < 300 ? "answered" : status === 404 ? "unknownModel" : "failed";
}

/** In a message. `record`: its own, if it is at hand. */
export function trialWords(
  answer: TryRequestAnswer,
  record: Decision | undefined,
  names: Names,
  clock: Clock,
): string {
  const { model, status, ms, text, error } = answer;
  if (outcomeOf(answer) === "answered") {
    const head =
      text === null
        ? l10n.t("{0} answered after {1}, without text.", model, seconds(ms))
        : l10n.t("{0} answered after {1}: “{2}”", model, seconds(ms), text.trim());
    return told(head, sentWith(record, names), l10n.t("It counts against the quota."));
  }
  const head =
    outcomeOf(answer) === "unknownModel"
      ? l10n.t("The test request failed: the model {0} was not found.", model)
      : l10n.t("The test request failed (HTTP status {0}).", status);
  return told(head, reasonOf(record, names, clock), error ?? "");
}

/** A model's name as a person may write it; `undefined` if it is none. */
export function modelName(text: string): string | undefined {
  const name = text.trim().replace(/^models\//, "");
  return MODEL.test(name) ? name : undefined;
}

function sentWith(record: Decision | undefined, names: Names): string {
  const last = record?.attempts.at(-1);
  if (last === undefined) {
    return "";
  }
  const by = [names.key(last.key), wayWords(last.egress, names)] as const;
  const attempts = record?.attempts.length ?? 1;
  return attempts === 1
    ? l10n.t("It was sent with {0} by {1}.", ...by)
    : l10n.t("It was sent with {0} by {1} (attempts: {2}).", ...by, attempts);
}

/** Why the last attempt failed, or why no key could be used. */
function reasonOf(record: Decision | undefined, names: Names, clock: Clock): string {
  const last = record?.attempts.at(-1);
  if (last !== undefined) {
    const sent = l10n.t("{0} by {1}", names.key(last.key), wayWords(last.egress, names));
    return l10n.t("{0}: {1}.", sent, withEnd(ruleWords(last.rule), last.untilMs, clock));
  }
  return (record?.skipped ?? [])
    .slice(0, NAMED)
    .map(({ key, rule, untilMs }) =>
      l10n.t("{0}: {1}.", names.key(key), withEnd(ruleWords(rule), untilMs, clock)),
    )
    .join(" ");
}

function told(...sentences: string[]): string {
  return oneLine(sentences.filter((sentence) => sentence !== "").join(" "));
}
