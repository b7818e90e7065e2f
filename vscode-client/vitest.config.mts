import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    coverage: {
      provider: "v8",
      // The rim is looked at in a real editor.
      include: ["src/*.ts"],
      exclude: ["src/{extension,app,sidecar,life,statusBar,say,notify,commands}.ts"],
      reporter: ["text"],
      thresholds: { lines: 90, perFile: true },
    },
  },
});
