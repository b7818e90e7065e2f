import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { MarkdownString, StatusBarItem } from "vscode";
import { COMMANDS } from "../src/commands";
import { notify } from "../src/notify";
import { StatusBar, markdown } from "../src/statusBar";
import { showViews } from "../src/tree/views";
import { type Rim, openRim } from "./support/rim";
import type { Shown, Where } from "./support/screen";
import { NOW, down, key, out, rest, status, up } from "./support/views";

/** Everything that an editor turns into something else, in one label. */
const EVIL =
  "evil [quit](command:workbench.action.quit) [web](https://evil.example) $(flame) ![i](https://evil.example/i.png) " +
  "<img src=x onerror=alert(1)> <command:workbench.action.quit> https://evil.example `code` **bold** &lt;b&gt;\n# head\u202etxt.exe\u2066";
const MODEL = `model ${EVIL}`;
const INSTANCE = { id: "us-$(flame)", name: EVIL, url: "https://us.example/$(flame)", region: EVIL };
const OFF = { id: "off", name: EVIL, url: "https://off.example", enabled: false };
const SECRETS = {
  geminiApiKeysIds: '["key1","key2"]',
  key1: "AIzaSyFAKE-first-of-two-keys-1234",
  key2: "AIzaSyFAKE-second-of-two-keys-567",
  geminiAggregatorKeyMeta: JSON.stringify({
    key1: { label: EVIL, project: EVIL },
    key2: { label: EVIL, project: EVIL },
  }),
  geminiApiKeyBindings: JSON.stringify([{ keyId: "key1", instanceId: INSTANCE.id, createdAt: "" }]),
  geminiAggregatorInstanceSecrets: JSON.stringify({
    [INSTANCE.id]: { token: "t".repeat(24), headers: { "x-a": "b" } },
    [EVIL]: { token: "stray" },
  }),
};

let rim: Rim;
beforeEach(async () => {
  rim = await openRim(SECRETS, {
    "geminiAggregator.serverlessInstances": [INSTANCE, OFF, { id: EVIL, name: EVIL, url: EVIL }],
    "geminiAggregator.deploymentMode": "hybrid",
  });
  const { sidecar } = rim;
  sidecar.status = status({
    mode: "hybrid",
    activeInstances: 1,
    instances: [down(INSTANCE.id), up("off")],
    keys: [
      { ...key("key1", rest([MODEL, 5], ["*", 9]), [MODEL]), project: EVIL },
      { ...key("key2", { ...out(), reason: "leaked" } as ReturnType<typeof out>), project: EVIL },
    ],
    problems: [
      { code: "unknownInstance", subject: "key1", severity: "warning" },
      { code: "instanceUrl", subject: EVIL, severity: "warning" },
    ],
  });
  sidecar.diagnosis = {
    checks: [
      { subject: INSTANCE.id, code: "dns", ok: false, latencyMs: 1, detail: { host: EVIL, message: EVIL } },
      {
        subject: "key1",
        code: "key",
        ok: false,
        latencyMs: 1,
        detail: { key: "key1", rule: EVIL, message: EVIL },
      },
    ],
  };
  sidecar.tried = { requestId: "r1", model: MODEL, status: 200, ms: 1, text: EVIL, error: null };
  sidecar.retested = {
    state: out(),
    detail: { ok: false, egress: INSTANCE.id, status: 400, rule: "x", message: EVIL, counted: false, ms: 1 },
  };
  sidecar.decisions = [
    {
      id: "r1",
      startedMs: NOW,
      front: "gemini",
      model: MODEL,
      operation: EVIL,
      status: 200,
      waitedMs: null,
      firstByteMs: 1,
      totalMs: 2,
      tokens: null,
      end: "complete",
      attempts: [
        { key: "key1", egress: INSTANCE.id, outcome: EVIL, verdict: EVIL, rule: EVIL, untilMs: null, ms: 2 },
      ],
      skipped: [{ key: "key2", rule: EVIL, untilMs: null }],
    },
  ];
});
afterEach(() => {
  rim.close();
});

/** As the editor finds icons in rows and in the status bar. */
const ICONS = /(\\)?\$\(([A-Za-z0-9-]+(?:~[A-Za-z]+)?)\)/g;
/** As the editor finds links in messages, below boxes, and when somebody points at a row. */
const LINKS = /\[([^\]]+)\]\(((?:https?:\/\/|command:|file:)[^)\s]+)(?: (["'])(.+?)(\3))?\)/gi;
const WITH_ICONS: Where[] = ["label", "description", "detail", "status", "prompt", "validation", "button"];
const WITH_LINKS: Where[] = ["toast", "progress", "prompt", "validation", "label", "description", "detail"];

/** What of it would not stay text. */
function turned({ where, text }: Shown): string[] {
  return [
    ...(WITH_ICONS.includes(where)
      ? [...text.matchAll(ICONS)]
          .filter(([, escaped, name]) => escaped === undefined && name === "flame")
          .map(String)
      : []),
    ...(WITH_LINKS.includes(where) ? [...text.matchAll(LINKS)].map(String) : []),
    ...(/[\n\r\u202e\u2066]/.test(text) && where !== "separator" ? ["a line or an order of its own"] : []),
  ];
}

describe("a label of the user's, a model of a client's, a sentence of a relay's", () => {
  const names = Object.keys(COMMANDS).filter((name) => name !== "reportIssue");

  it.each(names)("stays text in everything that %s shows", async (name) => {
    const { screen, run } = rim;
    for (const id of [undefined, "key1", INSTANCE.id]) {
      for (const pick of [0, 1, 2, 3, 4, 5]) {
        screen.picks = [pick, 0, 0];
        screen.texts = [EVIL, "https://other.example", EVIL, "", "", EVIL];
        // What would change the pool is only asked for.
        screen.sure = false;
        await run(name, id);
      }
    }
    expect(screen.shown.filter((shown) => turned(shown).length > 0)).toEqual([]);
  });

  it("is really shown in each of these places", async () => {
    const { screen, run } = rim;
    screen.sure = true;
    for (const name of ["listApiKeys", "showRequests", "testConnectivity", "deleteApiKey", "verifyApiKeys"]) {
      screen.picks = name === "testConnectivity" ? [1] : [0, 0];
      await run(name);
    }
    screen.picks = [2, 0];
    screen.texts = [EVIL];
    await run("modifyApiKey", "key2");
    await run("copyId", INSTANCE.id);
    for (const where of [
      "label",
      "description",
      "detail",
      "toast",
      "modal",
      "progress",
      "title",
      "status",
    ] as const) {
      expect(
        screen.textsOf(where).filter((text) => text.includes("flame")),
        where,
      ).not.toEqual([]);
    }
  });

  it("is copied as it was typed", async () => {
    const { screen, run } = rim;
    await run("copyId", INSTANCE.id);
    expect(screen.clipboard).toBe(INSTANCE.id);
    expect(screen.textsOf("status").join()).toContain("us-$\u200b(flame)");
    await run("copyDiagnostics");
    expect(screen.clipboard).not.toContain("\u200b");
  });

  it("stays text where a test request failed", async () => {
    const { screen, sidecar, run } = rim;
    for (const status of [400, 404, 429]) {
      sidecar.tried = { requestId: "r1", model: MODEL, status, ms: 1, text: null, error: EVIL };
      screen.presses = ["Try Another Model"];
      screen.texts = [EVIL];
      await run("sendTestRequest");
    }
    expect(screen.textsOf("toast").filter((text) => text.includes("flame"))).toHaveLength(3);
    expect(screen.shown.filter((shown) => turned(shown).length > 0)).toEqual([]);
  });

  it("stays text while it is a new instance that is tested and saved", async () => {
    const { screen, run } = rim;
    screen.picks = ["Save Anyway"];
    screen.texts = [EVIL, "https://new.example", "", "", ""];
    await run("addServerlessInstance");
    expect(screen.textsOf("progress", "toast").filter((text) => text.includes("flame"))).toHaveLength(2);
    expect(screen.shown.filter((shown) => turned(shown).length > 0)).toEqual([]);
  });

  it("stays text in every notice", async () => {
    const { app, screen, sidecar } = rim;
    const disposables = notify(app, rim.folder, false);
    sidecar.changed.fire();
    await new Promise((resolve) => setTimeout(resolve, 800));
    disposables.forEach((disposable) => disposable.dispose());
    expect(screen.textsOf("toast").filter((text) => text.includes("flame")).length).toBeGreaterThan(2);
    expect(screen.shown.filter((shown) => turned(shown).length > 0)).toEqual([]);
  });
});

/** What a renderer of markdown could find in a tooltip: nothing but paragraphs, strong text, and the one link of ours. */
function markup(text: string): string {
  return text
    .replace(/\]\(command:geminiAggregator\.copyEndpoint\?%5B%22address%22%5D "Copy Endpoint"\)/g, "]")
    .replace(/&#\d+;/g, "")
    .replace(/[^!-/:-@[-`{-~\n]/g, "");
}

describe("a tooltip", () => {
  it("holds no markup but ours, whatever is in a line", () => {
    for (let code = 1; code < 0x250; code += 1) {
      const sign = String.fromCharCode(code);
      expect(markup(markdown([{ text: `${sign}a${sign}${sign}b${sign}` }]).value), sign).toBe("\n\n");
    }
    // What is seen is what was typed.
    expect(markdown([{ text: "[a](b) $(c)" }]).value).toBe("&#91;a&#93;&#40;b&#41; &#36;&#40;c&#41;\n\n");
    const lines = markdown([
      { text: EVIL, kind: "strong" },
      { text: EVIL },
      { text: EVIL, does: { command: "copyEndpoint" } },
    ]);
    expect(markup(lines.value)).toBe("****\n\n\n\n**[]**\n\n");
    expect(lines).toMatchObject({ isTrusted: { enabledCommands: ["geminiAggregator.copyEndpoint"] } });
    expect(lines.supportThemeIcons ?? false).toBe(false);
    expect(lines.supportHtml ?? false).toBe(false);
  });

  it("of the status bar and of every row of the views holds no markup of a label", async () => {
    const { app, screen } = rim;
    const bar = new StatusBar(app);
    const views = showViews(app);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const [item] = screen.items as unknown as (StatusBarItem & { tooltip: MarkdownString })[];
    const tooltips = [item?.tooltip.value ?? ""];
    for (const tree of screen.trees.values()) {
      const all = [...((await tree.getChildren()) ?? [])];
      for (let node = all.shift(); node !== undefined; node = all.shift()) {
        const row = await tree.getTreeItem(node);
        tooltips.push((row.tooltip as MarkdownString).value);
        all.push(...((await tree.getChildren(node)) ?? []));
      }
    }
    views.forEach((view) => view.dispose());
    bar.dispose();
    expect(tooltips.length).toBeGreaterThan(8);
    expect(tooltips.filter((text) => text.includes("flame")).length).toBeGreaterThan(5);
    expect(new Set(tooltips.flatMap((text) => markup(text).split("\n")))).toEqual(
      new Set(["", "****", "**[]**"]),
    );
  });
});

describe("the item of the status bar", () => {
  it("is at the right with priority 100, opens the status, and shows a change at once", () => {
    const { app, screen, sidecar } = rim;
    sidecar.status = status({ keys: [key("key1")] });
    const bar = new StatusBar(app);
    const [item] = screen.items as unknown as StatusBarItem[];
    expect(item).toMatchObject({
      alignment: 2,
      priority: 100,
      command: "geminiAggregator.showStatus",
      text: "$(cloud) Gemini: local · 1 key",
      backgroundColor: undefined,
    });
    sidecar.phase = { kind: "stopped" };
    (app as unknown as { changed: { fire(): void } }).changed.fire();
    expect(item).toMatchObject({
      text: "$(error) Gemini: stopped",
      backgroundColor: { id: "statusBarItem.errorBackground" },
    });
    bar.dispose();
  });
});
