/**
 * Decision records in words: one row a request, and its attempts with their reasons. Pure; a record holds no secret.
 */

import type { Record as Decision } from "../../protocol/protocol";
import type { Clock } from "./describe";
import { l10n } from "./l10n";
import type { Names } from "./names";
import { wayWords } from "./checks";
import { outcomeWords, ruleWords, verdictWords } from "./rules";

/** A row, without what the editor needs around it. */
export interface Row {
  /** How it ended, for an icon. */
  end: "good" | "bad" | "left";
  label: string;
  description: string;
  detail: string;
}

/** One request. */
export function requestRow(record: Decision, names: Names, clock: Clock): Row {
  const { attempts, status, tokens, totalMs } = record;
  const last = attempts.at(-1);
  return {
    end:
      record.end === "left"
        ? "left"
        : record.end === "complete" && status !== null && status < 400
          ? "good"
          : "bad",
    label: `${status === null ? l10n.t("no answer") : String(status)} ${record.model} ${record.operation}`,
    description: [
      clock(record.startedMs),
      seconds(totalMs),
      ...(tokens === null ? [] : [l10n.t("tokens: {0}", tokens)]),
    ].join(" · "),
    detail: [
      ...(last === undefined
        ? [l10n.t("never sent")]
        : [l10n.t("{0} by {1}", names.key(last.key), wayWords(last.egress, names))]),
      ...(attempts.length > 1 ? [l10n.t("attempts: {0}", attempts.length)] : []),
      ...endWords(record),
    ].join(" · "),
  };
}

/** Everything of one request, line by line. */
export function requestLines(record: Decision, names: Names, clock: Clock): string[] {
  const { id, startedMs, front, waitedMs } = record;
  return [
    l10n.t("Request {0} at {1} ({2})", id, clock(startedMs), front),
    ...(waitedMs === null ? [] : [l10n.t("It waited {0} for a key.", seconds(waitedMs))]),
    ...record.attempts.map((attempt, index) => attemptLine(attempt, index + 1, names, clock)),
    ...record.skipped.map(({ key, rule, untilMs }) =>
      l10n.t("Left out: {0}: {1}", names.key(key), withEnd(ruleWords(rule), untilMs, clock)),
    ),
    timeLine(record),
    ...endWords(record),
  ];
}

function attemptLine(
  attempt: Decision["attempts"][number],
  number: number,
  names: Names,
  clock: Clock,
): string {
  const { key, egress, outcome, verdict, rule, untilMs, ms } = attempt;
  const reason = outcome === rule || rule === "ok" ? "" : ` (${ruleWords(rule)})`;
  const decided = withEnd(verdictWords(verdict), untilMs, clock);
  return l10n.t(
    "{0}. {1} by {2}: {3} after {4}: {5}",
    number,
    names.key(key),
    wayWords(egress, names),
    `${outcomeWords(outcome)}${reason}`,
    seconds(ms),
    decided,
  );
}

/** How long it took, and until its first byte. */
export function timeLine({ firstByteMs, totalMs }: Decision): string {
  return firstByteMs === null
    ? l10n.t("It took {0}; no byte reached the client.", seconds(totalMs))
    : l10n.t("The first byte came after {0}, the end after {1}.", seconds(firstByteMs), seconds(totalMs));
}

/** How it ended, if that was not well. */
export function endWords({ end }: Decision): string[] {
  switch (end) {
    case "complete":
      return [];
    case "broken":
      return [l10n.t("the answer broke off")];
    case "left":
      return [l10n.t("the client left")];
  }
}

/** With the time until which it holds. */
export function withEnd(text: string, untilMs: number | null, clock: Clock): string {
  return untilMs === null ? text : l10n.t("{0} until {1}", text, clock(untilMs));
}

/** A length of time. */
export function seconds(ms: number): string {
  return ms < 1000 ? l10n.t("{0} ms", ms) : l10n.t("{0} s", (ms / 1000).toFixed(1));
}
