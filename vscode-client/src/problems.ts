/**
 * The words for every code of the sidecar and of the extension: one table a kind, so that a new code does not compile without words.
 * Never decides anything.
 */

import type {
  DownReason,
  Fault,
  Problem,
  ProblemCode,
  Reason,
  RetestAnswer,
  Status,
} from "../../protocol/protocol";
import { l10n } from "./l10n";
import type { Expected, LocalProblem } from "./localProblem";
import type { Names } from "./names";
import { SECTION } from "./settings";

type Words<Code extends string> = Record<Code, (subject: string) => string>;

const PROBLEMS: Words<ProblemCode> = {
  portTaken: (port) => l10n.t("Another program holds port {0}. End it, or choose another port.", port),
  portOtherPool: (port) =>
    l10n.t(
      "A Gemini Aggregator with other keys holds port {0}: another editor, or one at a terminal. End it there, or choose another port.",
      port,
    ),
  portForwarded: (port) =>
    l10n.t(
      "Port {0} is forwarded from another machine's Gemini Aggregator. Stop forwarding it, or choose another port.",
      port,
    ),
  ipv6Taken: (port) => l10n.t("Another program holds port {0} on ::1. Clients must use 127.0.0.1.", port),
  portRange: () => l10n.t("{0} must be from 1 to 65535; the last good value stays.", settingName("port")),
  timeoutRange: () =>
    l10n.t(
      "{0} must be from 1,000 to 3,600,000 ms; the last good value stays.",
      settingName("requestTimeout"),
    ),
  attemptsRange: () =>
    l10n.t("{0} must be from 1 to 20; the last good value stays.", settingName("maxAttempts")),
  queueWaitRange: () =>
    l10n.t("{0} must be from 0 to 600,000 ms; the last good value stays.", settingName("maxQueueWait")),
  heartbeatRange: () =>
    l10n.t("{0} must be 0, or from 5 to 300 seconds; the last good value stays.", settingName("heartbeat")),
  bodySizeRange: () =>
    l10n.t("{0} must be from 1 to 2048 MB; the last good value stays.", settingName("maxBodySize")),
  unknownInstance: (key) =>
    l10n.t("{0} is bound to an instance that does not exist; it is used as if unbound.", key),
  duplicateId: (id) => l10n.t("The id {0} occurs twice; the first one counts.", id),
  duplicateSecret: (key) => l10n.t("{0} is the same as another key; the first one counts.", key),
  emptySecret: (key) => l10n.t("{0} is empty and left out.", key),
  invalidSecret: (subject) => l10n.t("{0} has a character that cannot be sent. Enter it anew.", subject),
  instanceUrl: (id) =>
    l10n.t("The URL, the id or a header of the instance {0} is not accepted; it is left out.", id),
  instanceRetired: (id) =>
    l10n.t("The instance {0} is on *.deno.dev, which was shut down on 2026-07-20. Deploy it elsewhere.", id),
  instanceToken: (id) =>
    l10n.t(
      "The token of the instance {0} and that of its relay do not match, or one of them is missing.",
      id,
    ),
  upstreamUrl: () =>
    l10n.t("The URL in {0} is not accepted; nothing is sent directly.", settingName("upstream")),
  proxyUrl: () => l10n.t("The network proxy is not accepted; nothing is sent until it is corrected."),
  caFile: () =>
    l10n.t(
      "The file in {0} cannot be read or holds no certificate; nothing is sent until it is corrected.",
      settingName("caFile"),
    ),
  noKeys: () => l10n.t("There is no enabled key. Add one."),
  noInstances: () => l10n.t("This deployment mode needs an instance, and none is enabled."),
  allKeysInvalid: () =>
    l10n.t(
      "Every key was called invalid within a minute. Look at the relay or the network proxy: they may drop the key.",
    ),
  ledgerBusy: () => l10n.t("The counts cannot be written to disk; they are kept in memory."),
  undecodable: () => l10n.t("The server does not understand the settings; the last good values stay."),
};

const REASONS: Words<Reason> = {
  perMinute: () => l10n.t("limit per minute"),
  perDay: () => l10n.t("limit per day"),
  notEntitled: () => l10n.t("model not in the project's tier"),
  bare429: () => l10n.t("too many requests"),
  rejected: () => l10n.t("not accepted by Google"),
  leaked: () => l10n.t("found in public by Google: make a new one"),
  suspended: () => l10n.t("project suspended"),
  serviceDisabled: () => l10n.t("Generative Language API not switched on in the project"),
  billing: () => l10n.t("billing off, or credit used up"),
  spendCap: () => l10n.t("spending cap of the project reached"),
  denied: () => l10n.t("project denied access by Google"),
  restricted: () => l10n.t("forbidden by the key's own restrictions"),
};

const DOWN: Words<DownReason> = {
  unreachable: () => l10n.t("not reachable"),
  hung: () => l10n.t("does not answer"),
  serverError: () => l10n.t("fails with an error of its own"),
  location: () => l10n.t("runs in a place that Google does not serve"),
  notGemini: () => l10n.t("something else answers there"),
  unauthorized: () => l10n.t("refuses the token"),
  rateLimited: () => l10n.t("limits the requests itself"),
};

const FAULTS: Words<Fault> = {
  timedOut: () => l10n.t("no answer in time"),
  unknownHost: () => l10n.t("the name has no address"),
  refused: () => l10n.t("connection refused"),
  unreachable: () => l10n.t("the network does not lead there"),
  broken: () => l10n.t("the connection broke"),
  certificateName: () => l10n.t("the certificate is for another name"),
  certificateTime: () => l10n.t("the certificate is not valid at this time"),
  certificateIssuer: () => l10n.t("the issuer of the certificate is not trusted"),
  tls: () => l10n.t("no TLS connection"),
  proxyCredentials: () => l10n.t("the network proxy wants other credentials"),
  proxyRefused: () => l10n.t("the network proxy refuses the connection"),
  settings: () => l10n.t("the settings do not allow it"),
  noHealth: () => l10n.t("no health path"),
  notExpected: () => l10n.t("an answer that was not expected"),
  tokenUnset: () => l10n.t("the relay has no token set, so anybody may use it"),
  tokenMissing: () => l10n.t("the relay wants a token and none is set"),
  tokenRejected: () => l10n.t("the relay refuses the token"),
  otherProtocol: () => l10n.t("the relay is of another version"),
  serverError: () => l10n.t("an error of the server"),
  rateLimited: () => l10n.t("too many requests"),
  location: () => l10n.t("Google does not serve this place"),
  keyRefused: () => l10n.t("Google refuses the key"),
  noKey: () => l10n.t("there is no key to test with"),
};

const EXPECTED: Words<Expected> = {
  wholeNumber: () => l10n.t("a whole number"),
  port: () => l10n.t("a whole number from 1 to 65535"),
  boolean: () => l10n.t("true or false"),
  text: () => l10n.t("a text"),
  texts: () => l10n.t("a list of texts"),
  textMap: () => l10n.t("an object with texts"),
  choice: () => l10n.t("one of the values offered"),
  instances: () => l10n.t("a list of instances"),
  instance: () => l10n.t("an object with id, name and url as texts"),
  notLocal: () => l10n.t('an instance whose id is not "local"'),
  ownId: () => l10n.t("an instance with an id of its own"),
};

/** A problem of the status, in a sentence. The status, if it is known, tells no key from no enabled one. */
export function problemWords(
  { code, subject }: Problem,
  names: Names,
  status?: Pick<Status, "keys">,
): string {
  if (code === "noKeys" && status?.keys.length === 0) {
    return l10n.t("There is no key yet. Add one.");
  }
  return PROBLEMS[code](subjectName(subject, names));
}

/** A problem that the extension found, in a sentence. */
export function localWords(problem: LocalProblem): string {
  switch (problem.code) {
    case "setting":
      return problem.subject.endsWith("]")
        ? l10n.t(
            "{0} must be {1}; it is left out.",
            settingName(problem.subject),
            EXPECTED[problem.expected](""),
          )
        : l10n.t(
            "{0} must be {1}; the last good value stays.",
            settingName(problem.subject),
            EXPECTED[problem.expected](""),
          );
    case "secretInSettings":
      return l10n.t(
        "The settings hold a token or headers of the instance {0}. They are not used there.",
        problem.subject,
      );
    case "secretUnreadable":
      return l10n.t("The stored secret {0} cannot be read. It is left as it is.", problem.subject);
    case "keysLost":
      return l10n.t("Your keys were not kept: this editor has no system keyring.");
    case "tlsUnchecked":
      return l10n.t(
        "Certificates are not checked, because of {0}. Others on the network can read your keys.",
        problem.subject,
      );
  }
}

/** The text is the code of a problem. */
export function isProblemCode(text: string): text is ProblemCode {
  return Object.hasOwn(PROBLEMS, text);
}

/** Why a bucket cools or a key is out, in a few words. */
export function reasonWords(reason: Reason): string {
  return REASONS[reason]("");
}

/** Why an instance is down, in a few words. */
export function downWords(reason: DownReason): string {
  return DOWN[reason]("");
}

/** What a check found, in a few words. */
export function faultWords(fault: Fault): string {
  return FAULTS[fault]("");
}

/** What a re-test found, in a few words. */
export function retestWords({ detail, state }: RetestAnswer, names: Names): string {
  if (detail.ok) {
    return detail.counted ? l10n.t("accepted; the test counted against the quota") : l10n.t("accepted");
  }
  if (state.kind === "quarantined") {
    return reasonWords(state.reason);
  }
  switch (detail.rule) {
    case "timeout":
      return faultWords("timedOut");
    case "unreachable":
      return detail.egress === "local"
        ? l10n.t("Google could not be reached")
        : l10n.t("the instance {0} could not be reached", names.instance(detail.egress));
    case "noRoute":
      return l10n.t("there is no way out for this key");
    case "stopped":
      return l10n.t("the server was stopped");
    default:
      return detail.status === null ? faultWords("notExpected") : l10n.t("HTTP status {0}", detail.status);
  }
}

/** As people find it in the settings. */
function settingName(name: string): string {
  return `${SECTION}.${name}`;
}

function subjectName(subject: string | null, names: Names): string {
  if (subject === null) {
    return "";
  }
  return subject === "accessToken" ? l10n.t("The access token") : names.key(names.instance(subject));
}
