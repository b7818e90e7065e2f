// Looks whether everything people see is there in both languages: fails on a sentence without a translation, a translation without a
// sentence or left in English, other placeholders, links or pages, and on words that are written past `l10n.t`. `npm run l10n`.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { lookAt } from "./l10n-source.mjs";

const LANGUAGE = "zh-cn";
const PAGES = "media/walkthrough";
/** In package.json, text under such a name is read by people. */
const READ =
  /^(title|shortTitle|description|markdownDescription|displayName|label|name|contextualTitle|contents|altText|tooltip|placeholder|detail|.*[eE]rrorMessage|.*[dD]eprecationMessage|enumDescriptions|markdownEnumDescriptions|enumItemLabels)$/;
/** Read the same in both languages. */
const SAME = new Set(["Gemini Aggregator", "URL", "Gemini: {0} {1}/{2}", "Gemini: {0} · {1}", "{0} of {1}"]);

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) {
  const { sentences, complaints } = check(join(import.meta.dirname, ".."));
  for (const complaint of complaints) {
    process.stderr.write(`${complaint}\n`);
  }
  process.stdout.write(`${sentences} sentences, ${complaints.length} complaints\n`);
  process.exitCode = complaints.length === 0 ? 0 : 1;
}

/** Looks at the extension in a folder. */
export function check(folder) {
  const complaints = [];
  const used = new Map();
  for (const file of sources(join(folder, "src"))) {
    lookAt(file.slice(folder.length + 1), readFileSync(file, "utf8"), { complaints, used });
  }
  compareBundle(folder, used, complaints);
  compareManifest(folder, complaints);
  comparePages(folder, complaints);
  return { sentences: used.size, complaints };
}

function compareBundle(folder, used, complaints) {
  const name = `l10n/bundle.l10n.${LANGUAGE}.json`;
  const bundle = json(folder, name);
  for (const [sentence, where] of used) {
    const translation = bundle[sentence];
    if (!translation) {
      complaints.push(`${where}: not translated: ${JSON.stringify(sentence)}`);
    } else if (holes(sentence) !== holes(translation)) {
      complaints.push(`${where}: other placeholders in the translation of ${JSON.stringify(sentence)}`);
    } else if (isEnglish(sentence, translation)) {
      complaints.push(`${where}: left in English: ${JSON.stringify(sentence)}`);
    }
  }
  for (const sentence of Object.keys(bundle).filter((sentence) => !used.has(sentence))) {
    complaints.push(`${name}: not used: ${JSON.stringify(sentence)}`);
  }
}

/** package.json: every text people read is a `%key%`, and every key is in both files. */
function compareManifest(folder, complaints) {
  const keys = new Set();
  walk(json(folder, "package.json"), (name, value, path) => {
    const key = /^%(.+)%$/.exec(value)?.[1];
    if (key !== undefined) {
      keys.add(key);
    } else if (
      path.includes("contributes") &&
      READ.test(name) &&
      !path.includes("body") &&
      !SAME.has(value)
    ) {
      complaints.push(`package.json: written past the nls files: ${path.join(".")}`);
    }
  });
  const [english, chinese] = ["package.nls.json", `package.nls.${LANGUAGE}.json`].map((file) => {
    const texts = json(folder, file);
    for (const key of [...keys].filter((key) => !texts[key])) {
      complaints.push(`${file}: missing: ${key}`);
    }
    for (const key of Object.keys(texts).filter((key) => !keys.has(key))) {
      complaints.push(`${file}: not used: ${key}`);
    }
    return texts;
  });
  for (const key of [...keys].filter((key) => english[key] && chinese[key])) {
    if (english[key].startsWith(PAGES)) {
      [english[key], chinese[key]]
        .filter((page) => !existsSync(join(folder, page)))
        .forEach((page) => complaints.push(`${page}: missing`));
    } else if (isEnglish(english[key], chinese[key])) {
      complaints.push(`package.nls.${LANGUAGE}.json: left in English: ${key}`);
    } else if (fixed(english[key]) !== fixed(chinese[key])) {
      complaints.push(`package.nls.${LANGUAGE}.json: other links or code: ${key}`);
    }
  }
}

/** The pages of the walkthrough: each in both languages, with the same parts. */
function comparePages(folder, complaints) {
  const under = join(folder, PAGES);
  const pages = existsSync(under) ? readdirSync(under).filter((name) => name.endsWith(".md")) : [];
  const suffix = `.${LANGUAGE}.md`;
  for (const page of pages.filter((name) => !name.endsWith(suffix))) {
    const other = page.replace(/\.md$/, suffix);
    if (!pages.includes(other)) {
      complaints.push(`${PAGES}/${other}: missing`);
      continue;
    }
    const [english, chinese] = [page, other].map((name) => readFileSync(join(under, name), "utf8"));
    if (parts(english) !== parts(chinese)) {
      complaints.push(`${PAGES}/${other}: other headings, points, paragraphs, links or code than ${page}`);
    }
    for (const line of chinese.split("\n").filter((line) => isEnglish(line, line))) {
      complaints.push(`${PAGES}/${other}: left in English: ${line}`);
    }
  }
  for (const page of pages.filter((name) => name.endsWith(suffix))) {
    if (!pages.includes(page.replace(suffix, ".md"))) {
      complaints.push(`${PAGES}/${page}: has no page in English`);
    }
  }
}

/** The kinds of its lines, and what no translation changes. */
function parts(page) {
  const kinds = page.split("\n").map((line) => /^(#+|-|\d\.)? ?\S?/.exec(line)?.[1] ?? (line ? "text" : ""));
  return `${kinds.join()} ${fixed(page)}`;
}

/** Links and code. */
function fixed(text) {
  return [...text.matchAll(/`[^`]+`|\]\([^)]+\)/g)]
    .map(([part]) => part)
    .sort()
    .join(" ");
}

/** There are words to translate, and no Chinese is in what should be the translation. */
function isEnglish(sentence, translation) {
  return !SAME.has(sentence) && /\p{L}{2}/u.test(sentence) && !/\p{Script=Han}/u.test(translation);
}

function walk(value, see, path = []) {
  if (typeof value === "string") {
    const name = path.findLast((part) => !/^\d+$/.test(part)) ?? "";
    see(name, value, path);
  } else if (typeof value === "object" && value !== null) {
    Object.entries(value).forEach(([name, inner]) => walk(inner, see, [...path, name]));
  }
}

function holes(sentence) {
  return [...sentence.matchAll(/\{\d+\}/g)]
    .map(([hole]) => hole)
    .sort()
    .join();
}

function sources(under) {
  return readdirSync(under, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(under, name));
}

function json(folder, name) {
  return JSON.parse(readFileSync(join(folder, name), "utf8"));
}
