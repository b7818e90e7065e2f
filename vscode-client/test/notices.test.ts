import { describe, expect, it } from "vitest";
import type { KeyState, Status } from "../../protocol/protocol";
import {
  type Remedy,
  isLasting,
  isToldByUpgrade,
  judged,
  notices,
  remedyWords,
  together,
} from "../src/notices";
import type { Failure, View } from "../src/view";
import { NOW, clock, down, key, keys, out, rest, view } from "./support/views";

const told = (of: Partial<Status> | undefined, some: Partial<View> = {}): [string, Remedy[]][] =>
  notices(view(of, some), NOW, clock).map(({ id, remedies }) => [id, remedies]);
const follower: Status["role"] = { kind: "follower", port: 3145, leader: { pid: 7, version: "2" } };

describe("notices", () => {
  it("say nothing at a first start without keys, and nothing while all is well", () => {
    expect(told({ problems: [{ code: "noKeys", subject: null, severity: "warning" }] })).toEqual([]);
    expect(told(undefined, { phase: { kind: "starting" } })).toEqual([]);
    expect(told({ keys: [key("a", { kind: "disabled" })] })).toEqual([]);
  });

  it("tell of a token that does not match once, not also that its relay is down", () => {
    const problems: Status["problems"] = [{ code: "instanceToken", subject: "us", severity: "warning" }];
    expect(told({ mode: "hybrid", instances: [down("us"), down("eu")], problems })).toEqual([
      ["instanceToken us", ["check"]],
      ["down eu", ["test", "showLog"]],
    ]);
  });

  it("come for each thing that needs a person, with what helps", () => {
    expect(told({ keys: [key("a", out())] })).toEqual([["invalid", ["verify", "addKey", "showLog"]]]);
    expect(
      told({ keys: keys(3), problems: [{ code: "allKeysInvalid", subject: null, severity: "error" }] }),
    ).toMatchObject([["invalid", {}]]);
    expect(told({ keys: [key("a", rest(["m", 5]))] })).toEqual([["dry", ["addKey"]]]);
    expect(told({ mode: "hybrid", instances: [down("us"), down("off")] })).toEqual([
      ["down us", ["test", "showLog"]],
    ]);
    expect(told({ role: { kind: "blocked", port: 3145, by: "portOtherPool" } })).toEqual([
      ["port", ["anotherPort", "openSettings", "showLog"]],
    ]);
    for (const code of ["portTaken", "portOtherPool", "portForwarded"] as const) {
      expect(told({ problems: [{ code, subject: "4000", severity: "error" }] })).toEqual([
        [`${code} 4000`, ["anotherPort", "openSettings"]],
      ]);
    }
    expect(told({ problems: [{ code: "instanceUrl", subject: "us", severity: "warning" }] })).toEqual([
      ["instanceUrl us", ["openSettings"]],
    ]);
    const remedies = (code: Status["problems"][number]["code"], subject: string): Remedy[] | undefined =>
      told({ problems: [{ code, subject, severity: "error" }] })[0]?.[1];
    expect(remedies("invalidSecret", "accessToken")).toEqual(["newToken"]);
    expect(remedies("portTaken", "4000")).toEqual(["anotherPort", "openSettings"]);
    // None of these stands in the settings.
    expect(remedies("unknownInstance", "key1")).toEqual(["check"]);
    expect(remedies("instanceToken", "us")).toEqual(["check"]);
    expect(told({ problems: [{ code: "invalidSecret", subject: "key1", severity: "warning" }] })).toEqual([]);
    const own: View["problems"] = [
      { code: "setting", subject: "port", expected: "wholeNumber" },
      { code: "keysLost" },
      { code: "secretUnreadable", subject: "x" },
    ];
    expect(told(undefined, { phase: { kind: "stopped" }, problems: own })).toEqual([
      ["setting port", ["openSettings"]],
      ["keysLost ", ["keyringHelp", "addKey"]],
      ["secretUnreadable x", ["showLog"]],
    ]);
  });

  it("name each key that Google found in public, for nothing but a new one helps", () => {
    const leaked: KeyState = { kind: "quarantined", reason: "leaked", sinceMs: NOW, untilMs: null };
    expect(told({ keys: [key("a", leaked), key("b")] })).toEqual([["leaked a", ["showKeys", "addKey"]]]);
  });

  it("that an upgrade tells as well are those of what 1.x accepted and 2.x does not", () => {
    const problems: Status["problems"] = (
      ["instanceRetired", "instanceUrl", "unknownInstance", "proxyUrl"] as const
    ).map((code) => ({ code, subject: "us", severity: "warning" }));
    expect(notices(view({ keys: keys(1), problems }), NOW, clock).filter(isToldByUpgrade)).toHaveLength(3);
  });

  it("of settings are told together", () => {
    const [port, ...rest] = notices(
      view({
        problems: (["portRange", "attemptsRange", "heartbeatRange", "proxyUrl"] as const).map((code) => ({
          code,
          subject: null,
          severity: code === "proxyUrl" ? "error" : "warning",
        })),
      }),
      NOW,
      clock,
    );
    expect(port?.ofSettings).toBe(true);
    expect(together([])).toBeUndefined();
    expect(together(port ? [port] : [])).toBe(port);
    const both = together(port && rest[0] ? [port, rest[0]] : []);
    expect([both?.text, both?.severity, both?.remedies]).toEqual([
      "geminiAggregator.port must be from 1 to 65535; the last good value stays. geminiAggregator.maxAttempts must be from 1 to 20; the last good value stays.",
      "warning",
      ["openSettings"],
    ]);
    const all = together(port ? [port, ...rest] : []);
    expect(all).toMatchObject({ severity: "error", remedies: ["openSettings", "check"] });
    expect(all?.text).toMatch(/300 seconds; the last good value stays. And 1 more.$/);
    const other = notices(view({ keys: [key("a", out())] }), NOW, clock);
    expect(other.map(({ ofSettings }) => ofSettings)).toEqual([undefined]);
  });

  it("do not speak of relays that nobody uses", () => {
    expect(told({ mode: "local", instances: [down("us")] })).toEqual([]);
  });

  it("name the relay that is to be tested", () => {
    const [notice] = notices(view({ mode: "hybrid", instances: [down("us")] }), NOW, clock);
    expect(notice?.subject).toBe("us");
  });

  it("come for a program that cannot begin, and not for one that crashed, which is told by itself", () => {
    const failed = (failure: Failure): [string, Remedy[]][] =>
      told(undefined, { phase: { kind: "failed", failure } });
    expect(failed({ kind: "binaryMissing", platform: "sunos-x64" })).toEqual([
      ["failed binaryMissing", ["restart", "showLog"]],
    ]);
    expect(failed({ kind: "crashed" })).toEqual([]);
    expect([isLasting({ kind: "refused" }), isLasting({ kind: "silent" })]).toEqual([true, false]);
  });

  it("that are missing say something only where this window can judge", () => {
    const abouts = (of: Partial<Status> | undefined, some: Partial<View> = {}): string =>
      [...judged(view(of, some))].join(" ");
    expect(abouts({})).toBe("window start port pool");
    expect(abouts({ role: { kind: "starting" } })).toBe("window start");
    expect(abouts({ role: { kind: "blocked", port: 1, by: "portTaken" } })).toBe("window start port");
    expect(abouts({ role: follower })).toBe("start");
    expect(abouts(undefined)).toBe("window");
    expect(abouts({}, { phase: { kind: "stopped" } })).toBe("window");
  });

  it("leave everything of the pool to the leader's window", () => {
    expect(told({ role: follower, keys: [key("a", out())] }, { problems: [{ code: "keysLost" }] })).toEqual(
      [],
    );
  });

  it("have words for every button", () => {
    const remedies: Remedy[] = [
      "anotherPort",
      "addKey",
      "showKeys",
      "verify",
      "showLog",
      "openSettings",
      "keyringHelp",
      "restart",
      "check",
      "test",
      "newToken",
    ];
    expect(new Set(remedies.map(remedyWords)).size).toBe(remedies.length);
  });
});
