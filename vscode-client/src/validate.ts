/**
 * Looks over the whole configuration: what is wrong, what is doubtful, and what mends it. Pure; codes and facts, `findings.ts` has the
 * words. What the sidecar says of it is added to it.
 */

import type { DownReason, Problem, Status } from "../../protocol/protocol";
import { entryId } from "./entries";
import { LONGEST_NAME, LONGEST_REGION } from "./instanceInput";
import type { LocalProblem } from "./localProblem";
import { type UrlFault, normalUrl, urlFault } from "./relayUrl";
import { type Secrets, isFields } from "./secrets";
import type { Settings } from "./settings";
import { projectOf } from "./view";

export type Severity = "error" | "warning" | "info";

/** What mends a finding. */
export type Fix =
  | { kind: "addKey" }
  | { kind: "addInstance" }
  | { kind: "editInstance"; id: string }
  | { kind: "removeInstance"; id: string }
  | { kind: "testInstance"; id: string }
  | { kind: "enableInstance"; id: string }
  | { kind: "enableKey"; id: string }
  | { kind: "modifyKey"; id: string }
  | { kind: "bindKey"; id: string }
  | { kind: "forgetSecrets"; id: string }
  | { kind: "setMode" }
  | { kind: "anotherPort" }
  | { kind: "openSettings"; name: string };

/** What was found. */
export type Fact =
  | { code: "entry"; place: number }
  | { code: "idForm"; id: string }
  | { code: "idTwice"; id: string }
  | {
      code: "nameMissing" | "nameLong" | "regionLong" | "urlMissing" | "onThisMachine" | "noToken" | "off";
      id: string;
    }
  | { code: "nameTwice" | "urlTwice"; id: string; other: string }
  | { code: "url"; id: string; fault: UrlFault }
  | { code: "down"; id: string; reason: DownReason }
  | { code: "noInstances" | "allInstancesOff"; mode: string }
  | { code: "manyInstances"; count: number }
  | { code: "noKeys" | "allKeysOff" }
  | { code: "boundToMissing" | "boundToOff"; key: string; instance: string }
  | { code: "boundToLocal"; key: string }
  | { code: "bindingsRest"; count: number }
  | { code: "unbound"; count: number }
  | { code: "sameProject"; keys: string[]; project: string }
  | { code: "straySecrets"; id: string }
  | { code: "local"; problem: LocalProblem }
  | { code: "sidecar"; problem: Problem };

export type Finding = Fact & { severity: Severity; fix?: Fix };

/** What is looked at. */
export interface Facts {
  /** `serverlessInstances` as it is written. */
  entries: readonly unknown[];
  settings: Settings;
  secrets: Secrets;
  problems: readonly LocalProblem[];
  status?: Status;
}

const MANY = 10;
/** Said here in other words, or nothing that the configuration could mend. */
const SAID = new Set<Problem["code"]>([
  "noKeys",
  "noInstances",
  "unknownInstance",
  "duplicateId",
  "instanceUrl",
  "instanceRetired",
]);
/** Name of the setting a problem of the sidecar comes from. */
const SETTING: Partial<Record<Problem["code"], string>> = {
  portRange: "port",
  timeoutRange: "requestTimeout",
  attemptsRange: "maxAttempts",
  queueWaitRange: "maxQueueWait",
  heartbeatRange: "heartbeat",
  bodySizeRange: "maxBodySize",
  upstreamUrl: "upstream",
  proxyUrl: "proxy",
  caFile: "caFile",
};

/** All findings, the worst first. */
export function validate(facts: Facts): Finding[] {
  const order: Severity[] = ["error", "warning", "info"];
  const found = [
    ...ofEntries(facts),
    ...ofMode(facts),
    ...ofKeys(facts),
    ...ofBindings(facts),
    ...ofSecrets(facts),
    ...ofProblems(facts),
  ];
  return found.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

function ofEntries({ entries, secrets, status }: Facts): Finding[] {
  const names = new Map<string, string>();
  const urls = new Map<string, string>();
  const ids = new Set<string>();
  const found = entries.flatMap((entry, place) => {
    const id = entryId(entry);
    if (!isFields(entry) || id === undefined) {
      return [
        { code: "entry", place, severity: "error", fix: inSettings("serverlessInstances") } satisfies Finding,
      ];
    }
    if (ids.has(id)) {
      return [
        { code: "idTwice", id, severity: "error", fix: inSettings("serverlessInstances") } satisfies Finding,
      ];
    }
    ids.add(id);
    return [
      ...ofEntry(entry, id),
      ...twins(entry, id, names, urls),
      ...ofHealth(id, entry.enabled === false, secrets, status),
    ];
  });
  return entries.length > MANY
    ? [...found, { code: "manyInstances", count: entries.length, severity: "warning" }]
    : found;
}

function ofEntry(entry: Record<string, unknown>, id: string): Finding[] {
  const { name, url, region } = entry;
  const fix: Fix = { kind: "editInstance", id };
  const found: Finding[] = [];
  if (!/^[!-~]+$/.test(id) || id === "local") {
    found.push({ code: "idForm", id, severity: "error", fix: inSettings("serverlessInstances") });
  }
  if (typeof name !== "string" || name.trim() === "") {
    found.push({ code: "nameMissing", id, severity: "warning", fix });
  } else if (name.length > LONGEST_NAME) {
    found.push({ code: "nameLong", id, severity: "warning", fix });
  }
  if (typeof region === "string" && region.length > LONGEST_REGION) {
    found.push({ code: "regionLong", id, severity: "warning", fix });
  }
  if (typeof url !== "string" || url.trim() === "") {
    found.push({ code: "urlMissing", id, severity: "error", fix });
    return found;
  }
  const fault = urlFault(url);
  if (fault !== undefined) {
    found.push({ code: "url", id, fault, severity: "error", fix });
  } else if (/^\s*http:/i.test(url)) {
    found.push({ code: "onThisMachine", id, severity: "info" });
  }
  return found;
}

function twins(
  { name, url }: Record<string, unknown>,
  id: string,
  names: Map<string, string>,
  urls: Map<string, string>,
): Finding[] {
  const seen = (map: Map<string, string>, text: string): string | undefined => {
    const other = map.get(text);
    map.set(text, other ?? id);
    return text === "" ? undefined : other;
  };
  const sameName = typeof name === "string" ? seen(names, name.trim().toLowerCase()) : undefined;
  const sameUrl = typeof url === "string" ? seen(urls, normalUrl(url)) : undefined;
  const fix: Fix = { kind: "editInstance", id };
  return [
    ...(sameName === undefined
      ? []
      : [{ code: "nameTwice", id, other: sameName, severity: "warning", fix } satisfies Finding]),
    ...(sameUrl === undefined
      ? []
      : [{ code: "urlTwice", id, other: sameUrl, severity: "warning", fix } satisfies Finding]),
  ];
}

function ofHealth(id: string, off: boolean, secrets: Secrets, status: Status | undefined): Finding[] {
  if (off) {
    return [{ code: "off", id, severity: "info", fix: { kind: "enableInstance", id } }];
  }
  const health = status?.instances.find((instance) => instance.id === id)?.health;
  if (health?.kind !== "down") {
    return [];
  }
  const withoutToken = health.reason === "unauthorized" && secrets.instances.get(id)?.token === undefined;
  return withoutToken
    ? [{ code: "noToken", id, severity: "error", fix: { kind: "editInstance", id } }]
    : [{ code: "down", id, reason: health.reason, severity: "warning", fix: { kind: "testInstance", id } }];
}

function ofMode({ settings: { deploymentMode: mode, serverlessInstances } }: Facts): Finding[] {
  if (mode === "local") {
    return [];
  }
  const code =
    serverlessInstances.length === 0
      ? "noInstances"
      : serverlessInstances.every(({ enabled }) => enabled === false)
        ? "allInstancesOff"
        : undefined;
  return code === undefined
    ? []
    : [
        {
          code,
          mode,
          severity: "error",
          fix: code === "noInstances" ? { kind: "addInstance" } : { kind: "setMode" },
        },
      ];
}

function ofKeys({ secrets: { keys }, status }: Facts): Finding[] {
  if (keys.length === 0) {
    return [{ code: "noKeys", severity: "error", fix: { kind: "addKey" } }];
  }
  const found: Finding[] = [];
  const [first] = keys;
  if (first !== undefined && keys.every(({ enabled }) => enabled === false)) {
    found.push({ code: "allKeysOff", severity: "error", fix: { kind: "enableKey", id: first.id } });
  }
  const projects = new Map<string, string[]>();
  for (const key of keys) {
    const known = projectOf(
      key,
      status?.keys.find(({ id }) => id === key.id),
    );
    if (known) {
      projects.set(known, [...(projects.get(known) ?? []), key.id]);
    }
  }
  for (const [project, ids] of projects) {
    if (ids.length > 1) {
      found.push({ code: "sameProject", keys: ids, project, severity: "info" });
    }
  }
  return found;
}

function ofBindings({
  settings: { deploymentMode: mode, serverlessInstances: instances },
  secrets: { keys },
}: Facts): Finding[] {
  const found = keys.flatMap(({ id, binding }): Finding[] => {
    const fix: Fix = { kind: "bindKey", id };
    const instance = instances.find((other) => other.id === binding);
    if (binding === undefined) {
      return [];
    }
    if (binding === "local") {
      return mode === "serverless" ? [{ code: "boundToLocal", key: id, severity: "warning", fix }] : [];
    }
    if (instance === undefined) {
      return [{ code: "boundToMissing", key: id, instance: binding, severity: "warning", fix }];
    }
    return instance.enabled === false && mode !== "local"
      ? [{ code: "boundToOff", key: id, instance: binding, severity: "warning", fix }]
      : [];
  });
  const bound = keys.filter(({ binding }) => binding !== undefined && binding !== "local").length;
  if (mode === "local" && bound > 0) {
    found.push({ code: "bindingsRest", count: bound, severity: "info", fix: { kind: "setMode" } });
  }
  const unbound = keys.filter(({ binding }) => binding === undefined).length;
  if (mode !== "local" && unbound > 0 && bound > 0 && instances.length > 1) {
    found.push({ code: "unbound", count: unbound, severity: "info" });
  }
  return found;
}

function ofSecrets({ entries, secrets }: Facts): Finding[] {
  const ids = new Set(entries.map(entryId));
  return [...secrets.instances.keys()]
    .filter((id) => !ids.has(id))
    .map((id) => ({ code: "straySecrets", id, severity: "info", fix: { kind: "forgetSecrets", id } }));
}

function ofProblems({ entries, problems, status }: Facts): Finding[] {
  const own = problems
    .filter((problem) => !isNamedAbove(problem, entries))
    .map((problem): Finding => ({ code: "local", problem, severity: "warning", ...fixOf(problem) }));
  const others = (status?.problems ?? [])
    .filter(({ code }) => !SAID.has(code))
    .map((problem): Finding => ({
      code: "sidecar",
      problem,
      severity: problem.severity,
      ...fixOfProblem(problem),
    }));
  return [...own, ...others];
}

/** An entry that is left out for its id or its URL has a finding of its own. */
function isNamedAbove(problem: LocalProblem, entries: readonly unknown[]): boolean {
  if (problem.code !== "setting" || !problem.subject.endsWith("]")) {
    return false;
  }
  const entry = entries[Number(/\d+/.exec(problem.subject)?.[0])];
  return (
    problem.expected !== "instance" ||
    !isFields(entry) ||
    typeof entry.id !== "string" ||
    typeof entry.url !== "string"
  );
}

function fixOf(problem: LocalProblem): { fix?: Fix } {
  switch (problem.code) {
    case "setting":
      return { fix: inSettings(problem.subject) };
    case "secretInSettings":
      return { fix: inSettings("serverlessInstances") };
    case "keysLost":
      return { fix: { kind: "addKey" } };
    case "tlsUnchecked":
      return { fix: inSettings("strictTls") };
    case "secretUnreadable":
      return {};
  }
}

function fixOfProblem({ code, subject }: Problem): { fix?: Fix } {
  const setting = SETTING[code];
  if (setting !== undefined) {
    return { fix: inSettings(setting) };
  }
  switch (code) {
    case "portTaken":
    case "portOtherPool":
    case "portForwarded":
      return { fix: { kind: "anotherPort" } };
    case "duplicateSecret":
    case "emptySecret":
    case "invalidSecret":
      return subject === null || subject === "accessToken" ? {} : { fix: { kind: "modifyKey", id: subject } };
    case "instanceToken":
      return subject === null ? {} : { fix: { kind: "editInstance", id: subject } };
    default:
      return {};
  }
}

function inSettings(name: string): Fix {
  return { kind: "openSettings", name };
}
