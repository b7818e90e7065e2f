import { describe, expect, it } from "vitest";
import manifest from "../package.json";
import nls from "../package.nls.json";
import chinese from "../package.nls.zh-cn.json";
import { COMMANDS } from "../src/commands";
import { modeChoices } from "../src/commands/setDeploymentMode";
import { actionsFor } from "../src/commands/showStatus";
import { DEFAULTS } from "../src/settings";
import { key, keys, view } from "./support/views";

/** Those of 1.x, whose ids stand in keyboard shortcuts and tasks of its users. */
const VERSION_1 = [
  "addApiKey",
  "listApiKeys",
  "modifyApiKey",
  "deleteApiKey",
  "addServerlessInstance",
  "removeServerlessInstance",
  "listServerlessInstances",
  "setDeploymentMode",
  "bindApiKeyToInstance",
  "unbindApiKey",
  "showStatus",
  "openConfigPanel",
  "networkDiagnostics",
  "runserver",
];
const VERSION_2 = [
  "editServerlessInstance",
  "testConnectivity",
  "validateConfig",
  "verifyApiKeys",
  "startServer",
  "stopServer",
  "restartServer",
  "copyEndpoint",
  "copyAccessToken",
  "regenerateAccessToken",
  "showLogs",
  "showRequests",
  "showHelp",
  "useAnotherPort",
  "setKeyEnabled",
  "setInstanceEnabled",
  "copyDiagnostics",
  "reportIssue",
  "undoConfigChange",
  "redoConfigChange",
  "clearUndoHistory",
];

describe("the commands", () => {
  it("of 1.x and those that are promised are all in the palette, in both languages", () => {
    const { commands, menus } = manifest.contributes;
    const hidden = new Set(menus.commandPalette.map(({ command }) => command));
    for (const name of [...VERSION_1, ...VERSION_2]) {
      const command = commands.find((other) => other.command === `geminiAggregator.${name}`);
      const title = /^%(.+)%$/.exec(command?.title ?? "")?.[1] ?? "";
      const titles = [nls, chinese].map((texts) => (texts as Record<string, string>)[title] ?? "");
      expect(titles[0], name).toMatch(/^[A-Z][\w ]+$/);
      expect(titles[1], name).toMatch(/\p{Script=Han}/u);
      expect(hidden.has(`geminiAggregator.${name}`), name).toBe(false);
    }
  });

  it("that are handled are those that package.json offers", () => {
    const offered = manifest.contributes.commands.map(({ command }) => command);
    expect(offered.sort()).toEqual(
      Object.keys(COMMANDS)
        .map((name) => `geminiAggregator.${name}`)
        .sort(),
    );
  });

  it.each<[string, Parameters<typeof view>, string[]]>([
    [
      "nothing runs",
      [undefined, { phase: { kind: "stopped" } }],
      ["startServer", "showLogs", "addApiKey", "listApiKeys"],
    ],
    ["there is no key", [{}], ["addApiKey", "copyEndpoint"]],
    [
      "all is well",
      [{ keys: keys(2) }],
      ["copyEndpoint", "addApiKey", "listApiKeys", "verifyApiKeys", "sendTestRequest", "setDeploymentMode"],
    ],
    [
      "the port is taken",
      [{ keys: [key("a")], role: { kind: "blocked", port: 1, by: "portTaken" } }],
      ["useAnotherPort", "showLogs", "addApiKey"],
    ],
  ])("that the status offers begin with what helps when %s", (_, [of, some], first) => {
    const actions = actionsFor(view(of, some));
    expect(actions.slice(0, first.length)).toEqual(first);
    expect(actions.filter((name) => !(name in COMMANDS))).toEqual([]);
    expect(new Set(actions).size).toBe(actions.length);
    const served = of?.keys !== undefined && of.role === undefined;
    expect(actions.includes("sendTestRequest")).toBe(served);
  });
});

describe("the choice of a mode", () => {
  const instance = { id: "us", url: "https://us.example" };
  const details = (...of: Parameters<typeof modeChoices>): (string | undefined)[] =>
    modeChoices(...of).map(({ detail }) => detail);

  it("marks the one in force and says what each would mean", () => {
    expect(modeChoices({ ...DEFAULTS, deploymentMode: "hybrid" }, []).map(({ label }) => label)).toEqual([
      "local",
      "serverless",
      "$(check) hybrid",
    ]);
    expect(details(DEFAULTS, [])).toEqual([
      "Then: requests go by your own network.",
      "Then: no request is answered, as there is no instance.",
      "Then: requests go directly where that is allowed, as there is no instance.",
    ]);
    const bound = { id: "key1", value: "v", binding: "local" };
    expect(
      details({ ...DEFAULTS, serverlessInstances: [instance, { ...instance, enabled: false }] }, [bound]),
    ).toEqual([
      "Then: instances that are not used: 1.",
      "Then: instances in use: 1; keys that are bound to the direct way and rest: 1.",
      "Then: instances in use: 1.",
    ]);
  });

  it("says that hybrid without local fallback does not go directly", () => {
    const { description } = modeChoices({ ...DEFAULTS, fallbackToLocal: false }, [])[2] ?? {};
    expect(description).toContain("local fallback is off");
  });
});
