import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { COMMANDS } from "../src/commands";
import { activate, deactivate } from "../src/extension";
import { Screen } from "./support/screen";
import { SharedSecrets } from "./support/secrets";

const PROGRAM = join(__dirname, "support/program.mjs");
const FOLLOWER = { kind: "follower", port: 4000, leader: { pid: 4711, version: "2.0.0" } };

let folder: string;
let shared: SharedSecrets;
let screen: Screen;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "activation-"));
  chmodSync(PROGRAM, 0o755);
  vi.stubEnv("GEMINI_AGGREGATOR_SERVER", PROGRAM);
  shared = new SharedSecrets();
});
afterEach(async () => {
  await close();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A window opens: the extension begins, and the sidecar with it. */
async function open(settings: Record<string, unknown> = {}): Promise<void> {
  screen = new Screen();
  Object.assign(screen.settings, settings);
  await activate(screen.context(shared, folder));
  await vi.waitFor(() => {
    expect(screen.items[0]?.text).not.toContain("starting");
  }, 5_000);
}

async function close(): Promise<void> {
  await deactivate();
  screen.leave();
}

const log = (): string[] => screen.textsOf("log");

describe("a start", () => {
  it("shows nothing but the item of the status bar, where there is neither a key nor something wrong", async () => {
    await open();
    expect(screen.channels).toEqual([["Gemini Aggregator", { log: true }]]);
    expect([...screen.commands.keys()].sort()).toEqual(
      Object.keys(COMMANDS)
        .map((name) => `geminiAggregator.${name}`)
        .sort(),
    );
    expect(screen.items[0]?.text).toBe("$(key) Gemini: add a key");
    expect(screen.textsOf("toast", "modal", "progress")).toEqual([]);
  });

  it("tells once what is wrong with the settings, however often it is so", async () => {
    const wrong = { "geminiAggregator.maxQueueWait": "long", "geminiAggregator.strictTls": false };
    await open(wrong);
    // Names of settings, never those of the messages between the two programs.
    await told([
      "Certificates are not checked, because of geminiAggregator.strictTls. Others on the network can read your keys.",
      "geminiAggregator.maxQueueWait must be a whole number; the last good value stays.",
    ]);
    await close();
    await open({ ...wrong, "geminiAggregator.maxAttempts": "x" });
    await told(["geminiAggregator.maxAttempts must be a whole number; the last good value stays."]);
  });

  it("tells once that the program is missing, and again when somebody tries to start it", async () => {
    vi.stubEnv("GEMINI_AGGREGATOR_SERVER", join(folder, "none"));
    const missing = expect.stringContaining("The extension holds no program for") as string;
    await open();
    await told([missing]);
    await close();
    await open({ "geminiAggregator.port": 0 });
    const port = "geminiAggregator.port must be a whole number from 1 to 65535; the last good value stays.";
    await told([port]);
    await screen.commands.get("geminiAggregator.startServer")?.();
    await told([port, missing]);
  });
});

/** These messages came, in this order, and no other. */
async function told(texts: string[]): Promise<void> {
  await vi.waitFor(() => {
    expect(screen.textsOf("toast")).toEqual(texts);
  }, 5_000);
}

describe("the log of a window that follows another", () => {
  it("begins with which window has the lines of requests", async () => {
    vi.stubEnv("FAKE_ROLE", JSON.stringify(FOLLOWER));
    await open();
    const line = "Another window serves the requests (process 4711); its log has their lines.";
    // Before it there is only what the sidecar says of its own beginning.
    expect(log().find((text) => !text.startsWith("begun"))).toBe(line);
    await screen.commands.get("geminiAggregator.restartServer")?.();
    await vi.waitFor(() => {
      expect(log().filter((text) => text === line)).toHaveLength(2);
    }, 5_000);
  });
});
