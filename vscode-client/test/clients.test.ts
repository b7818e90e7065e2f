import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { clients } from "../src/clients";

const BASE = "http://127.0.0.1:3145";
const text = (id: string, token?: string, platform = "linux"): string | undefined =>
  clients({ base: BASE, platform, ...(token ? { token } : {}) }).find((client) => client.id === id)?.copied;

describe("the endpoint for a client", () => {
  it.each([
    ["address", BASE],
    ["cline", BASE],
    ["zoo", BASE],
    ["kilo", `${BASE}/v1beta`],
    ["continue", `provider: gemini\n    apiBase: ${BASE}/v1beta/\n    apiKey: any`],
    ["geminiCli", `GOOGLE_GEMINI_BASE_URL=${BASE}\nGEMINI_API_KEY=any\n`],
    ["vscodeChat", `${BASE}/v1beta/openai/chat/completions`],
    ["openai", `OPENAI_BASE_URL=${BASE}/v1beta/openai/\nOPENAI_API_KEY=any\n`],
    ["googleGenai", `GOOGLE_GEMINI_BASE_URL=${BASE}\nGEMINI_API_KEY=any\n`],
    ["curl", `curl "${BASE}/v1beta/models?pageSize=1"`],
  ])("is exactly what %s needs", (id, copied) => {
    expect(text(id)).toBe(copied);
  });

  it("holds the access token wherever it holds a key, and never in the address", () => {
    const complete = clients({ base: BASE, token: "secret", platform: "linux" });
    for (const { id, copied, complete: whole } of complete) {
      expect([id, copied.includes("secret")]).toEqual([id, whole]);
    }
    expect(complete.filter(({ complete: whole }) => whole).map(({ id }) => id)).toEqual([
      "continue",
      "geminiCli",
      "openai",
      "googleGenai",
      "curl",
    ]);
    expect(text("curl", "secret")).toContain('-H "x-goog-api-key: secret"');
  });

  it("is offered for clients whose dialect is served, and at paths that the documents say pass", () => {
    const all = clients({ base: BASE, platform: "linux" });
    expect(all.filter(({ id, called }) => /claude|anthropic/i.test(`${id} ${called}`))).toEqual([]);
    const addresses = all.flatMap(({ copied }) => copied.match(/http:[^\s"?]+/g) ?? []);
    const served = ["", "/v1beta", "/v1beta/", "/v1beta/models", "/v1beta/openai/"];
    expect(addresses.filter((url) => !served.includes(url.replace(BASE, "")))).toEqual([
      `${BASE}/v1beta/openai/chat/completions`,
    ]);
    expect(readFileSync(join(__dirname, "../../docs/http.md"), "utf8")).toContain(
      "`http://127.0.0.1:3145/v1beta/openai/`",
    );
  });

  it("names the real curl in Windows' shells", () => {
    expect(text("curl", undefined, "win32")).toMatch(/^curl\.exe /);
  });

  it("comes with one sentence about where it goes, and the name of each client once", () => {
    const all = clients({ base: BASE, platform: "linux" });
    expect(new Set(all.map(({ called }) => called)).size).toBe(all.length);
    expect(all.filter(({ where }) => !/^[^.].*\.$/.test(where))).toEqual([]);
  });
});
