import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { Phase } from "../src/view";
import {
  PROGRAM,
  alive,
  crashes,
  failures,
  folder,
  lines,
  open,
  pids,
  running,
  setState,
  sidecar,
  until,
} from "./support/sidecar";

/** The real one, where it was built. */
const REAL = process.env.GEMINI_AGGREGATOR_BINARY ?? join(__dirname, "../../target/debug/gemini-aggregator");
/** Of the promise that {@link gate} gives. */
let through: () => void;

/** A program that is found when {@link through} is called. */
function gate(): () => Promise<string> {
  const opened = new Promise<void>((resolve) => {
    through = resolve;
  });
  return () => opened.then(() => PROGRAM);
}

/** Of this process, as the system knows them. */
function children(): string[] {
  return readdirSync("/proc/self/task").flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, "utf8").split(" ").filter(Boolean),
  );
}

describe("whoever ends or restarts the sidecar", () => {
  it("leaves no process behind while it is being looked for", async () => {
    open(gate());
    const started = sidecar.start();
    const stopped = sidecar.stop();
    through();
    await Promise.all([started, stopped]);
    expect([sidecar.phase.kind, pids(), failures, crashes]).toEqual(["stopped", [], [], 0]);
  });

  it.each([1, 2, 3, 4, 5, 6])(
    "leaves none behind while it is being started, %i moments later",
    async (moments) => {
      const started = sidecar.start();
      for (let moment = 0; moment < moments; moment += 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      await sidecar.stop();
      await started;
      expect([sidecar.phase.kind, pids().filter(alive), failures, crashes]).toEqual(["stopped", [], [], 0]);
    },
  );

  it("gets one process by pressing twice", async () => {
    await sidecar.start();
    await until(running);
    await Promise.all([sidecar.restart(), sidecar.restart()]);
    await until(running);
    expect([pids().length, pids().filter(alive).length]).toEqual([2, 1]);
    expect([failures, crashes]).toEqual([[], 0]);
  });

  it("never has two at once: the next one begins when the last one is gone", async () => {
    vi.stubEnv("FAKE_PROGRAM", "lingers");
    await sidecar.start();
    await until(running);
    const stopped = sidecar.stop();
    await Promise.all([sidecar.start(), until(running)]);
    expect([pids().length, pids().filter(alive).length]).toEqual([2, 1]);
    await stopped;
  });

  it.each<[string, () => Promise<void>, Phase["kind"]]>([
    ["stops it during a restart: it stays stopped", () => sidecar.stop(), "stopped"],
    ["starts it during a restart: it runs", () => sidecar.start(), "running"],
  ])("and then %s", async (_, act, phase) => {
    await sidecar.start();
    await until(running);
    const restarted = sidecar.restart();
    await act();
    await restarted;
    await until(() => sidecar.phase.kind === phase);
    expect(pids().filter(alive)).toHaveLength(phase === "running" ? 1 : 0);
    expect([failures, crashes]).toEqual([[], 0]);
  });

  it("sees it start at once, and not stopped in between", async () => {
    await sidecar.start();
    await until(running);
    const phases: string[] = [];
    sidecar.onDidChange(() => phases.push(sidecar.phase.kind));
    await sidecar.restart();
    expect(phases).not.toContain("stopped");
    expect(phases).toContain("starting");
  });

  it("need not wait for the next try after a crash", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    vi.stubEnv("FAKE_PROGRAM", "dies");
    void sidecar.start();
    await new Promise<void>((resolve) => {
      sidecar.onDidCrash(resolve);
    });
    vi.stubEnv("FAKE_PROGRAM", "well");
    await sidecar.restart();
    await until(running);
    vi.advanceTimersByTime(60_000);
    expect([pids().length, pids().filter(alive).length]).toEqual([2, 1]);
  });

  it("is waited for four seconds and not longer if it does not hear", async () => {
    vi.stubEnv("FAKE_PROGRAM", "deaf");
    await sidecar.start();
    await until(running);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const stopped = sidecar.stop();
    await vi.advanceTimersByTimeAsync(3_999);
    expect(pids().filter(alive)).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    await vi.advanceTimersByTimeAsync(700);
    await stopped;
    expect([pids().filter(alive), crashes]).toEqual([[], 0]);
  });
});

describe("a sidecar that cannot be spoken with", () => {
  it("is given up as one that crashes if it begins with something that is no message", async () => {
    vi.stubEnv("FAKE_PROGRAM", "babbles");
    await sidecar.start();
    await until(() => sidecar.phase.kind === "failed");
    expect([failures, crashes, pids().length]).toEqual([[{ kind: "crashed" }], 1, 5]);
    expect(lines.join("\n")).not.toContain("a line that is no message");
  }, 20_000);

  it.each([
    ["says something that is no message", 667],
    ["hears and says nothing any more, and a gentle signal neither", 668],
  ])("is replaced if it %s", async (_, port) => {
    vi.stubEnv("FAKE_PROGRAM", "goes mute");
    await sidecar.start();
    await until(running);
    setState({ revision: 2, port });
    const pushed = sidecar.push({ revision: 2, port });
    setState({ revision: 3, port: 4003 });
    await pushed;
    await until(() => sidecar.status?.appliedRevision === 3);
    expect([crashes, failures, pids().length, pids().filter(alive).length]).toEqual([1, [], 2, 1]);
  });

  it("because the system ends it at once is told apart from one that crashes", async () => {
    vi.stubEnv("FAKE_PROGRAM", "is forbidden");
    await sidecar.start();
    await until(() => sidecar.phase.kind === "failed");
    expect(failures).toEqual([{ kind: "heldBack", code: "SIGKILL" }]);
  }, 20_000);
});

describe("the sidecar", () => {
  it("starts although its folder is gone", async () => {
    rmSync(folder, { recursive: true });
    await sidecar.start();
    await until(running);
    expect([existsSync(folder), failures]).toEqual([true, []]);
  });

  it.runIf(existsSync(REAL) && process.platform === "linux")(
    "leaves no process of the real program behind, at whatever moment it is stopped",
    async () => {
      setState({ port: 0 });
      open(() => Promise.resolve(REAL));
      const others = children();
      for (let start = 0; start < 30; start += 1) {
        const started = sidecar.start();
        if (start % 3 !== 0) {
          await started;
        }
        if (start % 3 === 1) {
          await until(() => sidecar.status?.role.kind === "leader");
        }
        await (start % 10 === 9 ? sidecar.restart() : sidecar.stop());
      }
      await sidecar.stop();
      expect(children()).toEqual(others);
      expect([crashes, failures]).toEqual([0, []]);
    },
    60_000,
  );
});
