/**
 * Reads of markdown what the tests of the documents look at: where links lead, the anchors that GitHub makes of headings, the rows of
 * tables. What stands in code is no markdown.
 */

/** Where links and pictures lead, as it is written. */
export function targets(text: string): string[] {
  const plain = withoutFences(text).replace(/`[^`\n]*`/g, "");
  return [
    ...plain.matchAll(/\]\(\s*<?([^\s<>()]+(?:\([^()]*\)[^\s<>()]*)*)>?(?:\s+"[^"]*")?\s*\)/g),
    ...plain.matchAll(/\s(?:href|src)="([^"]*)"/g),
  ].map(([, target]) => target ?? "");
}

/** The names by which headings can be linked. */
export function anchors(text: string): Set<string> {
  const found = new Set<string>();
  for (const [, heading] of withoutFences(text).matchAll(/^#{1,6}\s+(.+?)\s*$/gm)) {
    const name = anchorOf(heading ?? "");
    let unique = name;
    for (let count = 1; found.has(unique); count += 1) {
      unique = `${name}-${String(count)}`;
    }
    found.add(unique);
  }
  return found;
}

/** The cells of every row of every table below this heading, up to the next one; without the tables' own heads. */
export function rows(text: string, heading: string): string[][] {
  const lines = text.split("\n");
  const start = lines.indexOf(heading);
  if (start < 0) {
    throw new Error(`there is no heading ${heading}`);
  }
  const length = lines.slice(start + 1).findIndex((line) => /^#{1,6} /.test(line));
  const below = lines.slice(start + 1, length < 0 ? undefined : start + 1 + length);
  return below
    .filter((line, index) => line.startsWith("|") && !isRule(line) && !isRule(below[index + 1] ?? ""))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** The line below the head of a table. */
function isRule(line: string): boolean {
  return /^\|(\s*:?-+:?\s*\|)+$/.test(line.trim());
}

function anchorOf(heading: string): string {
  return heading
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/[`*]/g, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
    .replaceAll(" ", "-");
}

function withoutFences(text: string): string {
  return text.replace(/^( *)(```+|~~~+)[^\n]*\n[\s\S]*?^\1\2[ \t]*$/gm, "");
}
