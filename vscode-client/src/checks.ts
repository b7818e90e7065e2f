/**
 * What a diagnosis found, in words: the titles of the checks, the facts, and what helps. Pure. The faults have their words in
 * `problems.ts`.
 */

import type { Check, CheckCode, Diagnosis, Fault, ProblemCode } from "../../protocol/protocol";
import { l10n } from "./l10n";
import type { Names } from "./names";
import { faultWords, isProblemCode, problemWords } from "./problems";
import { ruleWords } from "./rules";
import { SECTION } from "./settings";

const TITLES: Record<CheckCode, () => string> = {
  proxy: () => l10n.t("Network proxy"),
  dns: () => l10n.t("Name (DNS)"),
  tcp: () => l10n.t("Connection (TCP)"),
  tls: () => l10n.t("Encryption (TLS)"),
  relayHealth: () => l10n.t("Health of the relay"),
  relayVersion: () => l10n.t("Version of the relay"),
  relayToken: () => l10n.t("Token of the relay"),
  reach: () => l10n.t("Gemini reached"),
  key: () => l10n.t("API key"),
};

/** What helps, where something does that the fault does not say itself. */
const HELP: Partial<Record<Fault, () => string>> = {
  unknownHost: () =>
    l10n.t(
      "Look at the spelling of the URL. If it is right, this network may not know the name, or hide it.",
    ),
  refused: () => l10n.t("Nobody listens there. Is the program up, and the port right?"),
  certificateName: () =>
    l10n.t("Look at the host in the URL: a relay with a domain of its own needs a certificate for it."),
  certificateTime: () => l10n.t("Renew the certificate, or set the clock of this machine."),
  certificateIssuer: () =>
    l10n.t("If your company inspects TLS, name its certificate in {0}.", `${SECTION}.caFile`),
  proxyCredentials: () => l10n.t("Write user and password into {0}.", `${SECTION}.proxy`),
  tokenUnset: () => l10n.t("Set RELAY_TOKEN where the relay runs, then enter the same token here."),
  tokenMissing: () => l10n.t("Enter the token of the relay: Edit Serverless Instance."),
  tokenRejected: () =>
    l10n.t("Enter the token that RELAY_TOKEN has where the relay runs: Edit Serverless Instance."),
  otherProtocol: () => l10n.t("Deploy the relay of this version of the extension."),
  location: () => l10n.t("Move the relay to a region that Google serves, or leave by another way."),
  noKey: () => l10n.t("Add a key, or bind one to this way."),
};

/** One check, ready to be shown. */
export interface CheckWords {
  title: string;
  /** The result and its facts. */
  text: string;
  help?: string;
}

/** A check in words. */
export function checkWords(check: Check, names: Names): CheckWords {
  const { fault } = check.detail;
  const facts = factsOf(check, names);
  const result = fault === undefined ? [] : [faultOf(fault, check, names)];
  const took = check.latencyMs === null ? [] : [l10n.t("{0} ms", check.latencyMs)];
  const text = [...result, ...facts, ...took].join(" · ");
  const help = check.ok || fault === undefined ? undefined : HELP[fault]?.();
  return {
    title: TITLES[check.code](),
    text: text || good(check.ok),
    ...(help === undefined ? {} : { help }),
  };
}

/** The way a check is about. */
export function wayWords(subject: string, names: Names): string {
  return subject === "local" ? l10n.t("Direct way") : names.instance(subject);
}

/** The checks, way by way. */
export function byWay({ checks }: Diagnosis): [string, Check[]][] {
  const ways = [...new Set(checks.map(({ subject }) => subject))];
  return ways.map((way) => [way, checks.filter(({ subject }) => subject === way)]);
}

/** Nothing failed, and something was looked at. */
export function isGood({ checks }: Diagnosis): boolean {
  return checks.length > 0 && checks.every(({ ok }) => ok);
}

/** What came out, in one sentence. */
export function summary(diagnosis: Diagnosis, names: Names): string {
  if (diagnosis.checks.length === 0) {
    return l10n.t("There was nothing to test.");
  }
  const failed = diagnosis.checks.filter(({ ok }) => !ok);
  const [first] = failed;
  if (first === undefined) {
    return l10n.t("Everything that was tested is good.");
  }
  const { title, text } = checkWords(first, names);
  const one = l10n.t("{0}: {1} failed: {2}", wayWords(first.subject, names), title, text);
  return failed.length === 1 ? one : l10n.t("{0}. And {1} more.", one, failed.length - 1);
}

function faultOf(fault: Fault, { subject, detail }: Check, names: Names): string {
  // Only the settings are named by a problem.
  return fault === "settings" && detail.rule !== undefined && isProblemCode(detail.rule)
    ? problemWords(
        { code: detail.rule satisfies ProblemCode, subject: detail.key ?? subject, severity: "error" },
        names,
      )
    : faultWords(fault);
}

function factsOf({ code, ok, detail }: Check, names: Names): string[] {
  const { host, addresses, proxy, certificate, status, relay, key, rule, message, fault } = detail;
  const named = rule !== undefined && rule !== "ok" && fault !== "settings" && (code === "key" || !ok);
  return [
    ...(proxy === undefined ? [] : [proxy]),
    ...(host === undefined ? [] : [addresses?.length ? `${host} → ${addresses.join(", ")}` : host]),
    ...(fault === "certificateName" && certificate?.length
      ? [l10n.t("certificate for {0}", certificate.join(", "))]
      : []),
    ...(relay === undefined ? [] : [relayWords(relay)]),
    ...(key === undefined ? [] : [names.key(key)]),
    ...(status === undefined ? [] : [l10n.t("HTTP status {0}", status)]),
    ...(named ? [ruleWords(rule)] : []),
    ...(message === undefined ? [] : [l10n.t("“{0}”", message)]),
  ];
}

function relayWords({ version, runtime, region, legacy }: NonNullable<Check["detail"]["relay"]>): string {
  const known = [version, runtime, region].filter((fact) => fact !== undefined);
  return legacy ? l10n.t("the original extension's relay, without a token") : known.join(", ");
}

function good(ok: boolean): string {
  return ok ? l10n.t("good") : l10n.t("failed");
}
