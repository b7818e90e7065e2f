/**
 * The list `serverlessInstances` as it is written, changed entry by entry. Fields and entries that nobody here understands stay as they
 * are. Pure.
 */

import { l10n } from "./l10n";
import { type Fields, isFields } from "./secrets";
import { SECTION } from "./settings";

/** Fields of an entry; `undefined` takes one away. */
export interface EntryChange {
  name?: string;
  url?: string;
  region?: string | undefined;
  enabled?: boolean | undefined;
}

/** The setting is no list; a person has to look at it first. Its message is for that person. */
export class NoList extends Error {
  constructor() {
    super(l10n.t("{0} is no list. Correct it first.", `${SECTION}.serverlessInstances`));
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

/** The entry as far as it is no secret. */
export function withoutSecrets(entry: Fields): Fields {
  const { token: _, headers: __, ...rest } = entry;
  return rest;
}

function filled(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
