import { describe, expect, it } from "vitest";
import { milestones } from "../src/milestones";
import { key, view } from "./support/views";

const NONE = { keys: 0, instances: 0 };
const used = { ...key("key1"), usedToday: 1 };

describe("milestones", () => {
  it("are not reached at a first start", () => {
    expect(milestones(view({}), NONE, false)).toEqual({
      hasKeys: false,
      hasInstances: false,
      running: true,
      verified: false,
      firstRequest: false,
    });
  });

  it("count what is stored, whether something runs or not", () => {
    const stopped = view(undefined, { phase: { kind: "stopped" } });
    expect(milestones(stopped, { keys: 1, instances: 2 }, false)).toMatchObject({
      hasKeys: true,
      hasInstances: true,
      running: false,
    });
  });

  it("take a test that succeeded for verified, and not for a request", () => {
    expect(milestones(view({ keys: [key("key1")] }), { ...NONE, keys: 1 }, true)).toMatchObject({
      verified: true,
      firstRequest: false,
    });
  });

  it("take an answer for both, and a key that was never answered for none", () => {
    expect(milestones(view({ keys: [key("key2"), used] }), { ...NONE, keys: 2 }, false)).toMatchObject({
      verified: true,
      firstRequest: true,
    });
    expect(milestones(view({ keys: [key("key1")] }), { ...NONE, keys: 1 }, false)).toMatchObject({
      verified: false,
      firstRequest: false,
    });
  });
});
