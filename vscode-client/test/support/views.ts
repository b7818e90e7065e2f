/**
 * Views as a test wants them: a leader with nothing in it, and what is said otherwise.
 */

import type { CoolingModel, InstanceStatus, KeyState, KeyStatus, Status } from "../../../protocol/protocol";
import type { View } from "../../src/view";

export const NOW = Date.UTC(2026, 10, 25, 14, 0);
export const MINUTE = 60_000;

/** 14:05 for five minutes after `NOW`, wherever the test runs. */
export const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 16);

export function status(some: Partial<Status> = {}): Status {
  return {
    appliedRevision: 1,
    rejectedRevision: null,
    version: "2.0.0",
    mode: "local",
    activeInstances: 0,
    role: { kind: "leader", port: 3145 },
    instances: [],
    keys: [],
    problems: [],
    ...some,
  };
}

export function view(of: Partial<Status> | undefined, some: Partial<View> = {}): View {
  return {
    phase: { kind: "running" },
    applying: false,
    problems: [],
    names: { key: (id) => `name of ${id}`, instance: (id) => id, isOff: (id) => id.startsWith("off") },
    settings: { port: 3145, fallbackToLocal: true },
    ...(of === undefined ? {} : { status: status(of) }),
    ...some,
  };
}

export function key(id: string, state: KeyState = { kind: "ready" }, models: string[] = []): KeyStatus {
  const use = { requestsMinute: 0, tokensMinute: 0, requestsToday: 1, tokensToday: 1, errorsToday: 0 };
  return {
    id,
    inFlight: 0,
    usedToday: 0,
    tokensToday: 0,
    project: null,
    models: models.map((model) => ({ model, ...use })),
    state,
  };
}

export const keys = (count: number): KeyStatus[] =>
  Array.from({ length: count }, (_, index) => key(`key${String(index + 1)}`));

/** Rests: model, minutes, reason. */
export function rest(...models: [string, number, CoolingModel["reason"]?][]): KeyState {
  return {
    kind: "coolingDown",
    models: models.map(([model, minutes, reason]) => ({
      model,
      untilMs: NOW + minutes * MINUTE,
      reason: reason ?? "perMinute",
    })),
  };
}

export function out(minutes?: number): KeyState {
  return {
    kind: "quarantined",
    reason: "rejected",
    sinceMs: NOW,
    untilMs: minutes === undefined ? null : NOW + minutes * MINUTE,
  };
}

export const up = (id: string): InstanceStatus => ({
  id,
  health: { kind: "up", latencyMs: 84, version: "2.0.0", legacy: false },
});
export const down = (id: string): InstanceStatus => ({
  id,
  health: { kind: "down", sinceMs: NOW, nextTryMs: NOW + MINUTE, reason: "unreachable" },
});
