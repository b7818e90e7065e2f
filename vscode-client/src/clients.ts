/**
 * How clients are pointed at the endpoint: for each one the text that it needs, and where that goes. Pure. Names of clients, of their
 * menus and of variables are theirs and stay as they are in every language.
 */

import { l10n } from "./l10n";

/** What a client is set up with. */
export interface Client {
  id: string;
  /** As it calls itself. */
  called: string;
  /** For the clipboard. */
  copied: string;
  /** Where the text goes, in one sentence. */
  where: string;
  /** The text holds the access token, or the place where it goes has no need of one. */
  complete: boolean;
}

/** What the texts are made of. */
export interface Endpoint {
  /** Without a slash at its end. */
  base: string;
  /** What callers have to present; without one, anything passes. */
  token?: string;
  /** `process.platform`. */
  platform: string;
}

/** Asks by itself, at a terminal: no client is pointed at the pool by it. */
export const TRIAL = "curl";

/** For clients that insist on a key where none is asked for. */
const ANY = "any";
/** Lines behind the first one stand in an entry of a list. */
const IN_ENTRY = "\n    ";

/** The address alone, then every client. */
export function clients({ base, token, platform }: Endpoint): Client[] {
  const key = token ?? ANY;
  const complete = token === undefined;
  return [
    { id: "address", called: base, copied: base, where: l10n.t("The address alone."), complete },
    {
      id: "cline",
      called: "Cline",
      copied: base,
      where: l10n.t("Choose the provider Google Gemini, tick “Use custom base URL” and paste it there."),
      complete,
    },
    {
      id: "kilo",
      called: "Kilo Code, OpenCode",
      copied: `${base}/v1beta`,
      where: l10n.t("Paste it as options.baseURL of the provider google."),
      complete,
    },
    {
      id: "zoo",
      called: "Zoo Code",
      copied: base,
      where: l10n.t("Choose the provider Google Gemini, tick “Use custom base URL” and paste it there."),
      complete,
    },
    {
      id: "continue",
      called: "Continue",
      copied: ["provider: gemini", `apiBase: ${base}/v1beta/`, `apiKey: ${key}`].join(IN_ENTRY),
      where: l10n.t("Paste it into the entry of a model in config.yaml, below its name and model."),
      complete: true,
    },
    {
      id: "geminiCli",
      called: "Gemini CLI",
      copied: lines(`GOOGLE_GEMINI_BASE_URL=${base}`, `GEMINI_API_KEY=${key}`),
      where: l10n.t("Paste it into the file ~/.gemini/.env and choose “Use Gemini API Key” in the CLI."),
      complete: true,
    },
    {
      id: "vscodeChat",
      called: "VS Code Chat",
      copied: `${base}/v1beta/openai/chat/completions`,
      where: l10n.t("Add a model of the kind Custom Endpoint under Manage Models and paste it as its URL."),
      complete,
    },
    {
      id: "openai",
      called: "OpenAI SDKs",
      copied: lines(`OPENAI_BASE_URL=${base}/v1beta/openai/`, `OPENAI_API_KEY=${key}`),
      where: l10n.t("Paste it into the environment or the .env file of your program."),
      complete: true,
    },
    {
      id: "googleGenai",
      called: "google-genai",
      copied: lines(`GOOGLE_GEMINI_BASE_URL=${base}`, `GEMINI_API_KEY=${key}`),
      where: l10n.t("Paste it into the environment or the .env file of your program."),
      complete: true,
    },
    {
      id: TRIAL,
      called: "curl",
      copied: curl(base, token, platform),
      where: l10n.t(
        "Paste it at a terminal: it asks Google for one model by your pool and uses up no quota.",
      ),
      complete: true,
    },
  ];
}

/** Asks for one model of the list, which counts no token. In Windows' own shells `curl` may be another program. */
function curl(base: string, token: string | undefined, platform: string): string {
  const program = platform === "win32" ? "curl.exe" : "curl";
  const header = token === undefined ? "" : ` -H "x-goog-api-key: ${token}"`;
  return `${program} "${base}/v1beta/models?pageSize=1"${header}`;
}

function lines(...of: string[]): string {
  return of.map((line) => `${line}\n`).join("");
}
