// Bundles the extension into one file: `node scripts/build.mjs [--production] [--out FILE]`.
import { parseArgs } from "node:util";
import { build } from "esbuild";

const { values } = parseArgs({
  options: { production: { type: "boolean", default: false }, out: { type: "string" } },
});
const { production, out = "dist/extension.js" } = values;
await build({
  entryPoints: ["src/extension.ts"],
  outfile: out,
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node20",
  external: ["vscode"],
  minify: production,
  sourcemap: production ? false : "linked",
  logLevel: "warning",
});
