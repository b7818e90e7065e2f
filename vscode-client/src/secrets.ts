/**
 * The names and shapes of what lies in SecretStorage, and how each is read. Pure; whoever reads never writes.
 * The first four are those of version 1.x, which still has to find its way in them.
 */

/** What the editor's SecretStorage can do, as far as it is used. */
export interface SecretStore {
  get(name: string): PromiseLike<string | undefined>;
  store(name: string, value: string): PromiseLike<void>;
  delete(name: string): PromiseLike<void>;
  /** Of every window, this one included. */
  onDidChange?: (listener: (change: { key: string }) => void) => { dispose(): unknown };
  /** Editors know it from 1.105 on. */
  keys?: () => PromiseLike<string[]>;
}

/** Names in SecretStorage. They are for ever. */
export const NAMES = {
  /** JSON array of key ids, in the order of adding. */
  ids: "geminiApiKeysIds",
  /** The next number, as text. */
  counter: "geminiApiKeyCounter",
  /** JSON `[{ keyId, instanceId, createdAt }]`, one a key. */
  bindings: "geminiApiKeyBindings",
  /** JSON `{ keyId: { label?, project?, enabled? } }`. */
  meta: "geminiAggregatorKeyMeta",
  /** JSON `{ instanceId: { token?, headers? } }`. */
  instances: "geminiAggregatorInstanceSecrets",
  accessToken: "geminiAggregatorAccessToken",
  pool: "geminiAggregatorPoolId",
} as const;

/** As `keys` and their values are called: `key1`, `key2`, … */
export const KEY_ID = /^key([1-9]\d{0,14})$/;

/** What is known of a key beside its value. */
export interface Meta {
  label?: string;
  project?: string;
  enabled?: boolean;
}

/** A key of the pool. */
export interface StoredKey extends Meta {
  id: string;
  value: string;
  /** An instance id, or `local`. */
  binding?: string;
}

/** What an instance needs and settings must not hold. */
export interface InstanceSecrets {
  token?: string;
  headers?: Record<string, string>;
}

/** An entry of the list of bindings; other fields are kept. */
export interface Binding {
  keyId: string;
  instanceId: string;
  createdAt?: string;
}

/** Everything there is, read at one time. */
export interface Secrets {
  keys: StoredKey[];
  instances: ReadonlyMap<string, InstanceSecrets>;
  accessToken?: string;
  /** Names whose JSON cannot be read; they are left as they are. */
  unreadable: string[];
  /** There is no list of keys at all, not even an empty one. */
  listMissing: boolean;
}

/** JSON that is not what it should be; it is never overwritten. */
export class Unreadable extends Error {
  constructor(readonly secret: string) {
    super(`the secret ${secret} cannot be read`);
  }
}

/** Makes a change, but for JSON that cannot be read: that stays as it is. */
export async function whereReadable(change: () => Promise<void>): Promise<void> {
  try {
    await change();
  } catch (error) {
    if (!(error instanceof Unreadable)) {
      throw error;
    }
  }
}

/** A plain object of JSON. */
export type Fields = Record<string, unknown>;

/** Entries as they lie there; what is no id of a key is kept for whoever wrote it. */
export function parseList(text: string | undefined): unknown[] {
  return parse(NAMES.ids, text, [], Array.isArray);
}

/** The ids in a list, in order, each once. */
export function idsOf(list: readonly unknown[]): string[] {
  return [...new Set(list.filter((id): id is string => typeof id === "string" && KEY_ID.test(id)))];
}

/** Entries as they lie there; those that mean nothing are kept for whoever wrote them. */
export function parseBindings(text: string | undefined): unknown[] {
  return parse(NAMES.bindings, text, [], Array.isArray);
}

/** An object keyed by id, of `meta` or `instances`. */
export function parseObject(name: string, text: string | undefined): Fields {
  return parse(name, text, {}, isFields);
}

/** The entry means something. */
export function isBinding(entry: unknown): entry is Binding {
  return isFields(entry) && typeof entry.keyId === "string" && typeof entry.instanceId === "string";
}

/** A plain object. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The known fields of one key's meta, those of the right type. */
export function readMeta(entry: unknown): Meta {
  if (!isFields(entry)) {
    return {};
  }
  const { label, project, enabled } = entry;
  return {
    ...(typeof label === "string" && label !== "" ? { label } : {}),
    ...(typeof project === "string" && project !== "" ? { project } : {}),
    ...(typeof enabled === "boolean" ? { enabled } : {}),
  };
}

/** The known fields of one instance's secrets, those of the right type. */
export function readInstanceSecrets(entry: unknown): InstanceSecrets {
  if (!isFields(entry)) {
    return {};
  }
  const { token, headers } = entry;
  const texts = isFields(headers)
    ? Object.entries(headers).filter((pair): pair is [string, string] => typeof pair[1] === "string")
    : [];
  return {
    ...(typeof token === "string" && token !== "" ? { token } : {}),
    ...(texts.length > 0 ? { headers: Object.fromEntries(texts) } : {}),
  };
}

function parse<T>(name: string, text: string | undefined, none: T, fits: (value: unknown) => value is T): T {
  if (text === undefined) {
    return none;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Unreadable(name);
  }
  if (!fits(value)) {
    throw new Unreadable(name);
  }
  return value;
}
