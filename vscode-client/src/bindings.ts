/**
 * What it means for a key to be bound, in the mode in force. Pure.
 */

import type { Mode } from "../../protocol/protocol";
import { l10n } from "./l10n";

/** Where a key may be bound to: an instance, the direct way, or nowhere. */
export type Way = { kind: "instance"; id: string; off: boolean } | { kind: "local" } | { kind: "none" };

/** What this way means for a key now. */
export function wayMeans(way: Way, mode: Mode, fallbackToLocal: boolean): string {
  switch (way.kind) {
    case "local":
      return localMeans(mode);
    case "none":
      return noneMeans(mode, fallbackToLocal);
    case "instance":
      return way.off && mode !== "local"
        ? offMeans(mode, fallbackToLocal)
        : instanceMeans(mode, fallbackToLocal);
  }
}

function instanceMeans(mode: Mode, fallbackToLocal: boolean): string {
  if (mode === "local") {
    return l10n.t("Without effect in local mode: every request goes directly.");
  }
  return mode === "hybrid" && fallbackToLocal
    ? l10n.t("Its requests leave by this instance; while it is down, directly.")
    : l10n.t("Its requests leave by this instance only; while it is down, the key rests.");
}

function offMeans(mode: Mode, fallbackToLocal: boolean): string {
  return mode === "hybrid" && fallbackToLocal
    ? l10n.t("This instance is switched off: the key goes directly until it is on.")
    : l10n.t("This instance is switched off: the key rests until it is on.");
}

function localMeans(mode: Mode): string {
  switch (mode) {
    case "local":
      return l10n.t("Nothing changes in local mode: every request goes directly.");
    case "serverless":
      return l10n.t("Takes no part in serverless mode, which never goes directly.");
    case "hybrid":
      return l10n.t("Its requests go directly, never by an instance.");
  }
}

function noneMeans(mode: Mode, fallbackToLocal: boolean): string {
  switch (mode) {
    case "local":
      return l10n.t("Its requests go directly.");
    case "serverless":
      return l10n.t("Its requests take the active instances in turn.");
    case "hybrid":
      return fallbackToLocal
        ? l10n.t("Its requests take the active instances in turn, then go directly.")
        : l10n.t("Its requests take the active instances in turn.");
  }
}
