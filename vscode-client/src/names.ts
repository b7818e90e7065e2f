/**
 * How keys and instances are called in front of people. Never shows a key in full, and never lets a label turn into anything but text.
 */

import { l10n } from "./l10n";
import { mask } from "./paste";
import type { Secrets, StoredKey } from "./secrets";
import type { Settings } from "./settings";

/** Has no width and no meaning. */
const GAP = "\u200b";

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
    key: (id) => keys.get(id) ?? plain(id),
    instance: (id) => plain(instances.get(id)?.name ?? "") || plain(id),
    isOff: (id) => instances.get(id)?.enabled === false,
  };
}

/** `work (AIza…1234)`, or the masked key alone. */
export function nameOf({ label, value }: StoredKey): string {
  const masked = mask(value.trim());
  const name = plain(label ?? "");
  return name === "" ? masked : `${name} (${masked})`;
}

/** The way that a key is bound to. */
export function bindingName(binding: string, names: Names): string {
  return binding === "local" ? l10n.t("the direct way") : names.instance(binding);
}

/**
 * Text that stays text wherever the editor shows it: on one line, in the order in which it was written, and with a gap that nobody sees
 * where `$(name)` would become an icon in a row and `[text](address)` a link in a message.
 */
export function plain(text: string): string {
  return oneLine(text)
    .replace(/[\p{Cc}\p{Bidi_Control}]/gu, "")
    .trim()
    .replace(/\$\(/g, `$${GAP}(`)
    .replace(/\]\(/g, `]${GAP}(`);
}

/** Text on one line. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** The text as it was written, for places where all text is text. */
export function withoutGaps(text: string): string {
  return text.replaceAll(GAP, "");
}
