// @ts-check
/**
 * The two editors that the extension is tested in, and how each is made from packages of the npm registry. Never names an address: npm
 * knows where its registry is.
 */

/**
 * @typedef {object} Recipe
 * @property {string} version of VS Code
 * @property {string} server package that brings a built server of this version
 * @property {string} integrity of that package; it pins everything below it too, for it brings a lock file
 * @property {string} node version that the server wants
 * @property {string[]} natives native modules that the server loads; others it has are for file search, sign-in and the like
 */

/** @type {Record<"oldest" | "newest", Recipe>} */
export const EDITORS = {
  oldest: {
    version: "1.104.0",
    server: "code-server@4.104.0",
    integrity: "sha512-wSo8KOqN/HnhAPkZ+aKviR61xx97KrYpvy9oomXhSwoM+1l5t8Mfuffx5or3Ew1PoJh2u2Y4fxIEi3Wn5++vfg==",
    node: "22.23.3",
    natives: ["@vscode/spdlog", "native-watchdog"],
  },
  newest: {
    version: "1.139.1",
    server: "code-server@4.139.1",
    integrity: "sha512-fUYvJVdz4ZoVJfakGiGWXFMpF8K1ObsrpGvX17ZxNpKOzdNHs7lANT670JTr4ZhA8DnWqyvvmFG/d3HV9Yy6ew==",
    node: "24.21.0",
    natives: ["@vscode/spdlog", "@vscode/native-watchdog"],
  },
};

/** @typedef {keyof typeof EDITORS} EditorName */
