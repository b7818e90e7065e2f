/**
 * Which URLs an instance may have: the sidecar's rules over again, so that a person hears of a mistake while typing. A check before the
 * check: the sidecar is the one that decides. Pure; asks no name server.
 */

import { l10n } from "./l10n";

/** Why a URL is not accepted. */
export type UrlFault =
  "malformed" | "scheme" | "plainHttp" | "credentials" | "query" | "fragment" | "offLimits" | "retired";

/** Where clouds keep the credentials of their machines. */
const METADATA = new Set([
  "metadata",
  "metadata.google.internal",
  "instance-data",
  "metadata.azure.internal",
]);
const METADATA_V4 = "100.100.100.200";
const METADATA_V6 = [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254].join();
/** Deno Deploy Classic, shut down on 2026-07-20. */
const RETIRED = ".deno.dev";

/** What is wrong with it; `undefined`: nothing. */
export function urlFault(text: string): UrlFault | undefined {
  const url = parse(text);
  if (url === undefined || url.hostname === "") {
    return "malformed";
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    return "scheme";
  }
  // A mark without anything behind it is refused as well.
  const fault = text.includes("@")
    ? "credentials"
    : text.includes("#")
      ? "fragment"
      : text.includes("?")
        ? "query"
        : undefined;
  if (fault !== undefined) {
    return fault;
  }
  if (isOffLimits(url.hostname)) {
    return "offLimits";
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    return "plainHttp";
  }
  return url.hostname.endsWith(RETIRED) ? "retired" : undefined;
}

/** As requests use it: without blanks around it and slashes at its end. Two URLs are the same if this is. */
export function normalUrl(text: string): string {
  const url = parse(text);
  return url === undefined ? text.trim() : `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
}

/** The fault in a sentence. */
export function urlFaultWords(fault: UrlFault): string {
  const words: Record<UrlFault, () => string> = {
    malformed: () => l10n.t("This is no URL: https://name.example"),
    scheme: () => l10n.t("A URL with https is needed."),
    plainHttp: () =>
      l10n.t("Without https others could read your keys; http is accepted on this machine only."),
    credentials: () =>
      l10n.t("A URL with credentials or an @ is not accepted. A token has a field of its own."),
    query: () => l10n.t("A URL with a ? is not accepted."),
    fragment: () => l10n.t("A URL with a # is not accepted."),
    offLimits: () =>
      l10n.t("No relay lives at this address: it is link-local, or holds credentials of a cloud machine."),
    retired: () =>
      l10n.t(
        "Deno Deploy Classic (*.deno.dev) was shut down on 2026-07-20. Deploy your relay to the new Deno Deploy, or elsewhere; its address is then another one.",
      ),
  };
  return words[fault]();
}

/** On this machine. */
export function isLoopback(hostname: string): boolean {
  const v4 = v4Of(hostname);
  return hostname === "localhost" || (v4 === undefined ? hostname === "[::1]" : v4[0] === 127);
}

function isOffLimits(hostname: string): boolean {
  const v4 = v4Of(hostname);
  if (v4 !== undefined) {
    const [a = 0, b = 0] = v4;
    const text = v4.join(".");
    return (
      (a === 169 && b === 254) ||
      text === "0.0.0.0" ||
      text === "255.255.255.255" ||
      (a >= 224 && a < 240) ||
      text === METADATA_V4
    );
  }
  const v6 = v6Of(hostname);
  if (v6 !== undefined) {
    const [first = 0] = v6;
    return (
      v6.every((group) => group === 0) ||
      first >= 0xff00 ||
      (first >= 0xfe80 && first < 0xfec0) ||
      v6.join() === METADATA_V6
    );
  }
  return METADATA.has(hostname.replace(/\.+$/, ""));
}

/** The four numbers of an IPv4 address, also of one in the clothes of IPv6. */
function v4Of(hostname: string): number[] | undefined {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(hostname)) {
    return hostname.split(".").map(Number);
  }
  const v6 = v6Of(hostname);
  if (v6?.slice(0, 6).join() !== "0,0,0,0,0,65535") {
    return undefined;
  }
  return v6.slice(6).flatMap((group) => [group >> 8, group & 0xff]);
}

/** The eight groups of an IPv6 address, which stands in brackets and in its shortest form. */
function v6Of(hostname: string): number[] | undefined {
  const inside = /^\[(.+)\]$/.exec(hostname)?.[1];
  if (inside === undefined) {
    return undefined;
  }
  const [head = [], tail = []] = inside
    .split("::")
    .map((part) => part.split(":").filter((group) => group !== ""));
  const gap = Array.from({ length: 8 - head.length - tail.length }, () => "0");
  return [...head, ...gap, ...tail].map((group) => parseInt(group, 16));
}

function parse(text: string): URL | undefined {
  return URL.canParse(text.trim()) ? new URL(text.trim()) : undefined;
}
