// @ts-check
/**
 * A test that is a story: one editor with a fresh profile and a fake Gemini, one window, and steps that follow on each other. After a step
 * that failed there is a picture of every window, and the steps behind it are left out.
 */

import { after, test } from "node:test";
import { Editor, closeBrowser } from "./editor.mjs";
import { Fake } from "./fake.mjs";

after(closeBrowser);

/**
 * @typedef {object} Told
 * @property {Editor} editor
 * @property {import("./window.mjs").Window} window the first one
 * @property {Fake} fake what the direct way leads to
 * @property {(name: string, work: () => Promise<void>) => Promise<void>} step its name is a sentence that is true
 */

/**
 * @param {string} title
 * @param {import("./editor.mjs").Wanted & { workspace?: Record<string, string>, version1?: boolean }} wanted `workspace`: files of the folder that
 *   is opened; `version1`: our extension is not there at first
 * @param {(told: Told) => Promise<void>} tell
 */
export function story(title, { workspace, version1 = false, ...wanted }, tell) {
  test(title, async (t) => {
    const fake = await Fake.start();
    t.after(() => fake.stop());
    const editor = await Editor.start({ ...wanted, settings: { "geminiAggregator.upstream": fake.url, ...wanted.settings } });
    t.after(() => editor.stop());
    const folder = editor.profile.makeWorkspace("project", workspace);
    const window = await editor.open({ folder, ready: !version1 });
    let failed = false;
    await tell({
      editor,
      window,
      fake,
      step: async (name, work) => {
        await t.test(name, { skip: failed && "a step before it failed" }, async () => {
          try {
            await work();
          } catch (error) {
            failed = true;
            await picture(editor, name);
            throw error;
          }
        });
      },
    });
  });
}

/** @param {Editor} editor @param {string} name of the step */
async function picture(editor, name) {
  for (const [index, window] of editor.windows.entries()) {
    await window.screenshot(`FAILED-${name.replace(/\W+/g, "-")}-${index + 1}`).catch(() => undefined);
  }
}
