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
  /** Values of variables that are called something else. */
  other: number;
}

/** Shorter than this is a slip of the clipboard, whatever its prefix. */
const SHORTEST = 16;
/** From here on both ends of a key may be shown. */
const LONG = 24;
/** Words of a shell that stand before `NAME=value`. */
const SHELL = new Set(["export", "set", "setx", "env", "$env", "const", "let", "var"]);
/** What no key holds: blanks of any width, quotes, brackets, and what lists are made with in Latin and in Chinese. */
const BETWEEN = /([\s,;，；、"'`“”‘’「」『』[\](){}<>]+)/;
const LISTED = /[,;，；、]/;
/** What pages and chats leave in a text that is copied from them. */
const UNSEEN = /[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
/** Google's keys; a variable of whatever name may hold one. */
const GOOGLES = /^(AIza|AQ\.)/;
/** Parts of names that say nothing about whose key it is. */
const NAMELESS = new Set(["", "MY", "AI", "API", "APIKEY", "APIKEYS", "KEY", "KEYS"]);

/**
 * An input box turns line breaks into blanks, so keys are told apart by what stands between them. Of a file of variables only those are
 * taken that can be Gemini keys: whatever is added is sent to Google.
 */
export function readPaste(text: string, pool: Iterable<string>): Paste {
  const known = new Set([...pool].map((key) => key.trim()));
  const paste: Paste = { fresh: [], present: 0, short: 0, foreign: 0, other: 0 };
  const found = words(text);
  const isFile = found.some(({ name }) => name !== undefined);
  for (const { name, value } of found) {
    const isNamed = GOOGLES.test(value) || (name !== undefined && isKeyName(name));
    if (known.has(value)) {
      paste.present += 1;
    } else if (isFile && !isNamed) {
      // Without any name it is a word of a comment.
      paste.other += name === undefined ? 0 : 1;
    } else if (!isPrintable(value) || /:\/\/|\\/.test(value)) {
      paste.foreign += 1;
    } else if (value.length < SHORTEST) {
      paste.short += 1;
    } else {
      known.add(value);
      paste.fresh.push(value);
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

interface Word {
  /** What it is called where it stands: `NAME=value`, `"name": "value"`, `setx NAME value`. */
  name: string | undefined;
  value: string;
}

function words(text: string): Word[] {
  const found: Word[] = [];
  const parts = text.replace(UNSEEN, "").split(BETWEEN);
  let name: string | undefined;
  // Every second one is what stands between two words.
  for (let index = 0; index < parts.length; index += 2) {
    const part = parts[index] ?? "";
    const [, own, value = part] = /^([A-Za-z_$][\w:.-]*)=(?!=)(.+)$/.exec(part) ?? [];
    if (own === undefined && (isName(part) || /^[=:]/.test(parts[index + 2] ?? ""))) {
      name = part.replace(/[=:]+$/, "");
    } else if (/[^=:]/.test(part) && !SHELL.has(part.toLowerCase())) {
      name = own ?? name;
      found.push({ name, value: value.replace(/^[=:]+/, "") });
      // What follows in a list has the same name.
      name = LISTED.test(parts[index + 1] ?? "") ? name : undefined;
    }
  }
  return found;
}

/** `name:`, `api_key=`, or `GEMINI_API_KEY` by itself. A key may end in `=`. */
function isName(part: string): boolean {
  const bare = part.replace(/=$/, "").replace(/^\$env:/i, "");
  return (
    part.endsWith(":") ||
    /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/.test(bare) ||
    (part.endsWith("=") && /^(\w+_)?(api_?)?keys?(_?\d+)?$/i.test(bare))
  );
}

/** Of a key of Gemini's, or of nobody in particular. */
function isKeyName(name: string): boolean {
  const spoken = name.replace(/^\$?env:/i, "").replace(/([a-z])([A-Z])/g, "$1_$2");
  const parts = spoken.toUpperCase().split(/[^A-Z]+/);
  const isKey = parts.some((part) => part.includes("KEY"));
  return isKey && (/GEMINI|GOOGLE|GENAI/i.test(spoken) || parts.every((part) => NAMELESS.has(part)));
}
