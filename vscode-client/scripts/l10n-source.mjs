// Which sentences a source file gives to `l10n.t`, and which words it writes past it. Two nets: where the editor shows something, no word
// may come from anywhere but `l10n.t`; and everywhere else nothing that reads like words may stand, but in the log.
import ts from "typescript";

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
  "validateInput",
  "message",
  "text",
  "name",
  "openLabel",
  "saveLabel",
  "spoken",
  "ariaLabel",
  "accessibilityInformation",
]);
/** Functions and constructors whose texts people read, by the last part of their name. */
const SAYS = new Set([
  "showInformationMessage",
  "showWarningMessage",
  "showErrorMessage",
  "showQuickPick",
  "showInputBox",
  "setStatusBarMessage",
  "appendText",
  "appendMarkdown",
  "MarkdownString",
  "TreeItem",
  "info",
  "warning",
  "error",
  "sure",
  "offer",
]);
/** Calls whose words go to the log, which is in English like the sidecar's lines in it. */
const LOG = /(^|\.)log\.\w+$/;
/** What may stand anywhere: names, and what no person reads. */
const NAMES = new Set([
  "Gemini Aggregator",
  // Clients, as they call themselves, and what is pasted there.
  "Cline",
  "Kilo Code, OpenCode",
  "Zoo Code",
  "Continue",
  "Gemini CLI",
  "VS Code Chat",
  "OpenAI SDKs",
  "provider: gemini",
  // In the log, put there by the client library.
  "the connection to the sidecar closed",
  "what the sidecar says cannot be read, or it does not hear",
  // Of errors that are caught, or are mistakes of ours.
  "it was ended before it began",
  "the settings were not read yet",
  "the secret … cannot be read",
  // What Node calls an error of macOS.
  "Unknown system error -86",
  // A line of a report that holds nothing but the name and numbers.
  "- Gemini Aggregator …, …",
]);
/** Stands for what is inserted into a text. */
const HOLE = "…";
/** Reads like words: two of them, one with a capital, one beside a space, or Chinese. */
const WORDS =
  /[A-Za-z]{2,}[,;:.]? +[A-Za-z]|(^|[\s(])[A-Z][a-z]+(?=[\s,.!?:;)…]|$)|\s[A-Za-z]{2,}(?=\s|$)|^[A-Za-z]{2,}\s|\p{Script=Han}/u;

/** Adds the sentences and the complaints of one file. */
export function lookAt(name, text, found) {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  visit({ ...found, source, constants: constantsOf(source), seen: new Set() }, source);
}

/** What constants of the file hold, by their name. */
function constantsOf(source) {
  const constants = new Map();
  const look = (node) => {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer) {
      constants.set(node.name.text, node.initializer);
    }
    ts.forEachChild(node, look);
  };
  look(source);
  return constants;
}

function visit(found, node) {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || ts.isTypeNode(node)) {
    return;
  }
  if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
    const called = node.expression.getText(found.source).replace(/\s+/g, "");
    if (called === "l10n.t") {
      sentence(found, node);
      return;
    }
    if (LOG.test(called)) {
      node.arguments.forEach((argument) => inLog(found, argument));
      return;
    }
    if (SAYS.has(called.split(".").at(-1))) {
      node.arguments?.forEach((argument) => shown(found, argument));
    }
  } else if (ts.isPropertyAssignment(node) && SHOWN.has(nameOf(node.name))) {
    shown(found, node.initializer);
  } else if (ts.isShorthandPropertyAssignment(node) && SHOWN.has(node.name.text)) {
    shown(found, node.name);
  } else if (ts.isBinaryExpression(node) && isAssignment(node) && SHOWN.has(targetOf(node.left))) {
    shown(found, node.right);
  }
  stray(found, node);
  ts.forEachChild(node, (child) => visit(found, child));
}

/** A call of `l10n.t`: the sentence has to be there whole, with something for each of its holes. */
function sentence(found, call) {
  const [first, ...rest] = call.arguments;
  if (first === undefined || !ts.isStringLiteralLike(first)) {
    complain(found, first ?? call, "l10n.t wants a sentence and not an expression");
    return;
  }
  found.used.set(first.text, place(found, first));
  const holes = [...first.text.matchAll(/\{(\d+)\}/g)].map(([, number]) => Number(number) + 1);
  if (!rest.some(ts.isSpreadElement) && rest.length !== Math.max(0, ...holes)) {
    complain(found, first, `another number of values than of places: ${JSON.stringify(first.text)}`);
  }
  rest.forEach((argument) => {
    shown(found, argument);
    visit(found, argument);
  });
}

/** Words may be there, and calls among them are looked at. */
function inLog(found, node) {
  if (ts.isCallExpression(node)) {
    visit(found, node);
  } else {
    ts.forEachChild(node, (child) => inLog(found, child));
  }
}

/** An expression whose value is shown: no words may come from anywhere but `l10n.t`. */
function shown(found, node) {
  if (found.seen.has(node)) {
    return;
  }
  found.seen.add(node);
  const each = (nodes) => nodes.forEach((inner) => shown(found, inner));
  if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) {
    const text = textOf(node);
    if (/\p{L}{2}/u.test(bare(text)) && !NAMES.has(text)) {
      complain(found, node, `written past l10n.t: ${JSON.stringify(text)}`);
    }
    each(node.templateSpans?.map(({ expression }) => expression) ?? []);
  } else if (ts.isConditionalExpression(node)) {
    each([node.whenTrue, node.whenFalse]);
  } else if (ts.isBinaryExpression(node)) {
    if (JOINS.has(node.operatorToken.kind)) {
      each([node.left, node.right]);
    }
  } else if (ts.isArrowFunction(node) || ts.isFunctionExpression(node)) {
    each(ts.isBlock(node.body) ? returnsOf(node.body) : [node.body]);
  } else if (ts.isIdentifier(node)) {
    each([found.constants.get(node.text)].filter((held) => held !== undefined && isText(held)));
  } else if (ts.isArrayLiteralExpression(node)) {
    each(node.elements);
  } else if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    // `[…].join(" ")`, `"…".concat(…)`: what is joined, and with what.
    const of = node.expression.expression;
    if (isText(of) || ts.isArrayLiteralExpression(of)) {
      each([of, ...node.arguments]);
    }
  } else if (
    node.expression !== undefined &&
    !ts.isCallExpression(node) &&
    !ts.isPropertyAccessExpression(node)
  ) {
    // In brackets, spread, cast, awaited.
    each([node.expression]);
  }
}

const JOINS = new Set([
  ts.SyntaxKind.PlusToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.CommaToken,
]);

/** What a function gives back, without what functions in it give back. */
function returnsOf(body) {
  const returns = [];
  const look = (node) => {
    if (ts.isReturnStatement(node) && node.expression) {
      returns.push(node.expression);
    }
    if (!ts.isFunctionLike(node)) {
      ts.forEachChild(node, look);
    }
  };
  look(body);
  return returns;
}

/** Something that reads like words, wherever it stands. An `id` is nobody's to read. */
function stray(found, node) {
  if (!isText(node) || found.seen.has(node)) {
    return;
  }
  const { parent } = node;
  const isId = ts.isPropertyAssignment(parent) && nameOf(parent.name) === "id";
  const isName = ts.isPropertyAssignment(parent) && parent.name === node;
  const text = textOf(node);
  if (!isId && !isName && WORDS.test(bare(text)) && !NAMES.has(text)) {
    complain(found, node, `written past l10n.t: ${JSON.stringify(text)}`);
  }
}

/** Without icons, addresses, names of settings and of what stands in the code. */
function bare(text) {
  return text.replace(/\$\([a-z~-]+\)|\b(?:https?|command):[^\s)]+|…\.\w+|\b[a-z]+[A-Z]\w*/g, "");
}

function isText(node) {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
}

function textOf(node) {
  return ts.isTemplateExpression(node)
    ? [node.head, ...node.templateSpans.map(({ literal }) => literal)].map(({ text }) => text).join(HOLE)
    : node.text;
}

function isAssignment({ operatorToken: { kind } }) {
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}

/** `box.title`, `box["title"]`. */
function targetOf(node) {
  if (ts.isPropertyAccessExpression(node)) {
    return node.name.text;
  }
  return ts.isElementAccessExpression(node) ? nameOf(node.argumentExpression) : undefined;
}

function nameOf(node) {
  return ts.isIdentifier(node) || ts.isStringLiteralLike(node) ? node.text : undefined;
}

function complain(found, node, text) {
  found.complaints.push(`${place(found, node)}: ${text}`);
}

function place({ source }, node) {
  const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
  return `${source.fileName}:${line + 1}`;
}
