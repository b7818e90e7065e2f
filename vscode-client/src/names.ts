/**
 * How keys and instances are called in front of people. Never shows a key in full, and never lets a label turn into an icon.
 */

import { l10n } from "./l10n";
import { mask } from "./paste";
import type { Secrets, StoredKey } from "./secrets";
import type { Settings } from "./settings";

/** Names by id. */
export interface Names {
  key(id: string): string;
  instance(id: string): string;
  /** Switched off in the settings. */
  isOff(instanceId: string): boolean;
}

/** The names in force. */
export function namesOf(settings: Settings, secrets: Secrets): Names {
  const keys = new Map(secrets.keys.map((key) => [key.id, nameOf(key)]));
  const instances = new Map(settings.serverlessInstances.map((instance) => [instance.id, instance]));
  return {
    key: (id) => keys.get(id) ?? id,
    instance: (id) => instances.get(id)?.name?.trim() || id,
    isOff: (id) => instances.get(id)?.enabled === false,
  };
}

/** `work (AIza…1234)`, or the masked key alone. */
export function nameOf({ label, value }: StoredKey): string {
  const masked = mask(value.trim());
  return label === undefined ? masked : `${label} (${masked})`;
}

/** The way that a key is bound to. */
export function bindingName(binding: string, names: Names): string {
  return binding === "local" ? l10n.t("the direct way") : names.instance(binding);
}

/** Text for a place where the editor would turn `$(name)` into an icon; on one line. */
export function plain(text: string): string {
  return text.replace(/\s+/g, " ").replace(/\$\(/g, "\\$(");
}
