/**
 * What the view Requests shows: decision records → rows; a row opens to its attempts, with their reasons in words. Pure; a record holds
 * no secret.
 */

import type { AttemptRecord, Record as Decision } from "../../../protocol/protocol";
import type { Clock, Line } from "../describe";
import { l10n } from "../l10n";
import { type Names, oneLine } from "../names";
import { wayWords } from "../checks";
import { endWords, seconds, timeLine, withEnd } from "../requests";
import { outcomeWords, ruleWords, verdictWords } from "../rules";
import { type Node, spokenOf } from "./model";

/** One row a request, newest first as they come. */
export function requestNodes(records: readonly Decision[], names: Names, clock: Clock): Node[] {
  return records.map((record) => requestNode(record, names, clock));
}

function requestNode(record: Decision, names: Names, clock: Clock): Node {
  const { id, status, model, operation, startedMs, totalMs, tokens, attempts } = record;
  const label = oneLine(`${status === null ? l10n.t("no answer") : String(status)} ${model}`);
  const facts = [
    clock(startedMs),
    ...(attempts.length > 1 ? [l10n.t("attempts: {0}", attempts.length)] : []),
    seconds(totalMs),
    ...endWords(record),
  ];
  return {
    id,
    label,
    description: facts.join(" · "),
    spoken: spokenOf(label, ...facts),
    tooltip: [
      { text: label, kind: "strong" },
      {
        text: l10n.t(
          "Request {0} at {1} ({2})",
          id,
          clock(startedMs),
          oneLine(`${record.front} ${operation}`),
        ),
      },
      ...(tokens === null ? [] : [{ text: l10n.t("tokens: {0}", tokens) }]),
      ...timeLines(record),
      ...endWords(record).map((text) => ({ text })),
    ],
    icon: requestIcon(record),
    context: "request",
    subject: id,
    children: [
      ...attempts.map((attempt, index) => attemptNode(id, attempt, index + 1, names, clock)),
      ...record.skipped.map(({ key, rule, untilMs }, index) => {
        const name = oneLine(names.key(key));
        return leaf(
          `${id}/skipped/${String(index)}`,
          l10n.t("Left out: {0}", name),
          withEnd(ruleWords(rule), untilMs, clock),
          {
            glyph: "debug-step-over",
            tint: "off",
          },
        );
      }),
      ...(attempts.length === 0
        ? [leaf(`${id}/none`, l10n.t("never sent"), "", { glyph: "circle-slash", tint: "off" })]
        : []),
    ],
  };
}

function attemptNode(
  request: string,
  attempt: AttemptRecord,
  number: number,
  names: Names,
  clock: Clock,
): Node {
  const { key, egress, outcome, verdict, rule, untilMs, ms } = attempt;
  const reason = outcome === rule || rule === "ok" ? "" : ` (${ruleWords(rule)})`;
  const label = oneLine(`${String(number)}. ${outcomeWords(outcome)}${reason}`);
  const facts = [
    l10n.t("{0} by {1}", names.key(key), wayWords(egress, names)),
    seconds(ms),
    withEnd(verdictWords(verdict), untilMs, clock),
  ];
  const good = /^2\d\d$/.test(outcome) && verdict === "deliver";
  return leaf(
    `${request}/attempt/${String(number)}`,
    label,
    facts.join(" · "),
    good ? { glyph: "pass", tint: "good" } : { glyph: "arrow-right", tint: "waiting" },
  );
}

function leaf(id: string, label: string, description: string, icon: Node["icon"]): Node {
  const lines: Line[] = [
    { text: label, kind: "strong" },
    ...(description === "" ? [] : [{ text: description }]),
  ];
  return {
    id,
    label,
    description: oneLine(description),
    tooltip: lines,
    spoken: spokenOf(label, oneLine(description)),
    icon,
    context: "attempt",
    children: [],
  };
}

function requestIcon({ end, status }: Decision): Node["icon"] {
  if (end === "left") {
    return { glyph: "debug-disconnect", tint: "off" };
  }
  return end === "complete" && status !== null && status < 400
    ? { glyph: "pass", tint: "good" }
    : { glyph: "error", tint: "bad" };
}

function timeLines(record: Decision): Line[] {
  const { waitedMs } = record;
  return [
    ...(waitedMs === null ? [] : [{ text: l10n.t("It waited {0} for a key.", seconds(waitedMs)) }]),
    { text: timeLine(record) },
  ];
}
