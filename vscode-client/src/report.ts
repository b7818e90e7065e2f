/**
 * Reports as markdown: of a diagnosis, and of everything somebody needs who shall help. Pure. Whatever secret is known is taken out of
 * the finished text once more; a report for strangers names no host, label or path either.
 */

import type { Diagnosis, Record as Decision, Status } from "../../protocol/protocol";
import { byWay, checkWords, wayWords } from "./checks";
import type { Clock } from "./describe";
import { l10n } from "./l10n";
import type { Names } from "./names";
import { localWords, problemWords } from "./problems";
import type { LocalProblem } from "./localProblem";
import { requestLines } from "./requests";
import type { Secrets } from "./secrets";
import { DEFAULTS, type Settings } from "./settings";

/** For whom it is. */
export type Reader = "owner" | "strangers";

/** Where and with what it runs. */
export interface Surroundings {
  extension: string;
  editor: string;
  platform: string;
  remote: string;
  language: string;
}

/** Everything that a report may hold. */
export interface Findings {
  surroundings: Surroundings;
  settings: Settings;
  secrets: Secrets;
  status?: Status;
  /** Where the sidecar is in its life. */
  phase: string;
  problems: readonly LocalProblem[];
  records: readonly Decision[];
}

/** Shorter texts are no secrets, and would tear holes into words. */
const SHORTEST_SECRET = 8;
/** Settings that name places of the user's, or may hold a password. */
const PRIVATE = new Set<keyof Settings>([
  "caFile",
  "noProxy",
  "allowedOrigins",
  "allowedHosts",
  "upstream",
  "modelMap",
]);

/** What a diagnosis found. */
export function diagnosisReport(diagnosis: Diagnosis, names: Names, about: string): string {
  const ways = byWay(diagnosis).flatMap(([way, checks]) => [
    `## ${escaped(wayWords(way, names))}`,
    "",
    `| | ${l10n.t("Check")} | ${l10n.t("Result")} |`,
    "|---|---|---|",
    ...checks.map((check) => {
      const { title, text, help } = checkWords(check, names);
      return `| ${check.ok ? "✓" : "✗"} | ${title} | ${cell(help === undefined ? text : l10n.t("{0}. {1}", text, help))} |`;
    }),
    "",
  ]);
  const body = ways.length === 0 ? [l10n.t("There was nothing to test."), ""] : ways;
  return [`# ${l10n.t("Network Diagnostics")}`, "", escaped(about), "", ...body].join("\n");
}

/** What somebody needs who shall help. */
export function supportReport(findings: Findings, reader: Reader, clock: Clock): string {
  const {
    surroundings: { extension, editor, platform, remote, language },
    status,
    records,
  } = findings;
  const names = reader === "owner" ? maskedNames(findings) : PLAIN_NAMES;
  const lines = [
    `## ${l10n.t("Surroundings")}`,
    "",
    `- Gemini Aggregator ${extension}, ${status?.version ?? "-"}`,
    `- ${editor}`,
    `- ${platform}, ${remote}, ${language}`,
    "",
    `## ${l10n.t("Settings")}`,
    "",
    ...json(shownSettings(findings.settings, reader)),
    `## ${l10n.t("Status")}`,
    "",
    ...json({ phase: findings.phase, ...(status === undefined ? {} : shownStatus(status, reader)) }),
    `## ${l10n.t("Problems")}`,
    "",
    ...problemLines(findings, names, reader),
    "",
    `## ${l10n.t("Last Requests")}`,
    "",
    ...(records.length === 0
      ? [l10n.t("none")]
      : records.flatMap((record) => ["```", ...requestLines(record, names, clock), "```"])),
    "",
  ];
  return withoutSecrets(lines.join("\n"), findings.secrets, findings.settings);
}

/** The text without anything that is secret. */
export function withoutSecrets(text: string, secrets: Secrets, settings: Settings): string {
  const known = [
    ...secrets.keys.map(({ value }) => value),
    ...[...secrets.instances.values()].flatMap(({ token, headers }) => [
      token ?? "",
      ...Object.values(headers ?? {}),
    ]),
    secrets.accessToken ?? "",
    ...passwordsOf(settings.proxy),
  ];
  return known
    .map((secret) => secret.trim())
    .filter((secret) => secret.length >= SHORTEST_SECRET)
    .flatMap(spellings)
    .sort((a, b) => b.length - a.length)
    .reduce((rest, secret) => rest.replaceAll(secret, "…"), text);
}

/** How it can stand in a report: as it is, where markdown is read, within a text of JSON, or in a URL. */
function spellings(secret: string): string[] {
  return [secret, escaped(secret), JSON.stringify(secret).slice(1, -1), safely(encodeURIComponent, secret)];
}

/** A URL without user and password. */
export function withoutCredentials(url: string): string {
  return url.replace(/^([a-z0-9+.-]+:\/\/)?[^/]*@/i, "$1…@");
}

/** For strangers: ids of keys are numbers, those of instances somebody chose. */
const PLAIN_NAMES: Names = { key: (id) => id, instance: hidden, isOff: () => false };

/** Labels are the user's own words; the values are masked in them already. */
function maskedNames({ settings, secrets }: Findings): Names {
  const labels = new Map(secrets.keys.map(({ id, label }) => [id, label]));
  const instances = new Map(settings.serverlessInstances.map(({ id, name }) => [id, name]));
  const called = (id: string, name: string | undefined): string => (name ? `${id} (${name})` : id);
  return {
    key: (id) => called(id, labels.get(id)),
    instance: (id) => called(id, instances.get(id)),
    isOff: () => false,
  };
}

/** What differs from the defaults. */
function shownSettings(settings: Settings, reader: Reader): Record<string, unknown> {
  const changed = (Object.keys(DEFAULTS) as (keyof Settings)[]).filter(
    (name) => JSON.stringify(settings[name]) !== JSON.stringify(DEFAULTS[name]),
  );
  return Object.fromEntries(changed.map((name) => [name, shownSetting(name, settings, reader)]));
}

function shownSetting(name: keyof Settings, settings: Settings, reader: Reader): unknown {
  if (name === "serverlessInstances") {
    return settings.serverlessInstances.map(({ id, url, region, enabled }) =>
      reader === "owner"
        ? { id, url: withoutCredentials(url), region, enabled }
        : { id: hidden(id), url: hiddenUrl(url), enabled },
    );
  }
  if (name === "proxy") {
    return reader === "owner" || ["auto", "direct"].includes(settings.proxy)
      ? withoutCredentials(settings.proxy)
      : hiddenUrl(settings.proxy);
  }
  return reader === "strangers" && PRIVATE.has(name) ? "…" : settings[name];
}

function shownStatus(status: Status, reader: Reader): object {
  return reader === "owner"
    ? status
    : {
        ...status,
        instances: status.instances.map(({ id, health }) => ({ id: hidden(id), health })),
        keys: status.keys.map((key) => ({ ...key, project: key.project === null ? null : "…" })),
        problems: status.problems.map(({ code, severity }) => ({ code, severity })),
      };
}

function problemLines({ problems, status }: Findings, names: Names, reader: Reader): string[] {
  const lines = [
    ...problems.map((problem) => (reader === "owner" ? localWords(problem) : problem.code)),
    ...(status?.problems ?? []).map((problem) =>
      reader === "owner" ? problemWords(problem, names, status) : problem.code,
    ),
  ];
  return lines.length === 0 ? [l10n.t("none")] : lines.map((line) => `- ${escaped(line)}`);
}

/** An id that a person chose may be a name of theirs. */
function hidden(id: string): string {
  return `${id.slice(0, 2)}…`;
}

function hiddenUrl(url: string): string {
  const scheme = /^[a-z0-9+.-]+:\/\//i.exec(url)?.[0] ?? "";
  return `${scheme}…`;
}

function passwordsOf(url: string): string[] {
  const credentials = /^(?:[a-z0-9+.-]+:\/\/)?([^/]*)@/i.exec(url)?.[1] ?? "";
  const password = credentials.slice(credentials.indexOf(":") + 1);
  return [password, safely(decodeURIComponent, password)];
}

function safely(spell: (text: string) => string, text: string): string {
  try {
    return spell(text);
  } catch {
    return text;
  }
}

function json(value: unknown): string[] {
  return ["```json", JSON.stringify(value, undefined, 1), "```", ""];
}

function cell(text: string): string {
  return escaped(text).replaceAll("|", "\\|");
}

/** Text that stays text where markdown is read. */
export function escaped(text: string): string {
  return text.replace(/[\\`*_[\]<>#]/g, "\\$&").replace(/\s+/g, " ");
}
