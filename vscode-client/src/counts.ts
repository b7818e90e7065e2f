/**
 * What a paste holds, in words. Pure.
 */

import { l10n } from "./l10n";
import type { Paste } from "./paste";

/** `12 new, 1 already there, 1 too short`. */
export function counts({ fresh, present, short, foreign }: Paste): string {
  return [
    l10n.t("{0} new", fresh.length),
    ...(present > 0 ? [l10n.t("{0} already there", present)] : []),
    ...(short > 0 ? [l10n.t("{0} too short", short)] : []),
    ...(foreign > 0 ? [l10n.t("{0} with characters that no key has", foreign)] : []),
  ].join(l10n.t(", "));
}
