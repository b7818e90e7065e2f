/**
 * Reads keys out of what a person pasted, and shows a key so that nobody can use it. Pure; keeps nothing.
 */

/** What a paste holds, before anything is stored. */
export interface Paste {
  /** Not in the pool yet, each once, in order. */
  fresh: string[];
  /** In the pool, or named before in this paste. */
  present: number;
  /** Too short to be a key. */
  short: number;
  /** With a character that cannot stand in a key. */
  foreign: number;
}

/** Shorter than this is a slip of the clipboard, whatever its prefix. */
const SHORTEST = 16;
/** From here on both ends of a key may be shown. */
const LONG = 24;
/** Words of a shell that stand before `NAME=value`. */
const SHELL = new Set(["export", "set", "setx", "env", "$env"]);

/** An input box turns line breaks into blanks, so keys are told apart by blanks, commas and semicolons. */
export function readPaste(text: string, pool: Iterable<string>): Paste {
  const known = new Set([...pool].map((key) => key.trim()));
  const paste: Paste = { fresh: [], present: 0, short: 0, foreign: 0 };
  for (const word of words(text)) {
    if (known.has(word)) {
      paste.present += 1;
    } else if (!isPrintable(word)) {
      paste.foreign += 1;
    } else if (word.length < SHORTEST) {
      paste.short += 1;
    } else {
      known.add(word);
      paste.fresh.push(word);
    }
  }
  return paste;
}

/** The ends of a key, in the way the sidecar masks it. */
export function mask(key: string): string {
  const characters = Array.from(key);
  if (characters.length <= 4) {
    return "…";
  }
  if (characters.length < LONG) {
    return `…${characters.slice(-2).join("")}`;
  }
  return `${characters.slice(0, 4).join("")}…${characters.slice(-4).join("")}`;
}

/** Only such characters can stand in a header. */
export function isPrintable(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

function words(text: string): string[] {
  return text
    .split(/[\s,;]+/)
    .filter((word) => !SHELL.has(word.toLowerCase()))
    .map((word) => bare(withoutName(bare(word))))
    .filter((word) => word !== "");
}

/** `NAME=value` → `value`; a key may itself end in `=`. */
function withoutName(word: string): string {
  const named = /^[A-Za-z_$][\w:.-]*=(?=[^=])(.+)$/.exec(word);
  return named?.[1] ?? word;
}

/** Without quotes and brackets around it. */
function bare(word: string): string {
  return word.replace(/^["'`[\](){}<>]+|["'`[\](){}<>]+$/g, "");
}
