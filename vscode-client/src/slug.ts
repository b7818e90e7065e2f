/**
 * Makes the id of a new instance from its name. Pure; an id is for ever, so it never repeats one that anything still refers to.
 */

/** An id stands in bindings and in every line of the log. */
const LONGEST = 24;
/** For names without a letter that fits. */
const NAMELESS = "instance";
/** What the direct way is called. */
const RESERVED = "local";

/** A short id, in small letters, digits and hyphens; none of those taken, and never `local`. */
export function slugOf(name: string, taken: Iterable<string>): string {
  const used = new Set([RESERVED, ...taken]);
  const slug =
    cut(
      name
        .normalize("NFKD")
        .replace(/\p{M}/gu, "")
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "-"),
      LONGEST,
    ) || NAMELESS;
  let id = slug;
  for (let number = 2; used.has(id); number += 1) {
    const end = `-${String(number)}`;
    id = cut(slug, LONGEST - end.length) + end;
  }
  return id;
}

function cut(text: string, length: number): string {
  return text.replace(/^-+/, "").slice(0, length).replace(/-+$/, "");
}
