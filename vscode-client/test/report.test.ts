import { describe, expect, it } from "vitest";
import type { Diagnosis } from "../../protocol/protocol";
import type { Names } from "../src/names";
import {
  type Findings,
  diagnosisReport,
  supportReport,
  withoutCredentials,
  withoutSecrets,
} from "../src/report";
import type { Secrets } from "../src/secrets";
import { DEFAULTS, type Settings } from "../src/settings";
import { NOW, clock, key, status, up } from "./support/views";

const KEY = "AIzaSyFAKE-never-in-a-report-1";
const TOKEN = "relay-token-never-in-a-report";
const HEADER = "Bearer header-never-in-a-report";
const ACCESS = "access-token-never-in-a-report";
const PASSWORD = "p%40ss-never-in-a-report";
const SECRETS: Secrets = {
  keys: [
    { id: "key1", value: ` ${KEY} `, label: "Ada's work", binding: "ada-private" },
    { id: "key2", value: "short" },
  ],
  instances: new Map([["ada-private", { token: TOKEN, headers: { authorization: HEADER } }]]),
  accessToken: ACCESS,
  unreadable: [],
  listMissing: false,
};
const SETTINGS: Settings = {
  ...DEFAULTS,
  port: 4000,
  deploymentMode: "hybrid",
  proxy: `http://ada:${PASSWORD}@proxy.ada.example:3128`,
  caFile: "/home/ada/ca.pem",
  serverlessInstances: [
    { id: "ada-private", name: "Ada's relay", url: "https://relay.ada.example", region: "us" },
  ],
};
const NAMES: Names = { key: (id) => id, instance: (id) => `<b>${id}|`, isOff: () => false };

function findings(some: Partial<Findings> = {}): Findings {
  return {
    surroundings: {
      extension: "2.0.0",
      editor: "Code 1.104.0",
      platform: "linux-x64",
      remote: "desktop",
      language: "en",
    },
    settings: SETTINGS,
    secrets: SECRETS,
    status: status({
      mode: "hybrid",
      instances: [up("ada-private")],
      keys: [{ ...key("key1"), project: "projects/ada-123" }],
      problems: [{ code: "unknownInstance", subject: "key1", severity: "warning" }],
    }),
    phase: "running",
    problems: [{ code: "tlsUnchecked", subject: "geminiAggregator.strictTls" }],
    records: [
      {
        id: "r1",
        startedMs: NOW,
        front: "gemini",
        model: "m",
        operation: "generateContent",
        status: 200,
        waitedMs: null,
        firstByteMs: 1,
        totalMs: 2,
        tokens: null,
        end: "complete",
        attempts: [
          {
            key: "key1",
            egress: "ada-private",
            outcome: "200",
            verdict: "deliver",
            rule: "ok",
            untilMs: null,
            ms: 2,
          },
        ],
        skipped: [],
      },
    ],
    ...some,
  };
}

describe("the report of a diagnosis", () => {
  it("is a table a way, in which names stay text", () => {
    const text = diagnosisReport(
      {
        checks: [
          {
            subject: "us",
            code: "dns",
            ok: true,
            latencyMs: 4,
            detail: { host: "a.example", addresses: ["192.0.2.7"] },
          },
          {
            subject: "us",
            code: "tcp",
            ok: false,
            latencyMs: null,
            detail: { fault: "refused", host: "a|b" },
          },
        ],
      },
      NAMES,
      "now, mode hybrid",
    );
    expect(text.split("\n")).toEqual([
      "# Network Diagnostics",
      "",
      "now, mode hybrid",
      "",
      "## \\<b\\>us|",
      "",
      "| | Check | Result |",
      "|---|---|---|",
      "| ✓ | Name (DNS) | a.example → 192.0.2.7 · 4 ms |",
      "| ✗ | Connection (TCP) | connection refused · a\\|b. Nobody listens there. Is the program up, and the port right? |",
      "",
    ]);
  });

  it("says so if there was nothing to test", () => {
    expect(diagnosisReport({ checks: [] }, NAMES, "now")).toContain("There was nothing to test.");
  });
});

describe("a report for those who help", () => {
  it("holds versions, settings that differ, status, problems and the last requests", () => {
    const text = supportReport(findings(), "owner", clock);
    for (const part of [
      "Gemini Aggregator 2.0.0",
      "Code 1.104.0",
      "linux-x64",
      '"port": 4000',
      '"deploymentMode": "hybrid"',
      '"phase": "running"',
      "Certificates are not checked",
      "key1 (Ada's work) is bound to an instance that does not exist",
      "Request r1 at 14:00",
      "https://relay.ada.example",
      "/home/ada/ca.pem",
    ]) {
      expect(text).toContain(part);
    }
    expect(text).not.toContain('"fallbackToLocal"');
  });

  it.each(["owner", "strangers"] as const)(
    "holds no secret for the %s, wherever one may have got to",
    (reader) => {
      const leaking = status({
        problems: [
          {
            code: "duplicateId",
            subject: `${KEY} ${TOKEN} ${HEADER} ${ACCESS} p@ss-never-in-a-report`,
            severity: "warning",
          },
        ],
      });
      const text = supportReport(findings({ status: leaking, phase: KEY }), reader, clock);
      expect(text).not.toContain("never-in-a-report");
    },
  );

  it("names no host, label, path, project or id of the user's to strangers", () => {
    const text = supportReport(findings(), "strangers", clock);
    expect(text.toLowerCase()).not.toContain("ada.example");
    expect(text).not.toMatch(/Ada's|\/home\/|ada-private|ada-123/);
    for (const part of ['"port": 4000', '"url": "https://…"', "tlsUnchecked", "unknownInstance", "key1"]) {
      expect(text).toContain(part);
    }
  });

  it("can be made before anything runs", () => {
    const { status: _, ...rest } = findings({
      phase: "failed: crashed",
      problems: [],
      records: [],
      settings: DEFAULTS,
    });
    const text = supportReport(rest, "owner", clock);
    expect(text).toContain('"phase": "failed: crashed"');
    expect(text.match(/^none$/gm)).toHaveLength(2);
  });
});

describe("taking secrets out", () => {
  it("takes the longest first, and leaves what is too short to be one", () => {
    const secrets = {
      ...SECRETS,
      keys: [
        { id: "a", value: "12345678" },
        { id: "b", value: "12345678-longer" },
      ],
    };
    expect(withoutSecrets("12345678-longer 12345678 short", secrets, DEFAULTS)).toBe("… … short");
  });

  it("knows them in each spelling that a report has", () => {
    const key = "AIza_key*with[signs]_in#it";
    const header = 'basic "a\\b" c d e';
    const secrets = {
      ...SECRETS,
      keys: [{ id: "a", value: key }],
      instances: new Map([["us", { headers: { x: header } }]]),
    };
    const check = (message: string): Diagnosis["checks"][number] => ({
      subject: "us",
      code: "reach",
      ok: false,
      latencyMs: null,
      detail: { message },
    });
    const text = diagnosisReport({ checks: [check(key), check(header)] }, NAMES, key);
    const all = [text, JSON.stringify({ key, header }), `?key=${encodeURIComponent(key)}`].join("\n");
    const left = withoutSecrets(all, secrets, DEFAULTS);
    expect(left).not.toMatch(/AIza|with|signs|basic/);
    expect(
      withoutSecrets("\ud800-lone-surrogate", { ...SECRETS, accessToken: "\ud800-lone-surrogate" }, DEFAULTS),
    ).toBe("…");
  });

  it("survives a password that is not encoded well", () => {
    expect(
      withoutSecrets("100%-and-more", SECRETS, { ...DEFAULTS, proxy: "user:100%-and-more@proxy:1" }),
    ).toBe("…");
  });

  it.each([
    ["http://u:p@h:1/x", "http://…@h:1/x"],
    ["u:p@h:1", "…@h:1"],
    ["https://h/@x", "https://h/@x"],
    ["auto", "auto"],
  ])("makes %j %j", (url, shown) => {
    expect(withoutCredentials(url)).toBe(shown);
  });
});
