import { describe, expect, it } from "vitest";
import { type Verdict, Crashes } from "../src/crashes";

/** What is done about crashes at these seconds. */
function after(...seconds: number[]): Verdict[] {
  const crashes = new Crashes();
  return seconds.map((second) => crashes.add(second * 1000));
}

describe("crashes", () => {
  it("are answered by a start after a longer while each time, and the fifth within three minutes by none", () => {
    expect(after(0, 40, 80, 120, 179)).toEqual([
      { kind: "restart", afterMs: 250, first: true },
      { kind: "restart", afterMs: 500, first: false },
      { kind: "restart", afterMs: 1000, first: false },
      { kind: "restart", afterMs: 2000, first: false },
      { kind: "giveUp" },
    ]);
  });

  it("more than three minutes ago do not count", () => {
    expect(after(0, 40, 80, 120, 180).at(-1)).toMatchObject({ kind: "restart", afterMs: 2000 });
    expect(after(0, 180).at(-1)).toEqual({ kind: "restart", afterMs: 250, first: true });
  });

  it("are told once an episode: one that goes on is no new one", () => {
    expect(after(0, 100, 200, 300).map((verdict) => verdict.kind === "restart" && verdict.first)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it("before a start by hand do not count", () => {
    const crashes = new Crashes();
    [1, 2, 3, 4].forEach((second) => crashes.add(second * 1000));
    crashes.forget();
    expect(crashes.add(5000)).toEqual({ kind: "restart", afterMs: 250, first: true });
  });
});
