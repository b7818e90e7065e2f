import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Paced } from "../src/paced";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("acts at once, then once a pause however often it is called, and never for nothing", () => {
  const act = vi.fn();
  const paced = new Paced(act, 250);
  paced.call();
  expect(act).toHaveBeenCalledTimes(1);
  for (let call = 0; call < 1000; call += 1) {
    paced.call();
  }
  vi.advanceTimersByTime(249);
  expect(act).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(1);
  expect(act).toHaveBeenCalledTimes(2);
  vi.advanceTimersByTime(10_000);
  expect(act).toHaveBeenCalledTimes(2);
  paced.call();
  expect(act).toHaveBeenCalledTimes(3);
});

it("does nothing any more once it is disposed of", () => {
  const act = vi.fn();
  const paced = new Paced(act, 250);
  paced.call();
  paced.call();
  paced.dispose();
  vi.advanceTimersByTime(10_000);
  expect(act).toHaveBeenCalledTimes(1);
});
