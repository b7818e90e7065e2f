/**
 * A change of the configuration in words. Pure; never shows a secret, nor a value that may hold one.
 */

import { type Change, type Step, isGone, isNew } from "./history";
import { l10n } from "./l10n";
import { type Kind, split } from "./snapshot";

/** More of them are counted. */
const SHOWN = 3;
/** Settings whose texts are words of ours. */
const WORDS = new Set(["deploymentMode", "accessToken"]);

/** What was done, in one line: `The key work (AIza…1234) was deleted`. */
export function changeWords({ steps }: Pick<Change, "steps">): string {
  const parts = [...new Set(subjects(steps).map(words))];
  const rest = parts.length - SHOWN;
  const shown = parts.slice(0, SHOWN).join(l10n.t("; "));
  return rest > 0 ? l10n.t("{0}; and {1} more", shown, rest) : shown;
}

/** What of it has changed since, in one line. */
export function stepNames(steps: readonly Step[]): string {
  return [
    ...new Set(
      steps.map(({ place, name }) => (split(place)[0] === "accessToken" ? l10n.t("The access token") : name)),
    ),
  ].join(l10n.t(", "));
}

/** One step a key and instance, the one that says most; of keys that came or went together only the count. */
function subjects(steps: readonly Step[]): (Step | { count: number; gone: boolean })[] {
  const whole = steps
    .filter(({ place }) => ["key", "instance"].includes(split(place)[0]))
    .filter((step) => isNew(step) || isGone(step));
  const wholeIds = new Set(whole.map(({ place }) => split(place)[1]));
  const rest = steps.filter((step) => !whole.includes(step) && !wholeIds.has(split(step.place)[1]));
  const keys = whole.filter(({ place }) => split(place)[0] === "key");
  const counted =
    keys.length > SHOWN && keys.every(isNew)
      ? [{ count: keys.length, gone: false }]
      : keys.length > SHOWN && keys.every(isGone)
        ? [{ count: keys.length, gone: true }]
        : keys;
  return [...whole.filter((step) => !keys.includes(step)), ...counted, ...rest];
}

function words(subject: Step | { count: number; gone: boolean }): string {
  if ("count" in subject) {
    return subject.gone
      ? l10n.t("keys deleted: {0}", subject.count)
      : l10n.t("keys added: {0}", subject.count);
  }
  const [kind, id] = split(subject.place);
  return kind === "setting" ? settingWords(subject, id) : OTHERS[kind](subject);
}

const OTHERS: Record<Exclude<Kind, "setting">, (step: Step) => string> = {
  key: (step) =>
    isNew(step)
      ? l10n.t("the key {0} was added", step.name)
      : isGone(step)
        ? l10n.t("the key {0} was deleted", step.name)
        : l10n.t("the key {0} got another value", step.name),
  label: ({ name }) => l10n.t("the label of the key {0} was changed", name),
  project: ({ name }) => l10n.t("the project of the key {0} was changed", name),
  enabled: ({ name }) => l10n.t("the key {0} was switched off or on", name),
  binding: (step) =>
    isGone(step) ? l10n.t("the key {0} was unbound", step.name) : l10n.t("the key {0} was bound", step.name),
  instance: (step) =>
    isNew(step)
      ? l10n.t("the instance {0} was added", step.name)
      : isGone(step)
        ? l10n.t("the instance {0} was removed", step.name)
        : l10n.t("the instance {0} was changed", step.name),
  instanceSecrets: ({ name }) => l10n.t("the token or headers of the instance {0} were changed", name),
  accessToken: () => l10n.t("the access token was changed"),
};

function settingWords({ before, after, name }: Step, id: string): string {
  const [old, fresh] = [said(before, id), said(after, id)];
  return old === undefined || fresh === undefined
    ? l10n.t("the setting {0} was changed", name)
    : l10n.t("the setting {0} went from {1} to {2}", name, old, fresh);
}

/** A value that is harmless and short. */
function said(value: unknown, setting: string): string | undefined {
  if (value === undefined) {
    return l10n.t("default");
  }
  const plain =
    typeof value === "number" ||
    typeof value === "boolean" ||
    (typeof value === "string" && WORDS.has(setting));
  return plain ? String(value) : undefined;
}
