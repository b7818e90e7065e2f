/**
 * What a paste holds, in words. Pure.
 */

import { l10n } from "./l10n";
import type { Paste } from "./paste";

/** Why a paste adds nothing, in a sentence; with several reasons, what they are. */
export function nothingNew(paste: Paste): string {
  const { present, short, foreign, other } = paste;
  switch (true) {
    case other > 0:
      return l10n.t("There is no new key in this: {0}.", reasons(paste).join(l10n.t(", ")));
    case present + short + foreign === 0:
      return l10n.t("There is no key in this.");
    case short + foreign === 0:
      return present === 1 ? l10n.t("This key is there already.") : l10n.t("These keys are there already.");
    case present + foreign === 0:
      return l10n.t("That is too short for a key.");
    case present + short === 0:
      return l10n.t("No key has such characters.");
    default:
      return l10n.t("There is no new key in this: {0}.", reasons(paste).join(l10n.t(", ")));
  }
}

/** `12 new, 1 already there, 1 too short`. */
export function counts(paste: Paste): string {
  return [l10n.t("{0} new", paste.fresh.length), ...reasons(paste)].join(l10n.t(", "));
}

function reasons({ present, short, foreign, other }: Paste): string[] {
  return [
    ...(present > 0 ? [l10n.t("{0} already there", present)] : []),
    ...(short > 0 ? [l10n.t("{0} too short", short)] : []),
    ...(foreign > 0 ? [l10n.t("{0} with characters that no key has", foreign)] : []),
    ...(other > 0 ? [l10n.t("{0} not named as a Gemini key", other)] : []),
  ];
}
