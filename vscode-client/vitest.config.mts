import { join } from "node:path";
import { defineConfig } from "vitest/config";

/** In place of the editor, for the few modules of the rim that are tested without one. */
const vscode = join(import.meta.dirname, "test/support/vscode.cjs");

export default defineConfig({
  resolve: { alias: { vscode } },
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/support/editor.ts"],
    // Some read every source file or start programs, on a machine with two cores and other things to do.
    testTimeout: 30_000,
    server: { deps: { external: [/vscode\.cjs$/] } },
    coverage: {
      provider: "v8",
      // The rest of the rim is looked at in a real editor.
      include: ["src/*.ts", "src/{tree,upgrade}/*.ts"],
      exclude: [
        "src/{extension,app,statusBar,say,notify,commands,walkthrough,firstStart}.ts",
        "src/tree/views.ts",
      ],
      reporter: ["text"],
      thresholds: { lines: 90, perFile: true },
    },
  },
});
