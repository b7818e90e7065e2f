/**
 * What the views Keys and Relays show: view + stored keys + instances → rows. Pure; words are plain text and never markdown. Live facts
 * come from the sidecar's status; without one, the rows say what is stored.
 */

import type { InstanceStatus, KeyStatus, Problem, Status } from "../../../protocol/protocol";
import { type Clock, type Line, instanceState, keyState, requestsToday, tokensToday } from "../describe";
import { nextRecovery, rests } from "../dry";
import { l10n } from "../l10n";
import { bindingName, oneLine } from "../names";
import { problemWords, reasonWords } from "../problems";
import type { StoredKey } from "../secrets";
import type { InstanceSetting } from "../settings";
import { type View, projectOf } from "../view";

/** The tint of an icon; a theme gives each its colour. */
export type Tint = "good" | "waiting" | "bad" | "off";

/** A row. */
export interface Node {
  /** The same as long as it stands for the same thing. */
  id: string;
  label: string;
  description: string;
  /** Plain text, line by line. */
  tooltip: Line[];
  /** For a screen reader, which does not see the icon. */
  spoken: string;
  icon: { glyph: string; tint?: Tint };
  /** Words that say which actions apply, apart by dots: `key.on.bound`. */
  context: string;
  /** The id that commands are given. */
  subject?: string;
  children: Node[];
}

/** What rows are made of. */
export interface Pool {
  view: View;
  keys: readonly StoredKey[];
  instances: readonly InstanceSetting[];
}

/** So many names stand in a tooltip; more are counted. */
const NAMED = 10;

/** A pool, and where to find things in it: with many keys nothing is looked for row by row. */
interface Index extends Pool {
  status: Status | undefined;
  live: ReadonlyMap<string, KeyStatus>;
  /** By what they are about. */
  problems: ReadonlyMap<string, Problem[]>;
  /** Ids of keys by their project, learnt or told. */
  projects: ReadonlyMap<string, string[]>;
}

/** One row a key, in the order of the pool. */
export function keyNodes(pool: Pool, now: number, clock: Clock): Node[] {
  const index = indexOf(pool);
  return pool.keys.map((key) => keyNode(index, key, now, clock));
}

/** One row an instance, in the order of the settings; two may have the same id there. */
export function relayNodes(pool: Pool, now: number, clock: Clock): Node[] {
  const index = indexOf(pool);
  const times = new Map<string, number>();
  return pool.instances.map((instance) => {
    const time = (times.get(instance.id) ?? 0) + 1;
    times.set(instance.id, time);
    const node = relayNode(index, instance, now, clock);
    return time === 1 ? node : { ...node, id: `${node.id} ${String(time)}` };
  });
}

function indexOf(pool: Pool): Index {
  const status = statusOf(pool.view);
  const live = new Map(status?.keys.map((key) => [key.id, key]));
  const projects = grouped(pool.keys, (key) => projectOf(key, live.get(key.id)));
  return {
    ...pool,
    status,
    live,
    problems: grouped(status?.problems ?? [], ({ subject }) => subject ?? undefined),
    projects: new Map([...projects].map(([project, keys]) => [project, keys.map(({ id }) => id)])),
  };
}

function grouped<Thing>(
  things: readonly Thing[],
  by: (thing: Thing) => string | undefined,
): Map<string, Thing[]> {
  const groups = new Map<string, Thing[]>();
  for (const thing of things) {
    const name = by(thing);
    if (name !== undefined) {
      const group = groups.get(name) ?? [];
      groups.set(name, group);
      group.push(thing);
    }
  }
  return groups;
}

/** What a row says behind its label. */
function facts(...parts: readonly string[]): string {
  return oneLine(parts.filter((part) => part !== "").join(" · "));
}

/** Everything that a row says without its icon. */
export function spokenOf(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(", ");
}

/** The same, and the state where only the icon shows it. */
function withState(label: string, description: string, state: string): string {
  return spokenOf(label, description, description.includes(state) ? "" : state);
}

function keyNode(pool: Index, key: StoredKey, now: number, clock: Clock): Node {
  const { names } = pool.view;
  const live = pool.live.get(key.id);
  const off = key.enabled === false;
  const bound = key.binding === undefined ? [] : [boundWords(pool, key.binding)];
  const state =
    live === undefined ? (off ? l10n.t("switched off") : l10n.t("state not known")) : keyState(live, clock);
  const label = oneLine(names.key(key.id));
  const description = facts(shortState(live, off, now, clock), ...bound);
  return {
    id: key.id,
    label,
    description,
    tooltip: [
      { text: label, kind: "strong" },
      { text: state },
      ...bound.map((text) => ({ text })),
      ...useLines(live),
      ...projectLines(pool, key, live),
      ...problemLines(pool, key.id),
    ],
    spoken: withState(label, description, oneLine(state)),
    icon: keyIcon(live, off),
    context: ["key", off ? "off" : "on", key.binding === undefined ? "unbound" : "bound"].join("."),
    subject: key.id,
    children: live === undefined ? [] : modelNodes(live, now, clock),
  };
}

/** The state in few words: what a narrow column has room for, the next recovery among it. */
function shortState(live: KeyStatus | undefined, off: boolean, now: number, clock: Clock): string {
  if (live === undefined) {
    return off ? l10n.t("switched off") : "";
  }
  const { state } = live;
  if (state.kind === "ready" || (state.kind === "coolingDown" && !rests(live))) {
    return l10n.t("requests today: {0}", live.usedToday);
  }
  const back = nextRecovery([live], now);
  if (state.kind !== "coolingDown" || back === undefined) {
    return keyState(live, clock);
  }
  // The time comes first: a narrow column cuts off the rest.
  const resting = state.models.filter(({ untilMs, reason }) => untilMs > now && reason !== "notEntitled");
  const whole = resting.find(({ model }) => model === "*");
  const what =
    whole === undefined ? resting.map(({ model }) => model).join(l10n.t(", ")) : reasonWords(whole.reason);
  return l10n.t("until {0}: {1}", clock(back), what);
}

function keyIcon(live: KeyStatus | undefined, off: boolean): Node["icon"] {
  if (live === undefined) {
    return off ? { glyph: "circle-slash", tint: "off" } : { glyph: "key" };
  }
  switch (live.state.kind) {
    case "disabled":
      return { glyph: "circle-slash", tint: "off" };
    case "quarantined":
      return { glyph: "error", tint: "bad" };
    case "coolingDown":
      return rests(live) ? { glyph: "watch", tint: "waiting" } : { glyph: "pass", tint: "good" };
    case "ready":
      return { glyph: "pass", tint: "good" };
  }
}

/** Models that rest or were used today: what the key is asked for. */
function modelNodes(key: KeyStatus, now: number, clock: Clock): Node[] {
  const resting =
    key.state.kind === "coolingDown" ? key.state.models.filter(({ untilMs }) => untilMs > now) : [];
  const row = (model: string, description: string, icon: Node["icon"]): Node => {
    const label =
      model === "*" ? l10n.t("all models") : model === "-" ? l10n.t("no model named") : oneLine(model);
    return {
      id: `${key.id} ${model}`,
      label,
      description,
      tooltip: [{ text: label, kind: "strong" }, { text: description }],
      spoken: spokenOf(label, description),
      icon,
      context: "model",
      children: [],
    };
  };
  return [
    ...resting.map(({ model, untilMs, reason }) =>
      row(model, l10n.t("rests until {0} ({1})", clock(untilMs), reasonWords(reason)), {
        glyph: "watch",
        tint: "waiting",
      }),
    ),
    ...key.models
      .filter(({ model }) => !resting.some((rest) => rest.model === model))
      .map((use) =>
        row(
          use.model,
          l10n.t(
            "today: requests {0}, tokens {1}, errors {2}",
            use.requestsToday,
            use.tokensToday,
            use.errorsToday,
          ),
          {
            glyph: "circle-outline",
          },
        ),
      ),
  ];
}

function useLines(live: KeyStatus | undefined): Line[] {
  return live === undefined
    ? []
    : [{ text: [requestsToday(live.usedToday), tokensToday(live.tokensToday)].join(" · ") }];
}

/** Keys of one project share one quota, which nobody would guess. */
function projectLines(pool: Index, key: StoredKey, live: KeyStatus | undefined): Line[] {
  const project = projectOf(key, live);
  if (project === undefined) {
    return [];
  }
  const others = (pool.projects.get(project) ?? []).filter((id) => id !== key.id);
  return [
    { text: l10n.t("project {0}", project) },
    ...(others.length === 0
      ? []
      : [{ text: l10n.t("Same project, one quota: {0}", keyNames(pool, others)) }]),
  ];
}

function keyNames({ view }: Pool, ids: readonly string[]): string {
  const named = ids
    .slice(0, NAMED)
    .map((id) => view.names.key(id))
    .join(l10n.t(", "));
  return ids.length > NAMED ? l10n.t("{0}; and {1} more", named, ids.length - NAMED) : named;
}

function boundWords({ view, instances }: Pool, target: string): string {
  return target === "local" || instances.some(({ id }) => id === target)
    ? l10n.t("bound to {0}", bindingName(target, view.names))
    : l10n.t("bound to {0}, which does not exist", target);
}

function relayNode(pool: Index, instance: InstanceSetting, now: number, clock: Clock): Node {
  const { view } = pool;
  const off = instance.enabled === false;
  const live = pool.status?.instances.find(({ id }) => id === instance.id);
  const label = oneLine(view.names.instance(instance.id));
  const state = relayState(pool, instance, live, now, clock);
  const bound = pool.keys.filter(({ binding }) => binding === instance.id).map(({ id }) => id);
  const description = facts(state, instance.region ?? "");
  return {
    id: instance.id,
    label,
    description,
    tooltip: [
      { text: label, kind: "strong" },
      { text: state || l10n.t("state not known") },
      { text: instance.url },
      ...(live?.health.kind === "up" && live.health.version !== null
        ? [{ text: l10n.t("version {0}", live.health.version) }]
        : []),
      ...(bound.length === 0 ? [] : [{ text: l10n.t("Bound to it: {0}", keyNames(pool, bound)) }]),
      ...problemLines(pool, instance.id),
    ],
    spoken: withState(label, description, state || l10n.t("state not known")),
    icon: !off && isLeftOut(pool, instance.id) ? { glyph: "warning", tint: "bad" } : relayIcon(live, off),
    context: ["relay", off ? "off" : "on"].join("."),
    subject: instance.id,
    children: [],
  };
}

function relayState(
  pool: Index,
  instance: InstanceSetting,
  live: InstanceStatus | undefined,
  now: number,
  clock: Clock,
): string {
  if (instance.enabled === false) {
    return l10n.t("switched off");
  }
  if (live === undefined) {
    // The tooltip says why.
    return isLeftOut(pool, instance.id) ? l10n.t("left out") : "";
  }
  return live.health.kind === "unknown" && pool.status?.mode === "local"
    ? l10n.t("not used in local mode")
    : instanceState(live, now, clock);
}

function relayIcon(live: InstanceStatus | undefined, off: boolean): Node["icon"] {
  if (off) {
    return { glyph: "circle-slash", tint: "off" };
  }
  switch (live?.health.kind) {
    case "up":
      return { glyph: "pass", tint: "good" };
    case "down":
      return { glyph: "error", tint: "bad" };
    case "unknown":
      return { glyph: "circle-outline" };
    case undefined:
      return { glyph: "server-environment" };
  }
}

/** The sidecar has a problem with it and does not use it. */
function isLeftOut({ status, problems }: Index, id: string): boolean {
  return status !== undefined && !status.instances.some((instance) => instance.id === id) && problems.has(id);
}

function problemLines({ problems, view }: Index, subject: string): Line[] {
  return (problems.get(subject) ?? []).map((problem) => ({ text: problemWords(problem, view.names) }));
}

function statusOf({ phase, status }: View): Status | undefined {
  return phase.kind === "running" ? status : undefined;
}
