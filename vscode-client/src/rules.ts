/**
 * The words for outcomes, verdicts and rules in decision records. They are texts in the protocol: an unknown one is shown as it is. Pure.
 */

import { l10n } from "./l10n";

type Words = Record<string, () => string>;

const RULES: Words = {
  ok: () => l10n.t("answered"),
  empty: () => l10n.t("an answer without content"),
  emptyAgain: () => l10n.t("again an answer without content"),
  perMinute: () => l10n.t("limit per minute"),
  perDay: () => l10n.t("limit per day"),
  notEntitled: () => l10n.t("model not in the project's tier"),
  retired: () => l10n.t("model not offered to this project"),
  bare429: () => l10n.t("too many requests"),
  rejected: () => l10n.t("not accepted by Google"),
  invalidKey: () => l10n.t("not accepted by Google"),
  leaked: () => l10n.t("found in public by Google: make a new one"),
  tokenType: () => l10n.t("not the kind of key that Google wants"),
  unauthenticated: () => l10n.t("Google does not recognise the key"),
  restricted: () => l10n.t("forbidden by the key's own restrictions"),
  addressBlocked: () => l10n.t("the key is not allowed from this address"),
  serviceDisabled: () => l10n.t("Generative Language API not switched on in the project"),
  billing: () => l10n.t("billing off, or credit used up"),
  billingDisabled: () => l10n.t("billing off, or credit used up"),
  credits: () => l10n.t("billing off, or credit used up"),
  spendCap: () => l10n.t("spending cap of the project reached"),
  suspended: () => l10n.t("project suspended"),
  denied: () => l10n.t("project denied access by Google"),
  unclear: () => l10n.t("no permission, without a reason"),
  overloaded: () => l10n.t("the model is overloaded"),
  internal: () => l10n.t("an error inside Google"),
  frontEnd: () => l10n.t("an error of Google's front end"),
  deadline: () => l10n.t("Google ran out of time"),
  cancelled: () => l10n.t("Google cancelled the request"),
  broken: () => l10n.t("the connection broke"),
  notTaken: () => l10n.t("the request was not taken"),
  hung: () => l10n.t("does not answer"),
  hungUp: () => l10n.t("hung up before an answer"),
  unreachable: () => l10n.t("no connection"),
  timeout: () => l10n.t("no answer in time"),
  location: () => l10n.t("Google does not serve this place"),
  sorryPage: () => l10n.t("a page of Google's that refuses"),
  credentialLost: () => l10n.t("the key was lost on the way"),
  twoCredentials: () => l10n.t("another key was added on the way"),
  relayError: () => l10n.t("an error of the relay itself"),
  notGemini: () => l10n.t("something else answers there"),
  relayCannot: () => l10n.t("the relay cannot do this"),
  ownedResource: () => l10n.t("a stored resource of another project"),
  request: () => l10n.t("the request itself is refused"),
  caller: () => l10n.t("the client broke its upload off"),
  settings: () => l10n.t("the settings do not allow it"),
  left: () => l10n.t("the client left"),
  disabled: () => l10n.t("switched off"),
  tried: () => l10n.t("tried already"),
  noEgress: () => l10n.t("no way out for it is up"),
  modelResting: () => l10n.t("the model rests"),
  noRoute: () => l10n.t("there is no way out for this key"),
  trust: () => l10n.t("the certificates of the system cannot be read"),
};

const VERDICTS: Words = {
  deliver: () => l10n.t("passed on"),
  return: () => l10n.t("passed on as it is"),
  retry: () => l10n.t("tried again, nobody is blamed"),
  coolBucket: () => l10n.t("the key rests for this model"),
  quarantine: () => l10n.t("the key is out"),
  blockPair: () => l10n.t("the key does not use this way"),
  blameEgress: () => l10n.t("the way rests"),
  blameModel: () => l10n.t("the model rests"),
  none: () => l10n.t("nothing was decided"),
};

/** Why something was decided, or a key left out. */
export function ruleWords(rule: string): string {
  return known(RULES, rule);
}

/** What an attempt ended with: an HTTP status or a word. */
export function outcomeWords(outcome: string): string {
  return known(RULES, outcome);
}

/** What was decided. */
export function verdictWords(verdict: string): string {
  return known(VERDICTS, verdict);
}

function known(words: Words, code: string): string {
  return Object.hasOwn(words, code) ? (words[code]?.() ?? code) : code;
}
