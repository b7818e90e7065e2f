import { describe, expect, it } from "vitest";
import type { DesiredState } from "../../protocol/protocol";
import { Revisions, wantsToken, wish, wishProblems } from "../src/desired";
import type { Secrets } from "../src/secrets";
import { type EditorNetwork, type Settings, DEFAULTS } from "../src/settings";
import golden from "../../protocol/golden/state.json";

const NOTHING: Secrets = { keys: [], instances: new Map(), unreadable: [], listMissing: false };
const EDITOR: EditorNetwork = { proxy: "", noProxy: [], strictSsl: true };
const PROXIED: EditorNetwork = { proxy: "http://p:1", noProxy: ["a", "b"], strictSsl: false };

function settings(some: Partial<Settings>): Settings {
  return { ...DEFAULTS, ...some };
}

describe("the state", () => {
  it("says everything that the sidecar's own sample says", () => {
    const secrets: Secrets = {
      ...NOTHING,
      keys: [
        {
          id: "key1",
          value: "AIzaSyFAKE-fake-FAKE-fake-FAKE-fake-FAK",
          label: "work",
          project: "projects/123",
          binding: "deno-us",
        },
        { id: "key2", value: "AQ.FAKE-fake-FAKE", binding: "local" },
        { id: "key3", value: "another-secret", enabled: false },
      ],
      instances: new Map([
        ["deno-us", { token: "relay-token-of-24-characters", headers: { "x-own": "value" } }],
        ["not-in-the-settings", { token: "x" }],
      ]),
    };
    const state = wish(
      settings({
        deploymentMode: "hybrid",
        serverlessInstances: [
          {
            id: "deno-us",
            name: "Deno US",
            url: "https://relay.example/gemini",
            region: "us",
            enabled: true,
          },
        ],
        allowedOrigins: ["https://app.example"],
        allowedHosts: ["host.docker.internal"],
        proxy: "http://me:pw@proxy.example:3128",
        noProxy: "localhost,.corp.example",
        caFile: "/etc/ssl/corp.pem",
        modelMap: { "claude-gemini-3-pro": "gemini-3-pro" },
      }),
      EDITOR,
      secrets,
      "local-token-of-this-machine",
    );
    const { revision: _, aFieldOfALaterVersion: __, ...sample } = golden;
    // What is absent in the sample has its default here.
    const keys = sample.keys.map((key) => ({ label: null, project: null, enabled: true, ...key }));
    expect(JSON.parse(JSON.stringify(state))).toEqual({ ...sample, keys });
  });

  it("holds no token of an instance that the settings do not name", () => {
    const secrets = { ...NOTHING, instances: new Map([["gone", { token: "left-over" }]]) };
    expect(JSON.stringify(wish(DEFAULTS, EDITOR, secrets, null))).not.toContain("left-over");
  });

  it.each<[string, Partial<Settings>, EditorNetwork, DesiredState["proxy"]]>([
    ["nothing is said", {}, EDITOR, { kind: "auto" }],
    ["the editor has one", {}, PROXIED, { kind: "url", url: "http://p:1", noProxy: "a,b" }],
    ["ours is empty", { proxy: "" }, PROXIED, { kind: "url", url: "http://p:1", noProxy: "a,b" }],
    ["ours says direct", { proxy: "direct" }, PROXIED, { kind: "direct" }],
    [
      "ours says another",
      { proxy: "socks5h://q", noProxy: "c" },
      PROXIED,
      { kind: "url", url: "socks5h://q", noProxy: "c" },
    ],
    [
      "ours is nonsense, which the sidecar refuses",
      { proxy: "ftp://q" },
      EDITOR,
      { kind: "url", url: "ftp://q", noProxy: null },
    ],
  ])("says which proxy when %s", (_, some, editor, proxy) => {
    expect(wish(settings(some), editor, NOTHING, null).proxy).toEqual(proxy);
  });

  it.each<[string, Partial<Settings>, EditorNetwork, string | undefined]>([
    ["nothing is said", {}, EDITOR, undefined],
    ["ours is off", { strictTls: false }, EDITOR, "geminiAggregator.strictTls"],
    ["the editor's is off and its proxy is used", {}, PROXIED, "http.proxyStrictSSL"],
    ["the editor's is off and ours is on", { strictTls: true }, PROXIED, undefined],
    ["the editor's is off and another proxy is used", { proxy: "http://q" }, PROXIED, undefined],
    ["the editor's is off and it has no proxy", {}, { ...EDITOR, strictSsl: false }, undefined],
  ])("is not strict only with a visible warning: %s", (_, some, editor, by) => {
    expect(wish(settings(some), editor, NOTHING, null).tls?.strict).toBe(by === undefined);
    expect(wishProblems(settings(some), editor, NOTHING)).toEqual(
      by === undefined ? [] : [{ code: "tlsUnchecked", subject: by }],
    );
  });

  it("names secrets that cannot be read", () => {
    expect(wishProblems(DEFAULTS, EDITOR, { ...NOTHING, unreadable: ["x"] })).toEqual([
      { code: "secretUnreadable", subject: "x" },
    ]);
  });
});

describe("the access token", () => {
  it.each([
    ["auto", false, false, false],
    ["auto", true, false, true],
    ["auto", true, true, false],
    ["on", false, true, true],
    ["off", true, false, false],
  ] as const)("%s, remote %s, from 1.x %s: %s", (setting, remote, cameFromVersion1, wanted) => {
    expect(wantsToken(setting, { remote, cameFromVersion1 })).toBe(wanted);
  });
});

describe("revisions", () => {
  it("start at 1 and rise only with a change", () => {
    const revisions = new Revisions();
    const numbers = [{}, {}, { port: 1 }, { port: 1 }, {}].map((state) => revisions.next(state).revision);
    expect(numbers).toEqual([1, 1, 2, 2, 3]);
  });
});
