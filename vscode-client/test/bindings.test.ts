import { describe, expect, it } from "vitest";
import type { Mode } from "../../protocol/protocol";
import { type Way, wayMeans } from "../src/bindings";

const RELAY: Way = { kind: "instance", id: "us", off: false };
const OFF: Way = { kind: "instance", id: "us", off: true };

describe("what a binding means", () => {
  it.each<[Way, Mode, boolean, string]>([
    [RELAY, "local", true, "Without effect"],
    [RELAY, "serverless", true, "only; while it is down, the key rests"],
    [RELAY, "hybrid", false, "only; while it is down, the key rests"],
    [RELAY, "hybrid", true, "while it is down, directly"],
    [OFF, "local", true, "Without effect"],
    [OFF, "serverless", true, "the key rests until it is on"],
    [OFF, "hybrid", false, "the key rests until it is on"],
    [OFF, "hybrid", true, "the key goes directly until it is on"],
    [{ kind: "local" }, "local", true, "Nothing changes"],
    [{ kind: "local" }, "serverless", true, "Takes no part"],
    [{ kind: "local" }, "hybrid", false, "go directly, never by an instance"],
    [{ kind: "none" }, "local", true, "go directly"],
    [{ kind: "none" }, "serverless", true, "in turn."],
    [{ kind: "none" }, "hybrid", false, "in turn."],
    [{ kind: "none" }, "hybrid", true, "then go directly"],
  ])("%j in %s (fallback %s): …%s", (way, mode, fallback, words) => {
    expect(wayMeans(way, mode, fallback)).toContain(words);
  });
});
