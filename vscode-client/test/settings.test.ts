import { describe, expect, it } from "vitest";
import type { LocalProblem } from "../src/localProblem";
import { localWords } from "../src/problems";
import { type Inspect, type Settings, DEFAULTS, readEditorNetwork, readSettings } from "../src/settings";

/** As `inspect()` answers, where the user wrote these. */
function user(values: Record<string, unknown>): Inspect {
  return (name) =>
    ({ defaultValue: "?", globalValue: values[name], workspaceValue: undefined }) as ReturnType<Inspect>;
}

function read(
  values: Record<string, unknown>,
  last: Settings = DEFAULTS,
): { settings: Settings; problems: LocalProblem[] } {
  return readSettings(
    user(
      Object.fromEntries(Object.entries(values).map(([name, value]) => [`geminiAggregator.${name}`, value])),
    ),
    last,
  );
}

describe("settings", () => {
  it("are the defaults where the user says nothing", () => {
    expect(read({})).toEqual({ settings: DEFAULTS, problems: [] });
    expect(readSettings(() => undefined, DEFAULTS).settings).toEqual(DEFAULTS);
  });

  it("never come from a workspace", () => {
    const inspect: Inspect = () => ({ workspaceValue: 1, workspaceFolderValue: 1 }) as ReturnType<Inspect>;
    expect(readSettings(inspect, DEFAULTS)).toEqual({ settings: DEFAULTS, problems: [] });
  });

  it("take what the user wrote, and leave ranges and URLs to the sidecar", () => {
    const written = {
      port: 99999,
      deploymentMode: "hybrid",
      fallbackToLocal: false,
      requestTimeout: -1,
      accessToken: "on",
      allowedOrigins: ["https://a.example"],
      allowedHosts: ["b"],
      upstream: " http://u.example/ ",
      proxy: "socks5h://p:1",
      noProxy: "a,b",
      caFile: "/ca.pem",
      strictTls: false,
      maxAttempts: 99,
      maxQueueWait: 1,
      retryEmptyAnswers: false,
      heartbeat: 7,
      maxBodySize: 1,
      modelMap: { a: "b" },
    };
    const { settings, problems } = read(written);
    expect(problems).toEqual([]);
    expect(settings).toEqual({ ...DEFAULTS, ...written, upstream: "http://u.example/" });
  });

  it.each<[keyof Settings, unknown[]]>([
    ["port", ["3145", 1.5, null, Infinity, NaN, 1e300, 0, -0, [], {}, true]],
    ["requestTimeout", ["1s", NaN, 1e21, null, -1e300]],
    ["maxBodySize", [0.5, 2 ** 31 + 1, "128 MB"]],
    ["retryEmptyAnswers", [null, "false", 1]],
    ["strictTls", [null, "false", 0]],
    ["caFile", [null, ["/ca.pem"]]],
    ["deploymentMode", ["Local", 1]],
    ["fallbackToLocal", ["true", 0]],
    ["accessToken", [true]],
    ["allowedOrigins", ["a", [1], null, [null]]],
    ["upstream", [1]],
    ["modelMap", [[], { a: 1 }, "x", null, { a: null }]],
    ["serverlessInstances", [{}, "x", null, false, { us: { id: "us", url: "https://us.example" } }]],
  ])("of a wrong type are named, and the last good value of %s stays", (name, values) => {
    const good: Settings = {
      ...DEFAULTS,
      port: 4000,
      deploymentMode: "hybrid",
      fallbackToLocal: false,
      accessToken: "off",
      allowedOrigins: ["x"],
      upstream: "u",
      modelMap: { a: "b" },
      serverlessInstances: [{ id: "a", url: "b" }],
      requestTimeout: 5000,
      maxBodySize: 7,
      retryEmptyAnswers: false,
      strictTls: false,
      caFile: "/good.pem",
    };
    for (const value of values) {
      const { settings, problems } = read({ ...good, [name]: value }, good);
      expect(problems.map(({ code }) => code)).toEqual(["setting"]);
      expect(problems[0]).toMatchObject({ subject: name });
      expect(settings[name]).toEqual(good[name]);
    }
  });

  it("leave out an instance that would stand for the direct way or for another one", () => {
    const us = { id: "us", url: "https://us.example" };
    const { settings, problems } = read({
      serverlessInstances: [
        us,
        { id: "local", url: "https://l.example", token: "t" },
        { ...us, name: "Twin" },
      ],
    });
    expect(settings.serverlessInstances).toEqual([us]);
    expect(problems).toEqual([
      { code: "secretInSettings", subject: "local" },
      { code: "setting", subject: "serverlessInstances[1]", expected: "notLocal" },
      { code: "setting", subject: "serverlessInstances[2]", expected: "ownId" },
    ]);
    expect(problems.slice(1).map(localWords)).toEqual([
      'geminiAggregator.serverlessInstances[1] must be an instance whose id is not "local"; it is left out.',
      "geminiAggregator.serverlessInstances[2] must be an instance with an id of its own; it is left out.",
    ]);
  });

  it("name a token that stands in an instance which is left out, so that it is moved all the same", () => {
    const { problems } = read({ serverlessInstances: [{ id: "us", headers: { a: "b" } }] });
    expect(problems.map(({ code }) => code)).toEqual(["secretInSettings", "setting"]);
  });

  it("keep URLs of instances as they are written, with slash, path and query", () => {
    const instances = [
      {
        id: "a",
        name: "A",
        url: "https://relay.example/gemini/?x=1",
        region: "us",
        enabled: false,
        maxKeys: 3,
        tags: ["x"],
      },
      { id: "b", name: "B", url: "HTTP://B/" },
    ];
    const { settings, problems } = read({ serverlessInstances: instances });
    expect(problems).toEqual([]);
    expect(settings.serverlessInstances).toEqual([
      { id: "a", name: "A", url: "https://relay.example/gemini/?x=1", region: "us", enabled: false },
      { id: "b", name: "B", url: "HTTP://B/" },
    ]);
  });

  it("leave out an instance that is wrong and keep the others", () => {
    const good = { id: "a", url: "u" };
    const { settings, problems } = read({
      serverlessInstances: [
        null,
        { url: "u" },
        { id: "x" },
        { id: "x", url: "u", name: 1 },
        { id: "x", url: "u", enabled: "no" },
        good,
      ],
    });
    expect(settings.serverlessInstances).toEqual([good]);
    expect(problems).toHaveLength(5);
    expect(problems[1]).toEqual({ code: "setting", subject: "serverlessInstances[1]", expected: "instance" });
  });

  it("never give a token that stands in them, but say so", () => {
    const { settings, problems } = read({
      serverlessInstances: [{ id: "a", url: "u", token: "secret-token" }],
    });
    expect(problems).toEqual([{ code: "secretInSettings", subject: "a" }]);
    expect(JSON.stringify(settings)).not.toContain("secret-token");
  });
});

describe("the editor's network", () => {
  it("is what the user wrote, and nothing where it is of a wrong type or switched off", () => {
    expect(readEditorNetwork(user({}))).toEqual({ proxy: "", noProxy: [], strictSsl: true });
    expect(
      readEditorNetwork(
        user({ "http.proxy": " http://p:1 ", "http.noProxy": ["a"], "http.proxyStrictSSL": false }),
      ),
    ).toEqual({
      proxy: "http://p:1",
      noProxy: ["a"],
      strictSsl: false,
    });
    expect(
      readEditorNetwork(user({ "http.proxy": 1, "http.noProxy": "a", "http.proxyStrictSSL": "x" })).proxy,
    ).toBe("");
    expect(readEditorNetwork(user({ "http.proxy": "http://p:1", "http.proxySupport": "off" })).proxy).toBe(
      "",
    );
  });
});
