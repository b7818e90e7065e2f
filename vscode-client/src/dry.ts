/**
 * Whether the pool has a key left, and when it has one again. Pure.
 * A model that a project's tier does not include is no drought: that is so for good.
 */

import type { CoolingModel, KeyStatus } from "../../protocol/protocol";

/** Models for which no key is left. */
export interface Dry {
  /** `*`: all of them. */
  models: string[];
  /** When the first key is back. */
  untilMs: number;
  /** Nothing that is in use today can be served. */
  whole: boolean;
}

/** What rests on every key that is not out, if there is such a model. */
export function dryness(keys: readonly KeyStatus[], now: number): Dry | undefined {
  const usable = keys.filter(({ state }) => state.kind === "ready" || state.kind === "coolingDown");
  if (usable.length === 0) {
    return undefined;
  }
  const models = [...new Set(usable.flatMap((key) => cooling(key, now).map(({ model }) => model)))];
  const dry = models.filter((model) => usable.every((key) => endFor(key, model, now) !== undefined));
  if (dry.length === 0) {
    return undefined;
  }
  const ends = dry.flatMap((model) => usable.map((key) => endFor(key, model, now) ?? Infinity));
  const used = new Set([...models, ...usable.flatMap((key) => key.models.map(({ model }) => model))]);
  // Requests that name no model, and models that no key may use, tell nothing about the rest.
  const others = [...used].filter(
    (model) => model !== "-" && model !== "*" && !dry.includes(model) && !isForeign(usable, model),
  );
  return { models: dry, untilMs: Math.min(...ends), whole: dry.includes("*") || others.length === 0 };
}

/** The first end of a rest or of a quarantine that ends by itself. */
export function nextRecovery(keys: readonly KeyStatus[], now: number): number | undefined {
  const ends = keys.flatMap((key) => {
    const { state } = key;
    return state.kind === "quarantined"
      ? [state.untilMs ?? 0]
      : cooling(key, now).map(({ untilMs }) => untilMs);
  });
  const future = ends.filter((end) => end > now);
  return future.length === 0 ? undefined : Math.min(...future);
}

/** Rests for something else than a model it is not entitled to. */
export function rests({ state }: KeyStatus): boolean {
  return state.kind === "coolingDown" && state.models.some(({ reason }) => reason !== "notEntitled");
}

function cooling({ state }: KeyStatus, now: number): CoolingModel[] {
  return state.kind === "coolingDown"
    ? state.models.filter(({ untilMs, reason }) => untilMs > now && reason !== "notEntitled")
    : [];
}

function endFor(key: KeyStatus, model: string, now: number): number | undefined {
  const ends = cooling(key, now).filter((rest) => rest.model === "*" || rest.model === model);
  return ends.length === 0 ? undefined : Math.max(...ends.map(({ untilMs }) => untilMs));
}

function isForeign(keys: readonly KeyStatus[], model: string): boolean {
  return keys.every(
    ({ state }) =>
      state.kind === "coolingDown" &&
      state.models.some((rest) => rest.model === model && rest.reason === "notEntitled"),
  );
}
