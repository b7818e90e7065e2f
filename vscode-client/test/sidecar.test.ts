import { describe, expect, it, vi } from "vitest";
import * as vscode from "vscode";
import { NotStarted, findProgram } from "../src/binary";
import {
  alive,
  crashes,
  failures,
  folder,
  lines,
  open,
  pids,
  PROGRAM,
  running,
  setLevel,
  setState,
  sidecar,
  state,
  until,
} from "./support/sidecar";

describe("the sidecar", () => {
  it("gets the state with its start, and every newer one once", async () => {
    await sidecar.start();
    await until(running);
    expect(sidecar.phase.kind).toBe("running");
    expect(sidecar.status).toMatchObject({ appliedRevision: 1, role: { port: 4000 } });
    setState({ revision: 2, port: 4001 });
    const pushed = sidecar.push(state);
    expect(sidecar.applying).toBe(true);
    await pushed;
    await until(() => !sidecar.applying);
    expect(sidecar.status).toMatchObject({ appliedRevision: 2, role: { port: 4001 } });
    await sidecar.push({ ...state, port: 4002 });
    expect(sidecar.applying).toBe(false);
  });

  it("is not waited for once it refused a state", async () => {
    await sidecar.start();
    await until(running);
    await sidecar.push({ ...state, revision: 2, port: 0 });
    await until(() => !sidecar.applying);
    expect(sidecar.status).toMatchObject({ appliedRevision: 1, rejectedRevision: 2 });
  });

  it("answers a re-test, and cannot be asked while it is stopped", async () => {
    await expect(sidecar.retest("key1")).rejects.toThrow("the server does not run");
    await sidecar.start();
    const answer = { keyId: "key1", detail: { ok: true } };
    expect(await sidecar.retest("key1")).toMatchObject(answer);
    expect(await sidecar.retest("key1", new vscode.CancellationTokenSource().token)).toMatchObject(answer);
  });

  it("answers a test request, and gives one up that is cancelled", async () => {
    await sidecar.start();
    expect(await sidecar.tryRequest({})).toEqual({ status: 200, model: "small" });
    expect(await sidecar.tryRequest({ model: "m" })).toEqual({ status: 200, model: "m" });
    const source = new vscode.CancellationTokenSource();
    const slow = sidecar.tryRequest({ model: "slow" }, source.token);
    await vi.waitFor(() => {
      expect(lines.join("\n")).toContain("waiting");
    });
    source.cancel();
    await expect(slow).rejects.toThrow("Canceled");
  });

  it("that follows another window gives that one time to hear of a key before it is tested there", async () => {
    vi.stubEnv("FAKE_PROGRAM", "follows");
    await sidecar.start();
    await until(running);
    const tested = sidecar.retest("key1");
    // The stand-in takes this for a change in the window that serves.
    setLevel(vscode.LogLevel.Debug);
    expect(await tested).toMatchObject({ keyId: "key1", detail: { ok: true } });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const unknown = expect(sidecar.retest("key9")).rejects.toThrow("the server did not answer");
    await vi.advanceTimersByTimeAsync(2_000);
    await unknown;
    expect(lines.join("\n")).toContain("there is no key with this id");
    const source = new vscode.CancellationTokenSource();
    const cancelled = expect(sidecar.retest("key9", source.token)).rejects.toThrow();
    source.cancel();
    await cancelled;
  });

  it("writes its log, and no message, even at the level Trace", async () => {
    open(() => Promise.resolve(PROGRAM), vscode.LogLevel.Trace);
    await sidecar.start();
    await until(running);
    await sidecar.stop();
    expect(lines.filter((line) => line.includes("level=trace"))).toHaveLength(1);
    expect(lines.filter((line) => /initialize|aggregator\//.test(line))).toEqual([]);
  });

  it("is told how much to log whenever that changes, and not what it knows", async () => {
    const told = (): string[] => lines.flatMap((line) => (/level=(\w+)/.exec(line) ?? []).slice(1));
    await sidecar.start();
    setLevel(vscode.LogLevel.Debug);
    setLevel(vscode.LogLevel.Trace);
    setLevel(vscode.LogLevel.Error);
    setLevel(vscode.LogLevel.Off);
    // Answered behind the notifications.
    await sidecar.retest("key1");
    await vi.waitFor(() => {
      expect(told()).toEqual(["info", "debug", "trace", "info"]);
    });
    await sidecar.stop();
    setLevel(vscode.LogLevel.Debug);
    await sidecar.start();
    await vi.waitFor(() => {
      expect(told()).toEqual(["info", "debug", "trace", "info", "debug"]);
    });
  });

  it("starts once, however often it is told to, and is gone after a stop", async () => {
    await Promise.all([sidecar.start(), sidecar.start()]);
    await until(running);
    await sidecar.start();
    await sidecar.stop();
    await sidecar.stop();
    expect(pids()).toHaveLength(1);
    expect(pids().filter(alive)).toEqual([]);
    expect([sidecar.phase.kind, sidecar.status, failures, crashes]).toEqual(["stopped", undefined, [], 0]);
  });

  it("is another process with the newest state after a restart", async () => {
    await sidecar.start();
    await until(running);
    setState({ revision: 5, port: 4005 });
    await sidecar.restart();
    await until(running);
    expect(pids()).toHaveLength(2);
    expect(sidecar.status).toMatchObject({ appliedRevision: 5, role: { port: 4005 } });
  });

  it("comes back with its state after a crash, which is told once", async () => {
    await sidecar.start();
    await until(running);
    for (const revision of [2, 4]) {
      setState({ revision, port: 666 });
      const pushed = sidecar.push(state);
      setState({ revision: revision + 1, port: 4000 + revision });
      await pushed;
      await until(() => sidecar.phase.kind === "starting");
      await until(running);
      expect(sidecar.status).toMatchObject({
        appliedRevision: revision + 1,
        role: { port: 4000 + revision },
      });
    }
    expect([crashes, failures]).toEqual([1, []]);
  });

  it("that dies at once is given up after the fifth time, and can be started by hand", async () => {
    vi.stubEnv("FAKE_PROGRAM", "dies");
    await sidecar.start();
    await until(() => sidecar.phase.kind === "failed");
    expect(failures).toEqual([{ kind: "crashed" }]);
    expect([pids().length, crashes]).toEqual([5, 1]);
    expect(lines.filter((line) => line.includes("exit code 3"))).toHaveLength(5);
    vi.stubEnv("FAKE_PROGRAM", "well");
    await sidecar.start();
    await until(running);
  }, 20_000);

  it("stays stopped when it is stopped between a crash and the next start", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    vi.stubEnv("FAKE_PROGRAM", "dies");
    void sidecar.start();
    await new Promise<void>((resolve) => {
      sidecar.onDidCrash(resolve);
    });
    await sidecar.stop();
    vi.advanceTimersByTime(60_000);
    expect([pids().length, sidecar.phase.kind]).toEqual([1, "stopped"]);
  });

  it("that never answers is ended after ten seconds, and not started again", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    vi.stubEnv("FAKE_PROGRAM", "silent");
    const started = sidecar.start();
    while (pids().length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    vi.advanceTimersByTime(9_999);
    expect(sidecar.phase.kind).toBe("starting");
    vi.advanceTimersByTime(1);
    await started;
    expect([failures, pids().filter(alive), crashes]).toEqual([[{ kind: "silent" }], [], 0]);
  });

  it.each(["refuses", "understands nothing"])(
    "that %s is ended and not started again, with its sentence in the log",
    async (how) => {
      vi.stubEnv("FAKE_PROGRAM", how);
      await sidecar.start();
      expect([failures, crashes, pids().length]).toEqual([[{ kind: "refused" }], 0, 1]);
      expect(pids().filter(alive)).toEqual([]);
      expect(lines.join("\n")).toContain("it speaks another protocol");
    },
  );

  it("that does not hear is ended by force", async () => {
    vi.stubEnv("FAKE_PROGRAM", "deaf");
    await sidecar.start();
    await until(running);
    await sidecar.stop();
    expect(pids().filter(alive)).toEqual([]);
    expect(crashes).toBe(0);
  }, 20_000);

  it("can be stopped while it starts", async () => {
    vi.stubEnv("FAKE_PROGRAM", "silent");
    const started = sidecar.start();
    while (pids().length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await sidecar.stop();
    await started;
    expect([sidecar.phase.kind, failures, pids().filter(alive)]).toEqual(["stopped", [], []]);
  });

  it("that is stopped before its process is there leaves none behind", async () => {
    let asked: (find: () => void) => void = () => undefined;
    const looking = new Promise<() => void>((resolve) => (asked = resolve));
    open(
      () =>
        new Promise((resolve) => {
          asked(() => {
            resolve(PROGRAM);
          });
        }),
    );
    const started = sidecar.start();
    const find = await looking;
    const stopped = sidecar.stop();
    find();
    await Promise.all([started, stopped]);
    expect([sidecar.phase.kind, failures, pids().filter(alive)]).toEqual(["stopped", [], []]);
  });

  it("begins anew only when the last process is gone, and is never called stopped in between", async () => {
    await sidecar.start();
    await until(running);
    const phases = new Set<string>();
    const listener = sidecar.onDidChange(() => phases.add(sidecar.phase.kind));
    await Promise.all([sidecar.restart(), sidecar.restart(), sidecar.start()]);
    await until(running);
    listener.dispose();
    expect([...phases]).toEqual(["starting", "running"]);
    expect(pids().filter(alive)).toHaveLength(1);
    expect(crashes).toBe(0);
  });

  it("stays stopped when it is stopped while it begins anew", async () => {
    await sidecar.start();
    await until(running);
    const restarted = sidecar.restart();
    await sidecar.stop();
    await restarted;
    expect([sidecar.phase.kind, failures, pids().filter(alive), crashes]).toEqual(["stopped", [], [], 0]);
  });

  it("that is missing is told, and nothing is tried again", async () => {
    open(() => findProgram(folder, false));
    await sidecar.start();
    expect(failures).toEqual([{ kind: "binaryMissing", platform: `${process.platform}-${process.arch}` }]);
    expect(sidecar.phase).toEqual({ kind: "failed", failure: failures[0] });
    open(() => Promise.reject(new NotStarted({ kind: "notStarted", code: "EACCES" })));
    await sidecar.start();
    expect(failures.at(-1)).toEqual({ kind: "notStarted", code: "EACCES" });
  });
});
