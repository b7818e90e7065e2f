import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

/** The real one, where it was built. */
const REAL = process.env.GEMINI_AGGREGATOR_BINARY ?? join(__dirname, "../../target/debug/gemini-aggregator");
const HOSTS = 20;
/** Of these, so many at a time. */
const LANES = 4;
const STARTS_A_HOST = 5;
const PATIENCE_MS = 180_000;

const ROOT = realpathSync(mkdtempSync(join(tmpdir(), "orphans-")));
const PROGRAM = join(ROOT, "host.cjs");

/** The sidecars of a host: they work in its folder, and nobody else does. */
function sidecars(folder: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((id) => {
      try {
        return readlinkSync(`/proc/${String(id)}/cwd`) === folder;
      } catch {
        return false;
      }
    });
}

/** An extension host whose window can be closed hard. */
class Host {
  readonly folder: string;
  starts = 0;
  private readonly child: ChildProcess;
  private readonly words: string[] = [];
  private wake = (): void => undefined;

  constructor(name: number) {
    this.folder = join(ROOT, String(name));
    mkdirSync(this.folder);
    this.child = fork(PROGRAM, [REAL, this.folder], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.child.on("message", (word: string) => {
      this.words.push(word);
      this.wake();
    });
  }

  start(): void {
    this.starts += 1;
    this.child.send("start");
  }

  /** Once it says this; what it said before is forgotten. */
  async says(word: string): Promise<void> {
    while (!this.words.includes(word)) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    this.words.splice(0, this.words.indexOf(word) + 1);
  }

  async stop(): Promise<void> {
    this.child.send("stop");
    await this.says("stop done");
    expect(sidecars(this.folder)).toEqual([]);
  }

  /** Its sidecar, as soon as there is one. */
  sidecar(): Promise<number> {
    return vi.waitUntil(() => sidecars(this.folder)[0], { interval: 1, timeout: PATIENCE_MS });
  }

  async kill(): Promise<void> {
    const gone = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await gone;
  }
}

/** Every way a life of the sidecar can end, the last one with its host. */
async function live(name: number): Promise<number> {
  const host = new Host(name);
  host.start();
  await host.says("leader");
  await host.stop();

  host.start();
  await host.says("starting");
  await host.stop();

  host.start();
  await host.says("leader");
  process.kill(await host.sidecar(), "SIGKILL");
  host.starts += 1;
  await host.says("starting");
  await host.says("leader");
  await host.stop();

  host.start();
  await [() => host.says("starting"), () => host.sidecar(), () => host.says("leader")][name % 3]?.();
  await host.kill();
  return host.starts;
}

describe.runIf(process.platform === "linux" && existsSync(REAL))("the real sidecar", () => {
  beforeAll(async () => {
    await build({
      entryPoints: [join(__dirname, "support/host.ts")],
      outfile: PROGRAM,
      bundle: true,
      format: "cjs",
      platform: "node",
      target: "node20",
      alias: { vscode: join(__dirname, "support/vscode.cjs") },
      logLevel: "warning",
    });
  });
  afterAll(() => {
    rmSync(ROOT, { recursive: true, force: true });
  });

  it(
    "is gone after each of 100 starts: stopped, stopped while it starts, crashed, its host killed",
    async () => {
      const names = Array.from({ length: HOSTS }, (_, name) => name);
      let starts = 0;
      const lane = async (): Promise<void> => {
        for (let name = names.shift(); name !== undefined; name = names.shift()) {
          const lived = await live(name);
          starts += lived;
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      expect(starts).toBe(HOSTS * STARTS_A_HOST);
      const left = (): number[] => readdirSync(ROOT).flatMap((name) => sidecars(join(ROOT, name)));
      await vi.waitFor(() => {
        expect(left()).toEqual([]);
      }, PATIENCE_MS / 10);
    },
    PATIENCE_MS,
  );
});
