import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Status } from "../../protocol/protocol";
import { Keys } from "../src/keys";
import { provideReports, showReport } from "../src/commands/reports";
import { A, B, type Rim, openPool } from "./support/rim";
import { NOW, key, out, status, up } from "./support/views";

const FOLLOWER: Status["role"] = { kind: "follower", port: 4000, leader: { pid: 7, version: "2.0.0" } };

let rim: Rim;
beforeEach(async () => {
  rim = await openPool();
});
afterEach(() => {
  vi.restoreAllMocks();
  rim.close();
});

const toasts = (): string[] => rim.screen.textsOf("toast");
const asked = (what: string): unknown[] =>
  rim.sidecar.heard.filter(([name]) => name === what).map(([, about]) => about);
/** Another window on the same secrets. */
const elsewhere = (): Keys => new Keys(rim.shared.window(), () => Promise.resolve());

describe("a window that follows another", () => {
  beforeEach(() => {
    rim.sidecar.status = status({
      role: FOLLOWER,
      keys: [{ ...key("key1"), state: out() }, key("key2")],
      instances: [up("us")],
    });
  });

  it("gives the leader's address to clients", async () => {
    await rim.run("copyEndpoint", "address");
    expect(rim.screen.clipboard).toBe("http://127.0.0.1:4000");
    await rim.run("runserver");
    expect(toasts()).toEqual(["Requests are answered at http://127.0.0.1:4000."]);
  });

  it("asks for the leader's records and re-tests", async () => {
    await rim.run("showRequests");
    await rim.run("verifyApiKeys");
    expect(asked("records")).toEqual([{ limit: 50 }]);
    expect(asked("retest")).toEqual(["key1", "key2"]);
  });

  it("has the leader re-test keys that are out and that a diagnosis here found good", async () => {
    const { sidecar, run } = rim;
    const check = (id: string, ok: boolean): unknown => ({
      subject: id,
      code: "key",
      ok,
      latencyMs: 1,
      detail: { key: id },
    });
    sidecar.diagnosis = { checks: [check("key1", true), check("key2", true)] } as typeof sidecar.diagnosis;
    await run("testConnectivity", "key1");
    expect(asked("retest")).toEqual(["key1"]);
    sidecar.diagnosis = { checks: [check("key1", false)] } as typeof sidecar.diagnosis;
    await run("networkDiagnostics");
    expect(asked("retest")).toEqual(["key1"]);
    // Such a test counts against the quota, so a person has to want it.
    const denied = { kind: "quarantined", reason: "denied", sinceMs: NOW, untilMs: null } as const;
    sidecar.status = status({ role: FOLLOWER, keys: [key("key1", denied)] });
    sidecar.diagnosis = { checks: [check("key1", true)] } as typeof sidecar.diagnosis;
    await run("testConnectivity", "key1");
    expect(asked("retest")).toEqual(["key1"]);
  });
});

/** The newest state on its way to the sidecar is like this, within half a second. */
async function pushes(state: Record<string, unknown>): Promise<void> {
  await vi.waitFor(
    () => {
      expect(asked("push").at(-1)).toMatchObject(state);
    },
    { timeout: 500, interval: 10 },
  );
}

describe("a change", () => {
  it("of a setting is on its way to the requests within half a second, and a wrong one is not", async () => {
    const { app, screen } = rim;
    screen.set("geminiAggregator.maxAttempts", 2);
    await pushes({ maxAttempts: 2 });
    screen.set("geminiAggregator.maxAttempts", "many");
    screen.set("geminiAggregator.port", 0);
    screen.set("http.proxy", "http://proxy.example:3128");
    await pushes({ maxAttempts: 2, port: 3145, proxy: { kind: "url" } });
    expect(app.view.problems).toEqual([
      { code: "setting", subject: "port", expected: "port" },
      { code: "setting", subject: "maxAttempts", expected: "wholeNumber" },
    ]);
  });

  it("of keys and bindings in another window is, too, and the last key that goes leaves none", async () => {
    const other = elsewhere();
    await other.bind("key2", "eu");
    await pushes({ keys: [{ id: "key1" }, { id: "key2", binding: { kind: "instance", id: "eu" } }] });
    await other.delete("key1");
    await other.delete("key2");
    await pushes({ keys: [] });
    expect(JSON.stringify(asked("push").at(-1))).not.toContain("AIza");
  });
});

describe("a report", () => {
  it("is shown without what is secret, and says after a reload what it was and how to make it again", async () => {
    const { screen, run, sidecar } = rim;
    const disposable = provideReports();
    const [provider] = screen.documents.values();
    sidecar.diagnosis = {
      checks: [
        { subject: "us", code: "reach", ok: false, latencyMs: null, detail: { message: `no ${A} ${B}` } },
      ],
    };
    await run("networkDiagnostics");
    const [, uri] = screen.executed.find(([name]) => name === "markdown.showPreview") ?? [];
    const text = async (of: unknown): Promise<string> =>
      String(await provider?.provideTextDocumentContent(of as never, {} as never));
    expect(await text(uri)).toContain("## US");
    expect(await text(uri)).not.toContain("AIza");
    // Another window, or the same one after a reload, has the address and not the text.
    const restored = { ...(uri as object), path: "/Network Diagnostics .md" };
    expect(await text(restored)).toBe(
      "# Network Diagnostics \n\nThis report is kept nowhere, and went when the window was loaded anew. " +
        "To make it again, choose “Gemini: Network Diagnostics” in the command palette.\n",
    );
    expect(await text({ path: "/x.md", query: "toString" })).toBe(
      "# x\n\nThis report is kept nowhere, and went when the window was loaded anew.\n",
    );
    await showReport("again", "text", "showUpgrade");
    expect(await text({ path: "/again.md", query: "" })).toBe("text");
    disposable.dispose();
  });
});
