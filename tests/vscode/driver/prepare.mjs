// @ts-check
/** What all tests in one editor share: the editor itself, and profiles to copy in which an extension is installed already. */

import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { install } from "./install.mjs";
import { installExtension } from "./server.mjs";

/**
 * @param {import("../editors.mjs").EditorName} name @param {string} folder empty, for the profiles @param {{ vsix: string, fake: string }} files
 * @param {(line: string) => void} [say]
 * @returns {Promise<import("./editor.mjs").Prepared>}
 */
export async function prepare(name, folder, { vsix, fake }, say) {
  const editor = await install(name, say);
  const template = join(folder, "template");
  mkdirSync(template, { recursive: true });
  await installExtension(editor, template, vsix);
  return { editor: { ...editor, name }, template, templateOf1: templateOf1(folder), vsix, fake };
}

/** A profile with the extension that stands for 1.x; the editor takes over what it finds in the folder at its first start. @param {string} folder */
function templateOf1(folder) {
  const template = join(folder, "template-of-1");
  const extension = join(template, "extensions", "shaneyang.api-key-aggregetor-1.0.0");
  mkdirSync(extension, { recursive: true });
  cpSync(join(import.meta.dirname, "..", "seed"), extension, { recursive: true });
  return template;
}
