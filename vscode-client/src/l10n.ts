/**
 * How words reach people: `l10n.t` with the English sentence as key. Modules take it from here and not from `vscode`, so that they
 * run in a test. Never holds sentences itself.
 */

/** What may stand in a placeholder. */
export type Argument = string | number | boolean;
/** Turns an English sentence with `{0}`, `{1}` into one of the user's language. */
export type Translator = (sentence: string, ...args: Argument[]) => string;

let translator: Translator = fill;

/** Named like `vscode.l10n`, whose calls the check of translations looks for. */
export const l10n = {
  t: (sentence: string, ...args: Argument[]): string => translator(sentence, ...args),
};

/** Called once, at the start of the extension. */
export function speak(other: Translator): void {
  translator = other;
}

/** English, without an editor. */
export function fill(sentence: string, ...args: Argument[]): string {
  return sentence.replace(/\{(\d+)\}/g, (hole, index: string) => String(args[Number(index)] ?? hole));
}
