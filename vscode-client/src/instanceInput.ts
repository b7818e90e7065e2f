/**
 * What is said below the boxes in which an instance is entered. Pure. An error keeps the box open, all else is advice.
 */

import { l10n } from "./l10n";
import { normalUrl, urlFault, urlFaultWords } from "./relayUrl";

/** A line below a box. */
export interface Advice {
  severity: "error" | "warning" | "info";
  text: string;
}

/** Relays of this project take no shorter token. */
export const TOKEN_LENGTH = 24;
/** Longer names do not fit where they are shown. */
export const LONGEST_NAME = 100;
export const LONGEST_REGION = 50;
/** Those that make up the request or carry the key; the sidecar refuses them too. */
const RESERVED_HEADERS = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "te",
  "trailer",
  "upgrade",
  "keep-alive",
  "x-goog-api-key",
  "x-relay-token",
  "accept-encoding",
  "expect",
]);
const LOGS_PROMPTS = "gateway.ai.cloudflare.com";

/** A name; `others` are those of the other instances. */
export function adviseName(text: string, others: readonly string[]): Advice | undefined {
  const name = text.trim();
  if (name === "") {
    return error(l10n.t("A name is needed."));
  }
  if (others.some((other) => other.trim().toLowerCase() === name.toLowerCase())) {
    return warning(l10n.t("Another instance has this name already."));
  }
  return name.length > LONGEST_NAME
    ? warning(l10n.t("Names of more than {0} characters are hard to read.", LONGEST_NAME))
    : undefined;
}

/** A URL; `others` are those of the other instances. */
export function adviseUrl(text: string, others: readonly string[]): Advice | undefined {
  if (text.trim() === "") {
    return error(l10n.t("A URL is needed."));
  }
  const fault = urlFault(text);
  if (fault !== undefined) {
    return error(urlFaultWords(fault));
  }
  if (others.some((other) => normalUrl(other) === normalUrl(text))) {
    return warning(l10n.t("Another instance has this URL already."));
  }
  if (new URL(text.trim()).hostname === LOGS_PROMPTS) {
    return warning(
      l10n.t(
        "Cloudflare's AI Gateway keeps prompts and answers in its log unless you switch that off there.",
      ),
    );
  }
  return undefined;
}

/** A token; none is fine. */
export function adviseToken(text: string): Advice | undefined {
  const token = text.trim();
  if (token === "") {
    return undefined;
  }
  if (!isSendable(token)) {
    return error(l10n.t("There is a character in it that cannot be sent."));
  }
  return token.length < TOKEN_LENGTH
    ? warning(
        l10n.t(
          "Its length is {0}; relays of this extension take tokens of {1} characters and more.",
          token.length,
          TOKEN_LENGTH,
        ),
      )
    : undefined;
}

/** The name of an extra header; none is fine. */
export function adviseHeaderName(text: string): Advice | undefined {
  const name = text.trim();
  if (name === "") {
    return undefined;
  }
  if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) {
    return error(l10n.t("This is no name of a header: letters, digits and hyphens."));
  }
  return RESERVED_HEADERS.has(name.toLowerCase())
    ? error(l10n.t("This header is set by the server itself."))
    : undefined;
}

/** The value of an extra header. */
export function adviseHeaderValue(text: string): Advice | undefined {
  if (text.trim() === "") {
    return error(l10n.t("A value is needed."));
  }
  return isSendable(text.trim())
    ? undefined
    : error(l10n.t("There is a character in it that cannot be sent."));
}

/** A region; none is fine. */
export function adviseRegion(text: string): Advice | undefined {
  return text.trim().length > LONGEST_REGION
    ? warning(l10n.t("Regions of more than {0} characters are hard to read.", LONGEST_REGION))
    : undefined;
}

/** Such characters can stand in a header. */
function isSendable(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

function error(text: string): Advice {
  return { severity: "error", text };
}

function warning(text: string): Advice {
  return { severity: "warning", text };
}
