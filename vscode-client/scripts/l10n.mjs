// Looks whether everything people see is there in both languages: fails on a sentence without a translation, a translation without a
// sentence, other placeholders, and a sentence that is written past `l10n.t`. `npm run l10n`.
import { readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";

const LANGUAGE = "zh-cn";
/** Properties whose text people read. */
const SHOWN = new Set([
  "title",
  "placeHolder",
  "placeholder",
  "prompt",
  "label",
  "detail",
  "description",
  "tooltip",
  "validationMessage",
  "message",
  "text",
  "name",
  "openLabel",
]);
/** Functions whose texts people read. */
const SAYS = /^(window\.(show\w+|setStatusBarMessage)|say\.\w+|sure|offer)$/;
/** What may stand there untranslated: names of ours, icons, what has no letters. */
const UNTRANSLATED = new Set(["Gemini Aggregator"]);

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
  const found = { folder, complaints: [], used: new Map() };
  for (const file of sources(join(folder, "src"))) {
    const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
    visit(found, source, source);
  }
  compareBundle(found);
  compareManifest(found);
  return { sentences: found.used.size, complaints: found.complaints };
}

function visit(found, node, source) {
  if (ts.isCallExpression(node)) {
    const called = node.expression.getText(source);
    if (called === "l10n.t") {
      use(found, node.arguments[0], source);
    } else if (SAYS.test(called)) {
      node.arguments.forEach((argument) => shown(found, argument, source));
    }
  } else if (ts.isPropertyAssignment(node) && SHOWN.has(node.name.getText(source))) {
    shown(found, node.initializer, source);
  } else if (
    ts.isBinaryExpression(node) &&
    node.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
    ts.isPropertyAccessExpression(node.left) &&
    SHOWN.has(node.left.name.text)
  ) {
    shown(found, node.right, source);
  }
  ts.forEachChild(node, (child) => visit(found, child, source));
}

/** A sentence in English; it has to be there whole. */
function use(found, argument, source) {
  if (argument !== undefined && ts.isStringLiteralLike(argument)) {
    found.used.set(argument.text, place(found, argument, source));
  } else {
    complain(found, argument ?? source, source, "l10n.t wants a sentence and not an expression");
  }
}

/** An expression whose value is shown: no words may come from anywhere but `l10n.t`. */
function shown(found, node, source) {
  if (ts.isStringLiteralLike(node)) {
    hardCoded(found, node, node.text, source);
  } else if (ts.isTemplateExpression(node)) {
    hardCoded(
      found,
      node,
      [node.head, ...node.templateSpans.map(({ literal }) => literal)].map(({ text }) => text).join(" "),
      source,
    );
    node.templateSpans.forEach(({ expression }) => shown(found, expression, source));
  } else if (ts.isConditionalExpression(node)) {
    shown(found, node.whenTrue, source);
    shown(found, node.whenFalse, source);
  } else if (
    ts.isBinaryExpression(node) &&
    [ts.SyntaxKind.PlusToken, ts.SyntaxKind.BarBarToken, ts.SyntaxKind.QuestionQuestionToken].includes(
      node.operatorToken.kind,
    )
  ) {
    shown(found, node.left, source);
    shown(found, node.right, source);
  } else if (ts.isParenthesizedExpression(node)) {
    shown(found, node.expression, source);
  } else if (ts.isArrayLiteralExpression(node)) {
    node.elements.forEach((element) => shown(element, source));
  }
}

function hardCoded(found, node, text, source) {
  const words = text.replace(/\$\([a-z~-]+\)/g, "");
  if (/\p{L}{2}/u.test(words) && !UNTRANSLATED.has(words)) {
    complain(found, node, source, `written past l10n.t: ${JSON.stringify(text)}`);
  }
}

function compareBundle({ folder, complaints, used }) {
  const bundle = json(folder, `l10n/bundle.l10n.${LANGUAGE}.json`);
  for (const [sentence, where] of used) {
    if (!bundle[sentence]) {
      complaints.push(`${where}: not translated: ${JSON.stringify(sentence)}`);
    } else if (holes(sentence) !== holes(bundle[sentence])) {
      complaints.push(`${where}: other placeholders in the translation of ${JSON.stringify(sentence)}`);
    }
  }
  for (const sentence of Object.keys(bundle).filter((sentence) => !used.has(sentence))) {
    complaints.push(`l10n/bundle.l10n.${LANGUAGE}.json: not used: ${JSON.stringify(sentence)}`);
  }
}

/** package.json: every text people read is a `%key%`, and every key is in both files. */
function compareManifest({ folder, complaints }) {
  const manifest = json(folder, "package.json");
  const keys = new Set();
  walk(manifest, (name, value, path) => {
    const key = /^%(.+)%$/.exec(value)?.[1];
    if (key !== undefined) {
      keys.add(key);
    } else if (
      path.includes("contributes") &&
      /^(title|description|markdownDescription|.*[eE]rrorMessage|enumDescriptions)$/.test(name)
    ) {
      complaints.push(`package.json: written past the nls files: ${path.join(".")}`);
    }
  });
  for (const file of ["package.nls.json", `package.nls.${LANGUAGE}.json`]) {
    const texts = json(folder, file);
    for (const key of keys) {
      if (!texts[key]) {
        complaints.push(`${file}: missing: ${key}`);
      }
    }
    for (const key of Object.keys(texts).filter((key) => !keys.has(key))) {
      complaints.push(`${file}: not used: ${key}`);
    }
  }
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

function complain(found, node, source, text) {
  found.complaints.push(`${place(found, node, source)}: ${text}`);
}

function place({ folder }, node, source) {
  const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
  return `${source.fileName.slice(folder.length + 1)}:${line + 1}`;
}

function sources(under) {
  return readdirSync(under, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(under, name));
}

function json(folder, name) {
  return JSON.parse(readFileSync(join(folder, name), "utf8"));
}
