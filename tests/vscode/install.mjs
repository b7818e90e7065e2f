// @ts-check
/** Makes the editors, both or the one that is named: `node install.mjs [oldest|newest]`. */

import { EDITORS } from "./editors.mjs";
import { install } from "./driver/install.mjs";

for (const name of /** @type {import("./editors.mjs").EditorName[]} */ (Object.keys(EDITORS))) {
  if (process.argv[2] === undefined || process.argv[2] === name) {
    await install(name, (line) => process.stdout.write(`${line}\n`));
  }
}
