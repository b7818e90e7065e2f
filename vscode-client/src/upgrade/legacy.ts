/**
 * What version 1.x left, and what of it means something else now: stored secrets + settings → facts. Reads only; nothing is deleted or
 * rewritten, and 1.x still finds its way in it. What it returns holds no value of a key.
 */

import type { Mode } from "../../../protocol/protocol";
import { urlFault } from "../relayUrl";
import {
  type Binding,
  type SecretStore,
  NAMES,
  Unreadable,
  idsOf,
  isBinding,
  isFields,
  parseBindings,
  parseList,
} from "../secrets";
import { type Inspect, DEFAULTS, SECTION } from "../settings";

/** A binding of 1.x, by ids. */
export type Bound = Pick<Binding, "keyId" | "instanceId">;

/** Something that is different now, or was left over. */
export type Change =
  /** The port is read now. */
  | { code: "port"; port: number }
  /** Never directly, where 1.x went directly; `usable`: instances that can serve. */
  | { code: "serverless"; usable: number }
  /** Never directly without local fallback, where 1.x went directly. */
  | { code: "hybrid" }
  /** On *.deno.dev, by http to another machine, or with another URL that is refused now: names of instances. */
  | { code: "retired" | "plainHttp" | "refusedUrl"; instances: string[] }
  /** A workspace's settings name ours. */
  | { code: "workspace"; places: Place[] }
  /** Bindings take effect; `resting`: not in the mode that is set. */
  | { code: "bindings"; bindings: Bound[]; resting: boolean }
  /** Bindings of a key that is gone, or to an instance that is gone or refused. */
  | { code: "orphans"; bindings: Bound[] }
  /** The value of another id, which counts; or an id that has no value. */
  | { code: "duplicates" | "noValue"; keys: string[] }
  /** The counter is gone; ids are not given twice all the same. */
  | { code: "counter" }
  /** Keys in a setting that neither version uses. */
  | { code: "apiKeys"; count: number }
  /** The timeout holds for the direct way, too. */
  | { code: "timeout"; ms: number }
  /** Secrets whose JSON cannot be read. */
  | { code: "unreadable"; names: string[] };

/** A file of settings, and those of ours that it names. */
export interface Place {
  path: string;
  settings: string[];
}

/** A file that may hold a workspace's settings. */
export interface SettingsFile {
  path: string;
  text: string;
}

/** Everything that is known of a profile in which 1.x was used. */
export interface Legacy {
  /** Different keys with a value. */
  keys: number;
  instances: number;
  /** Those that mean something. */
  bindings: number;
  mode: Mode;
  changes: Change[];
}

interface Stored {
  ids: string[];
  /** By id; leaves this module never. */
  values: Map<string, string>;
  bindings: Bound[];
  counter: string | undefined;
  unreadable: string[];
}

interface Own {
  port: number;
  mode: Mode;
  fallbackToLocal: boolean;
  timeout: number;
  relays: Relay[];
  apiKeys: number;
}

interface Relay {
  id: string;
  name: string;
  url: string;
}

type UrlChange = "retired" | "plainHttp" | "refusedUrl";

/** What is there of 1.x; `undefined`: nothing, so this is a first installation. */
export async function readLegacy(
  store: SecretStore,
  inspect: Inspect,
  files: readonly SettingsFile[],
): Promise<Legacy | undefined> {
  const stored = await readStored(store);
  const own = readOwn(inspect);
  const { ids, bindings, counter, unreadable } = stored;
  // Other settings tell nothing: 2.x has the same ones, and they may have been synced from another machine.
  if (own.apiKeys === 0 && counter === undefined && ids.length + bindings.length + unreadable.length === 0) {
    return undefined;
  }
  const { first, duplicates, noValue } = sortKeys(stored);
  const works = ({ keyId, instanceId }: Bound): boolean =>
    stored.values.has(keyId) &&
    own.relays.some(({ id, url }) => id === instanceId && urlChange(url) === undefined);
  const effective = bindings.filter(works);
  return {
    keys: first.length,
    instances: own.relays.length,
    bindings: effective.length,
    mode: own.mode,
    changes: [
      ...ofSettings(own),
      ...ofUrls(own.relays),
      ...some({ code: "bindings", bindings: effective, resting: own.mode === "local" }, effective),
      ...ofFiles(files),
      ...some(
        { code: "orphans", bindings: bindings.filter((bound) => !works(bound)) },
        bindings.length - effective.length,
      ),
      ...some({ code: "duplicates", keys: duplicates }, duplicates),
      ...some({ code: "noValue", keys: noValue }, noValue),
      ...some({ code: "counter" }, ids.length > 0 && !isCounter(counter) ? 1 : 0),
      ...some({ code: "unreadable", names: unreadable }, unreadable),
    ],
  };
}

/** A text of JSON, or a comment between such. */
const TEXT_OR_COMMENT = /("(?:[^"\\\n]|\\.)*")|\/\/.*|\/\*[\s\S]*?\*\//g;

/** Names of our settings in a text that is JSON with comments, or was meant to be. */
export function settingsIn(text: string): string[] {
  const bare = text.replace(TEXT_OR_COMMENT, (_, kept?: string) => kept ?? "");
  const named = bare.matchAll(new RegExp(`"${SECTION}\\.(\\w+)"\\s*:`, "g"));
  return [...new Set([...named].map(([, name = ""]) => name))];
}

async function readStored(store: SecretStore): Promise<Stored> {
  const unreadable: string[] = [];
  const take = async (name: string, parse: (text: string | undefined) => unknown[]): Promise<unknown[]> => {
    try {
      return parse(await store.get(name));
    } catch (error) {
      if (!(error instanceof Unreadable)) {
        throw error;
      }
      unreadable.push(name);
      return [];
    }
  };
  const ids = idsOf(await take(NAMES.ids, parseList));
  const bindings = (await take(NAMES.bindings, parseBindings)).filter(isBinding);
  const values = new Map<string, string>();
  for (const id of ids) {
    const value = (await store.get(id))?.trim();
    if (value) {
      values.set(id, value);
    }
  }
  return {
    ids,
    values,
    bindings: bindings.map(({ keyId, instanceId }) => ({ keyId, instanceId })),
    counter: await store.get(NAMES.counter),
    unreadable,
  };
}

/** As the user wrote them; of a wrong type: as if they were not there, for the status names them. */
function readOwn(inspect: Inspect): Own {
  const user = (name: string): unknown => inspect(`${SECTION}.${name}`)?.globalValue;
  const number = (name: string, otherwise: number): number => {
    const value = user(name);
    return typeof value === "number" ? value : otherwise;
  };
  const mode = user("deploymentMode");
  const relays = user("serverlessInstances");
  const apiKeys = user("apiKeys");
  return {
    port: number("port", DEFAULTS.port),
    mode: mode === "serverless" || mode === "hybrid" ? mode : "local",
    fallbackToLocal: user("fallbackToLocal") !== false,
    timeout: number("requestTimeout", DEFAULTS.requestTimeout),
    relays: Array.isArray(relays) ? relays.flatMap(readRelay) : [],
    apiKeys: Array.isArray(apiKeys)
      ? apiKeys.filter((key) => typeof key === "string" && key.trim() !== "").length
      : 0,
  };
}

function readRelay(entry: unknown): Relay[] {
  if (!isFields(entry) || typeof entry.id !== "string" || typeof entry.url !== "string") {
    return [];
  }
  const { id, url, name } = entry;
  return [{ id, url, name: typeof name === "string" && name.trim() !== "" ? name.trim() : id }];
}

function sortKeys({ ids, values }: Stored): { first: string[]; duplicates: string[]; noValue: string[] } {
  const there = ids.filter((id) => values.has(id));
  const isFirst = (id: string): boolean => there.find((other) => values.get(other) === values.get(id)) === id;
  return {
    first: there.filter(isFirst),
    duplicates: there.filter((id) => !isFirst(id)),
    noValue: ids.filter((id) => !values.has(id)),
  };
}

function ofSettings({ port, mode, fallbackToLocal, timeout, relays, apiKeys }: Own): Change[] {
  const usable = relays.filter(({ url }) => urlChange(url) === undefined).length;
  return [
    ...some({ code: "port", port }, port === DEFAULTS.port ? 0 : 1),
    ...some({ code: "serverless", usable }, mode === "serverless" ? 1 : 0),
    ...some({ code: "hybrid" }, mode === "hybrid" && !fallbackToLocal ? 1 : 0),
    ...some({ code: "apiKeys", count: apiKeys }, apiKeys),
    ...some({ code: "timeout", ms: timeout }, timeout === DEFAULTS.requestTimeout ? 0 : 1),
  ];
}

function ofUrls(relays: readonly Relay[]): Change[] {
  const codes: UrlChange[] = ["retired", "plainHttp", "refusedUrl"];
  return codes.flatMap((code) => {
    const instances = relays.filter(({ url }) => urlChange(url) === code).map(({ name }) => name);
    return some({ code, instances }, instances);
  });
}

function ofFiles(files: readonly SettingsFile[]): Change[] {
  const places = files
    .map(({ path, text }) => ({ path, settings: settingsIn(text) }))
    .filter(({ settings }) => settings.length > 0);
  return some({ code: "workspace", places }, places);
}

/** 1.x accepted http to anywhere; what was shut down is dead by whatever scheme. */
function urlChange(url: string): UrlChange | undefined {
  const fault = urlFault(url);
  if (fault === "plainHttp") {
    return urlFault(url.replace(/^\s*http:/i, "https:")) === "retired" ? "retired" : fault;
  }
  return fault === undefined || fault === "retired" ? fault : "refusedUrl";
}

/** The next number, as 1.x wrote it. */
function isCounter(text: string | undefined): boolean {
  return text !== undefined && Number.isSafeInteger(Number(text)) && Number(text) > 0;
}

/** The change, if there is anything of it. */
function some(change: Change, of: number | readonly unknown[]): Change[] {
  return (typeof of === "number" ? of : of.length) > 0 ? [change] : [];
}
