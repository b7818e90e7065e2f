// Lints with types, as strict as they come; what differs has its reason beside it.
import tseslint from "typescript-eslint";

/** Modules that show things; all others run without an editor. */
const RIM = [
  "src/extension.ts",
  "src/app.ts",
  "src/sidecar.ts",
  "src/life.ts",
  "src/statusBar.ts",
  "src/say.ts",
  "src/notify.ts",
  "src/commands.ts",
  "src/commands/**",
  "src/tree/views.ts",
  "src/walkthrough.ts",
];

export default tseslint.config(
  { ignores: ["dist", "out", "coverage"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "max-lines": ["error", { max: 400 }],
      eqeqeq: "error",
      "no-console": "error",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      // `text || fallback` is how an empty text is passed over.
      "@typescript-eslint/prefer-nullish-coalescing": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
    },
  },
  {
    files: ["src/**/*.ts"],
    ignores: RIM,
    rules: {
      "no-restricted-imports": ["error", { name: "vscode", message: "Only the rim knows the editor." }],
    },
  },
);
