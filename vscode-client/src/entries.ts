/**
 * The list `serverlessInstances` as it is written, changed entry by entry. Fields and entries that nobody here understands stay as they
 * are. Pure.
 */

import { type Fields, type InstanceSecrets, isFields, readInstanceSecrets } from "./secrets";

/** Fields of an entry; `undefined` takes one away. */
export interface EntryChange {
  name?: string;
  url?: string;
  region?: string | undefined;
  enabled?: boolean | undefined;
}

/** The setting is no list; a person has to look at it first. */
export class NoList extends Error {
  constructor() {
    super("the setting serverlessInstances is no list");
  }
}

/** The entries of the setting. */
export function entriesOf(written: unknown): unknown[] {
  if (written === undefined) {
    return [];
  }
  if (!Array.isArray(written)) {
    throw new NoList();
  }
  return written;
}

/** The id of an entry that has one. */
export function entryId(entry: unknown): string | undefined {
  return isFields(entry) && typeof entry.id === "string" ? entry.id : undefined;
}

/** With other fields in the entry of this id, the first if there are several. */
export function changeEntry(entries: readonly unknown[], id: string, change: EntryChange): unknown[] {
  const place = entries.findIndex((entry) => entryId(entry) === id);
  return entries.map((entry, index) =>
    index === place ? filled({ ...(entry as Fields), ...change }) : entry,
  );
}

/** Without the entries of this id. */
export function removeEntry(entries: readonly unknown[], id: string): unknown[] {
  return entries.filter((entry) => entryId(entry) !== id);
}

/** With this entry: where the one of its id stands, else at a place, else at the end. */
export function putEntry(entries: readonly unknown[], entry: Fields, at = entries.length): unknown[] {
  const place = entries.findIndex((other) => entryId(other) === entryId(entry));
  return place === -1
    ? entries.toSpliced(Math.min(at, entries.length), 0, entry)
    : entries.with(place, entry);
}

/** Takes out what must not stand there. An entry without an id keeps it: nobody knows whose it is. */
export function takeSecrets(entries: readonly unknown[]): {
  entries: unknown[];
  found: Map<string, InstanceSecrets>;
} {
  const found = new Map<string, InstanceSecrets>();
  const rest = entries.map((entry) => {
    const id = entryId(entry);
    if (!isFields(entry) || id === undefined || !isReadable(entry)) {
      return entry;
    }
    // The first entry of an id is the one that counts.
    if (!found.has(id)) {
      found.set(id, readInstanceSecrets(entry));
    }
    return withoutSecrets(entry);
  });
  return { entries: rest, found };
}

/** The entry as far as it is no secret. */
export function withoutSecrets(entry: Fields): Fields {
  const { token: _, headers: __, ...rest } = entry;
  return rest;
}

/** It holds a token or headers, and all of them can be taken over; what cannot stays where a person sees it. */
function isReadable({ token, headers }: Fields): boolean {
  const fits =
    (token === undefined || typeof token === "string") &&
    (headers === undefined ||
      (isFields(headers) && Object.values(headers).every((value) => typeof value === "string")));
  return fits && (token !== undefined || headers !== undefined);
}

function filled(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
