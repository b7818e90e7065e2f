/**
 * What the status bar says: view + time → text, colour, tooltip. Pure; mode and counts of what is up come from the sidecar's status and
 * never from the settings. The sentences of the tooltip are plain text; whoever shows them must not read them as markdown.
 */

import type { InstanceStatus, KeyStatus, Problem, Status } from "../../protocol/protocol";
import { type Dry, dryness, nextRecovery, rests } from "./dry";
import { l10n } from "./l10n";
import { downWords, localWords, problemWords, reasonWords } from "./problems";
import { type View, endpoint, failureWords, servedPort } from "./view";

/** What picking a line does: runs a command, on what it is about, or offers what can be done with a key or an instance. */
export type Deed = { command: string; about?: string } | { key: string } | { instance: string };

/** A line of the tooltip, plain text. */
export interface Line {
  text: string;
  /** `heading`: what follows belongs to it. */
  kind?: "strong" | "heading";
  /** Without it, the line belongs to the one above. */
  does?: Deed;
}

/** What is shown. */
export interface Face {
  /** With its icon in front. */
  text: string;
  /** Background; only when nothing works. */
  colour?: "error" | "warning";
  tooltip: Line[];
}

/** A time of day in the user's way. */
export type Clock = (ms: number) => string;

type Short = Omit<Face, "tooltip">;

/** Problems with which nothing at all is sent. */
const NOTHING_SENT = new Set<Problem["code"]>(["proxyUrl", "caFile", "upstreamUrl"]);

/** The whole face. */
export function describe(view: View, now: number, clock: Clock): Face {
  return { ...short(view, now, clock), tooltip: tooltip(view, now, clock) };
}

/** The text of the face without its icon. */
export function headline(face: Face): string {
  return face.text.replace(/^\$\([^)]*\) /, "");
}

function short(view: View, now: number, clock: Clock): Short {
  const { phase, status } = view;
  if (phase.kind === "stopped" || phase.kind === "failed") {
    return { text: `$(error) ${l10n.t("Gemini: stopped")}`, colour: "error" };
  }
  if (phase.kind === "starting" || status === undefined) {
    return { text: `$(sync~spin) ${l10n.t("Gemini: starting")}` };
  }
  return outOfOrder(status, now, clock) ?? inOrder(view, status);
}

/** States in which no request is answered, worst first. */
function outOfOrder(status: Status, now: number, clock: Clock): Short | undefined {
  if (status.role.kind === "blocked") {
    return {
      text: `$(error) ${l10n.t("Gemini: port {0} taken", String(status.role.port))}`,
      colour: "error",
    };
  }
  if (status.role.kind === "starting") {
    return has(status, "portRange")
      ? { text: `$(error) ${l10n.t("Gemini: stopped")}`, colour: "error" }
      : { text: `$(sync~spin) ${l10n.t("Gemini: starting")}` };
  }
  if (status.keys.length === 0) {
    return { text: `$(key) ${l10n.t("Gemini: add a key")}` };
  }
  const enabled = status.keys.filter((key) => key.state.kind !== "disabled");
  if (has(status, "allKeysInvalid") || (enabled.length > 0 && enabled.every(isOut))) {
    return { text: `$(error) ${l10n.t("Gemini: all keys invalid")}`, colour: "error" };
  }
  const dry = dryness(status.keys, now);
  if (dry?.whole) {
    return { text: `$(watch) ${l10n.t("Gemini: dry, {0}", clock(dry.untilMs))}`, colour: "warning" };
  }
  return undefined;
}

function inOrder(view: View, status: Status): Short {
  const { mode, activeInstances: active } = status;
  const total = inUse(view, status);
  if (mode !== "local" && active === 0) {
    const text = `$(warning) ${
      total === 0
        ? l10n.t("Gemini: {0} · no relay · {1}", mode, keyCount(status.keys))
        : l10n.t("Gemini: {0} {1}/{2}", mode, active, total)
    }`;
    return onlyRelays(view, status) ? { text, colour: "warning" } : { text };
  }
  const way = mode === "local" ? mode : `${mode} ${String(active)}/${String(total)}`;
  const text = l10n.t("Gemini: {0} · {1}", way, keyCount(status.keys));
  if (
    status.problems.some(({ code }) => NOTHING_SENT.has(code)) &&
    !(mode !== "local" && onlyUpstream(status))
  ) {
    return { text: `$(error) ${text}`, colour: "error" };
  }
  return { text: `${icon(view, status)} ${text}` };
}

/** Unbound keys may not go directly. */
function onlyRelays(view: View, { mode }: Status): boolean {
  return mode === "serverless" || (mode === "hybrid" && !view.settings.fallbackToLocal);
}

/** How many instances are switched on. */
function inUse({ names }: View, status: Status): number {
  return status.instances.filter(({ id }) => !names.isOff(id)).length;
}

function icon(view: View, status: Status): string {
  if (view.applying) {
    return "$(sync~spin)";
  }
  const wrong = view.problems.length > 0 || status.problems.some(({ severity }) => severity === "error");
  return wrong ? "$(warning)" : "$(cloud)";
}

/** A bad upstream URL stops the direct way alone. */
function onlyUpstream(status: Status): boolean {
  return !has(status, "proxyUrl") && !has(status, "caFile");
}

/** `5 keys`, or `3/5 keys` if some are not ready. */
function keyCount(keys: readonly KeyStatus[]): string {
  const ready = keys.filter(
    (key) => key.state.kind === "ready" || (key.state.kind === "coolingDown" && !rests(key)),
  ).length;
  const count = ready === keys.length ? String(ready) : `${String(ready)}/${String(keys.length)}`;
  return keys.length === 1 ? l10n.t("{0} key", count) : l10n.t("{0} keys", count);
}

function tooltip(view: View, now: number, clock: Clock): Line[] {
  const { phase, status, names } = view;
  const check: Deed = { command: "validateConfig" };
  const start: Deed = { command: "startServer" };
  const problems = [
    ...view.problems.map((problem): Line => ({ text: localWords(problem), does: check })),
    ...(phase.kind === "running" ? statusProblems(status) : []).map((problem): Line => ({
      text: problemWords(problem, names, status),
      does: problem.code === "noKeys" ? { command: "addApiKey" } : check,
    })),
  ];
  if (phase.kind === "failed") {
    return [
      { text: l10n.t("Stopped"), kind: "strong", does: start },
      { text: failureWords(phase.failure) },
      ...problems,
    ];
  }
  if (phase.kind === "stopped") {
    return [
      { text: l10n.t("Stopped"), kind: "strong", does: start },
      {
        text: l10n.t(
          "The server of this window does not run. Requests are answered only if another window has the port.",
        ),
      },
      ...problems,
    ];
  }
  if (phase.kind === "starting" || status === undefined) {
    return [{ text: l10n.t("Starting"), kind: "strong", does: { command: "showLogs" } }, ...problems];
  }
  return [
    ...lead(view, status),
    ...noRelay(view, status),
    ...problems,
    ...keyLines(view, status, now, clock),
    ...relayLines(view, status, now, clock),
  ];
}

/** Where clients go, and by whom they are served. */
function lead(view: View, status: Status): Line[] {
  const port = servedPort(view);
  const lines: Line[] = [
    port === undefined
      ? {
          text: l10n.t("No request is answered"),
          kind: "strong",
          does: { command: status.role.kind === "blocked" ? "useAnotherPort" : "showLogs" },
        }
      : {
          text: l10n.t("Endpoint: {0}", endpoint(port)),
          kind: "strong",
          does: { command: "copyEndpoint", about: "address" },
        },
  ];
  if (status.role.kind === "follower") {
    const { pid } = status.role.leader;
    lines.push({
      text: l10n.t("Served by another window (process {0}); this one takes over when it goes.", String(pid)),
    });
  }
  if (view.applying) {
    lines.push({ text: l10n.t("A change is being applied.") });
  }
  return lines;
}

/** What a mode without a relay means for the requests. */
function noRelay(view: View, status: Status): Line[] {
  if (status.mode === "local" || inUse(view, status) > 0) {
    return [];
  }
  const text = !onlyRelays(view, status)
    ? l10n.t("There is no relay in use: requests go directly.")
    : status.mode === "serverless"
      ? l10n.t("There is no relay in use, so no request can leave. Add an instance, or choose another mode.")
      : l10n.t("There is no relay in use: only keys that are bound to the direct way can send.");
  return [{ text, does: { command: "addServerlessInstance" } }];
}

/** Those of the sidecar's that no other line tells. */
function statusProblems(status: Status | undefined): Problem[] {
  return (status?.problems ?? []).filter(({ code }) => code !== "noInstances");
}

function keyLines({ names }: View, status: Status, now: number, clock: Clock): Line[] {
  const lines = status.keys.map((key): Line => ({
    text: l10n.t("{0}: {1}; {2}", names.key(key.id), keyState(key, clock), requestsToday(key.usedToday)),
    does: { key: key.id },
  }));
  const list: Deed = { command: "listApiKeys" };
  const recovery = nextRecovery(status.keys, now);
  const dry = dryness(status.keys, now);
  return [
    ...(lines.length > 0 ? [{ text: l10n.t("Keys"), kind: "heading" as const }] : []),
    ...lines,
    ...(dry === undefined ? [] : [{ text: dryWords(dry, clock), does: list }]),
    ...(recovery === undefined ? [] : [{ text: l10n.t("Next recovery: {0}", clock(recovery)), does: list }]),
  ];
}

function dryWords(dry: Dry, clock: Clock): string {
  const models = dry.models.includes("*") ? l10n.t("all models") : dry.models.join(", ");
  return l10n.t("No key is left for {0} until {1}", models, clock(dry.untilMs));
}

/** How much a key was used, in a few words. */
export function requestsToday(count: number): string {
  return count === 1 ? l10n.t("1 request today") : l10n.t("{0} requests today", count);
}

/** Tokens counted today, in words. */
export function tokensToday(count: number): string {
  return count === 1 ? l10n.t("1 token today") : l10n.t("{0} tokens today", count);
}

/** The state of one key, in a few words. */
export function keyState({ state }: KeyStatus, clock: Clock): string {
  switch (state.kind) {
    case "ready":
      return l10n.t("ready");
    case "disabled":
      return l10n.t("switched off");
    case "quarantined":
      return state.untilMs === null
        ? l10n.t("out: {0}", reasonWords(state.reason))
        : l10n.t("out until {0}: {1}", clock(state.untilMs), reasonWords(state.reason));
    case "coolingDown": {
      const models = state.models.map(({ model, untilMs, reason }) =>
        l10n.t(
          "{0} until {1} ({2})",
          model === "*" ? l10n.t("all models") : model,
          clock(untilMs),
          reasonWords(reason),
        ),
      );
      return l10n.t("rests for {0}", models.join(", "));
    }
  }
}

function relayLines(view: View, status: Status, now: number, clock: Clock): Line[] {
  if (status.instances.length === 0) {
    return [];
  }
  const lines = status.instances.map((instance): Line => ({
    text: `${view.names.instance(instance.id)}: ${
      view.names.isOff(instance.id) ? l10n.t("switched off") : instanceState(instance, now, clock)
    }`,
    does: { instance: instance.id },
  }));
  return [{ text: l10n.t("Instances"), kind: "heading" }, ...lines];
}

/** The health of one instance, in a few words. */
export function instanceState({ health }: InstanceStatus, now: number, clock: Clock): string {
  switch (health.kind) {
    case "unknown":
      return l10n.t("not asked yet");
    case "up":
      return health.legacy
        ? l10n.t("up, {0} ms (legacy, no token)", health.latencyMs)
        : l10n.t("up, {0} ms", health.latencyMs);
    case "down":
      return health.nextTryMs > now
        ? l10n.t("down: {0}; next try {1}", downWords(health.reason), clock(health.nextTryMs))
        : l10n.t("down: {0}", downWords(health.reason));
  }
}

function has(status: Status, code: Problem["code"]): boolean {
  return status.problems.some((problem) => problem.code === code);
}

function isOut(key: KeyStatus): boolean {
  return key.state.kind === "quarantined";
}
