import { describe, expect, it } from "vitest";
import type { Record as Decision, Status } from "../../protocol/protocol";
import type { StoredKey } from "../src/secrets";
import type { InstanceSetting } from "../src/settings";
import { type Node, type Pool, keyNodes, relayNodes } from "../src/tree/model";
import { needs } from "../src/tree/needs";
import { requestNodes } from "../src/tree/requests";
import type { View } from "../src/view";
import { MINUTE, NOW, clock, down, key, keys, out, rest, up, view } from "./support/views";

const stored = (id: string, more: Partial<StoredKey> = {}): StoredKey => ({
  id,
  value: `value of ${id}`,
  ...more,
});
const instance = (id: string, more: Partial<InstanceSetting> = {}): InstanceSetting => ({
  id,
  url: `https://${id}.example`,
  name: id,
  ...more,
});
const pool = (of: Partial<Status> | undefined, more: Partial<Pool> = {}, some: Partial<View> = {}): Pool => ({
  view: view(of, some),
  keys: [stored("key1")],
  instances: [],
  ...more,
});
const stopped: Partial<View> = { phase: { kind: "stopped" } };
const keyRows = (of: Pool): Node[] => keyNodes(of, NOW, clock);
const relayRows = (of: Pool): Node[] => relayNodes(of, NOW, clock);
const tips = (node: Node | undefined): string[] => node?.tooltip.map(({ text }) => text) ?? [];
/** One line a row: icon, label, description, context. */
const seen = (nodes: Node[]): string[] =>
  nodes.map(
    ({ icon, label, description, context }) => `${icon.glyph} ${label} | ${description} | ${context}`,
  );

describe("the view of keys", () => {
  it.each<[string, Parameters<typeof key>[1], string]>([
    ["ready", { kind: "ready" }, "pass name of key1 | requests today: 0 | key.on.unbound"],
    ["resting for one model", rest(["pro", 5]), "watch name of key1 | until 14:05: pro | key.on.unbound"],
    [
      "resting for every model",
      rest(["*", 5, "perDay"]),
      "watch name of key1 | until 14:05: limit per day | key.on.unbound",
    ],
    [
      "resting for several models",
      rest(["pro", 5], ["flash", 2]),
      "watch name of key1 | until 14:02: pro, flash | key.on.unbound",
    ],
    [
      "without a model of its tier",
      rest(["pro", 600, "notEntitled"]),
      "pass name of key1 | requests today: 0 | key.on.unbound",
    ],
    ["out", out(), "error name of key1 | out: not accepted by Google | key.on.unbound"],
    [
      "out for a time",
      out(5),
      "error name of key1 | out until 14:05: not accepted by Google | key.on.unbound",
    ],
    ["switched off", { kind: "disabled" }, "circle-slash name of key1 | switched off | key.on.unbound"],
  ])("says when a key is %s, with its next recovery", (_, state, row) => {
    expect(seen(keyRows(pool({ keys: [key("key1", state)] })))).toEqual([row]);
  });

  it("says what is stored while nothing runs, and nothing of a state that is not known", () => {
    const keys = [stored("key1"), stored("key2", { enabled: false })];
    expect(seen(keyRows(pool(undefined, { keys }, stopped)))).toEqual([
      "key name of key1 |  | key.on.unbound",
      "circle-slash name of key2 | switched off | key.off.unbound",
    ]);
    expect(tips(keyRows(pool(undefined, {}, stopped))[0])).toEqual(["name of key1", "state not known"]);
  });

  it("shows the order of the pool, not that of the status", () => {
    const keys = [stored("key2"), stored("key1")];
    expect(
      keyRows(pool({ keys: [key("key1"), key("key2")] }, { keys })).map(({ subject }) => subject),
    ).toEqual(["key2", "key1"]);
  });

  it("says where a key is bound to, and if that does not exist", () => {
    const rows = keyRows(
      pool(
        { keys: [] },
        {
          keys: [
            stored("a", { binding: "us" }),
            stored("b", { binding: "local" }),
            stored("c", { binding: "gone" }),
          ],
          instances: [instance("us")],
        },
      ),
    );
    expect(rows.map(({ description }) => description)).toEqual([
      "bound to us",
      "bound to the direct way",
      "bound to gone, which does not exist",
    ]);
    expect(new Set(rows.map(({ context }) => context))).toEqual(new Set(["key.on.bound"]));
  });

  it("says that keys of one project share one quota, learnt or told", () => {
    const learnt = { ...key("key1"), project: "projects/1" };
    const rows = keyRows(
      pool(
        { keys: [learnt, key("key2"), key("key3")] },
        { keys: [stored("key1"), stored("key2", { project: "projects/1" }), stored("key3")] },
      ),
    );
    expect(tips(rows[0])).toContain("Same project, one quota: name of key2");
    expect(tips(rows[1])).toContain("Same project, one quota: name of key1");
    expect(tips(rows[2]).join()).not.toContain("project");
  });

  it("opens to the models that rest or were used, each once", () => {
    const [row] = keyRows(pool({ keys: [key("key1", rest(["pro", 5], ["*", 1]), ["pro", "flash", "-"])] }));
    expect(row?.children.map(({ label, description }) => `${label}: ${description}`)).toEqual([
      "pro: rests until 14:05 (limit per minute)",
      "all models: rests until 14:01 (limit per minute)",
      "flash: today: requests 1, tokens 1, errors 0",
      "no model named: today: requests 1, tokens 1, errors 0",
    ]);
    expect(new Set(row?.children.map(({ id }) => id)).size).toBe(4);
  });

  it("names problems of a key in its tooltip", () => {
    const problems: Status["problems"] = [{ code: "duplicateSecret", subject: "key1", severity: "warning" }];
    expect(tips(keyRows(pool({ keys: [], problems }))[0]).at(-1)).toBe(
      "name of key1 is the same as another key; the first one counts.",
    );
  });

  it("is spoken with its state, which the icon alone shows", () => {
    const keys = [stored("key1", { binding: "us" }), stored("key2", { enabled: false })];
    const instances = [instance("us")];
    expect(keyRows(pool({ keys: [key("key1")] }, { keys, instances })).map(({ spoken }) => spoken)).toEqual([
      "name of key1, requests today: 0 · bound to us, ready",
      "name of key2, switched off",
    ]);
    expect(relayRows(pool({ mode: "hybrid", instances: [up("us")] }, { instances }))[0]?.spoken).toBe(
      "us, up, 84 ms",
    );
  });

  it("of a thousand keys of one project takes a thousand steps and not a million, and names ten", () => {
    const count = 1000;
    let steps = 0;
    const live = keys(count).map((of) => ({
      ...of,
      project: "projects/1",
      get id() {
        steps += 1;
        return of.id;
      },
    }));
    const names: View["names"] = { ...view({}).names, key: (id) => ((steps += 1), id) };
    const rows = keyRows(pool({ keys: live }, { keys: live.map(({ id }) => stored(id)) }, { names }));
    expect(steps).toBeLessThan(20 * count);
    expect(tips(rows[0]).at(-1)).toMatch(/^Same project, one quota: key2, key3, .*, key11; and 989 more$/);
  });

  it("shows a label as it is, on one line", () => {
    const names: View["names"] = {
      key: () => "$(zap) **work**\n<b>",
      instance: (id) => id,
      isOff: () => false,
    };
    expect(keyRows(pool({}, {}, { names }))[0]?.label).toBe("$(zap) **work** <b>");
  });
});

describe("the view of relays", () => {
  it("shows each one's health, region and next try", () => {
    const instances = [
      instance("us", { region: "Iowa" }),
      instance("eu"),
      instance("off", { enabled: false }),
      instance("new"),
    ];
    expect(
      seen(relayRows(pool({ mode: "hybrid", instances: [up("us"), down("eu")] }, { instances }))),
    ).toEqual([
      "pass us | up, 84 ms · Iowa | relay.on",
      "error eu | down: not reachable; next try 14:01 | relay.on",
      "circle-slash off | switched off | relay.off",
      "server-environment new |  | relay.on",
    ]);
  });

  it("holds a row for each entry, also where two have the same id", () => {
    const rows = relayRows(
      pool({}, { instances: [instance("us"), instance("us"), instance("eu"), instance("us")] }),
    );
    expect(rows.map(({ id }) => id)).toEqual(["us", "us 2", "eu", "us 3"]);
    expect(new Set(rows.map(({ subject }) => subject))).toEqual(new Set(["us", "eu"]));
  });

  it("says why one is left out, and that local mode uses none", () => {
    const problems: Status["problems"] = [{ code: "instanceRetired", subject: "us", severity: "warning" }];
    const [leftOut] = relayRows(pool({ mode: "hybrid", problems }, { instances: [instance("us")] }));
    expect(seen(leftOut === undefined ? [] : [leftOut])).toEqual(["warning us | left out | relay.on"]);
    expect(tips(leftOut).at(-1)).toContain("*.deno.dev");
    const unknown: Status["instances"] = [{ id: "us", health: { kind: "unknown" } }];
    const asked = (mode: Status["mode"]): string[] =>
      seen(relayRows(pool({ mode, instances: unknown }, { instances: [instance("us")] })));
    expect(asked("local")).toEqual(["circle-outline us | not used in local mode | relay.on"]);
    expect(asked("hybrid")).toEqual(["circle-outline us | not asked yet | relay.on"]);
  });

  it("tells its address, its version and its keys in the tooltip", () => {
    const keys = [stored("key1", { binding: "us" }), stored("key2")];
    expect(
      tips(
        relayRows(pool({ mode: "hybrid", instances: [up("us")] }, { keys, instances: [instance("us")] }))[0],
      ),
    ).toEqual(["us", "up, 84 ms", "https://us.example", "version 2.0.0", "Bound to it: name of key1"]);
    expect(tips(relayRows(pool(undefined, { instances: [instance("us")] }, stopped))[0])).toContain(
      "state not known",
    );
  });
});

describe("the view of requests", () => {
  const attempt = {
    key: "key1",
    egress: "local",
    outcome: "200",
    verdict: "deliver",
    rule: "ok",
    untilMs: null,
    ms: 840,
  };
  const record: Decision = {
    id: "r1",
    startedMs: NOW,
    front: "gemini",
    model: "pro",
    operation: "generateContent",
    status: 200,
    waitedMs: null,
    firstByteMs: 900,
    totalMs: 2100,
    tokens: 12,
    end: "complete",
    attempts: [attempt],
    skipped: [],
  };
  const rows = (...records: Partial<Decision>[]): Node[] =>
    requestNodes(
      records.map((some) => ({ ...record, ...some })),
      view({}).names,
      clock,
    );

  it("shows how each ended", () => {
    expect(
      seen(
        rows(
          {},
          { id: "r2", status: 429 },
          { id: "r3", status: null, end: "left", attempts: [] },
          { id: "r4", end: "broken" },
        ),
      ),
    ).toEqual([
      "pass 200 pro | 14:00 · 2.1 s | request",
      "error 429 pro | 14:00 · 2.1 s | request",
      "debug-disconnect no answer pro | 14:00 · 2.1 s · the client left | request",
      "error 200 pro | 14:00 · 2.1 s · the answer broke off | request",
    ]);
  });

  it("opens to the attempts and to the keys that were left out, with reasons in words", () => {
    const [row] = rows({
      attempts: [
        {
          ...attempt,
          egress: "us",
          outcome: "429",
          verdict: "coolBucket",
          rule: "perMinute",
          untilMs: NOW + MINUTE,
          ms: 120,
        },
        { ...attempt, key: "key2" },
      ],
      skipped: [
        { key: "key3", rule: "perDay", untilMs: NOW + 5 * MINUTE },
        { key: "key4", rule: "disabled", untilMs: null },
      ],
    });
    expect(row?.description).toBe("14:00 · attempts: 2 · 2.1 s");
    expect(seen(row?.children ?? [])).toEqual([
      "arrow-right 1. 429 (limit per minute) | name of key1 by us · 120 ms · the key rests for this model until 14:01 | attempt",
      "pass 2. 200 | name of key2 by Direct way · 840 ms · passed on | attempt",
      "debug-step-over Left out: name of key3 | limit per day until 14:05 | attempt",
      "debug-step-over Left out: name of key4 | switched off | attempt",
    ]);
    expect(new Set(row?.children.map(({ id }) => id)).size).toBe(4);
    expect(row?.children.map(({ subject }) => subject)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it("says of one that was never sent that it was not, and how long it waited", () => {
    const [row] = rows({ attempts: [], waitedMs: 1500, firstByteMs: null, tokens: null });
    expect(row?.children.map(({ label }) => label)).toEqual(["never sent"]);
    expect(tips(row).slice(2)).toEqual([
      "It waited 1.5 s for a key.",
      "It took 2.1 s; no byte reached the client.",
    ]);
  });
});

describe("a badge", () => {
  const reason = (
    of: "leaked" | "spendCap" | "denied",
    untilMs: number | null,
  ): Status["keys"][number]["state"] => ({ kind: "quarantined", reason: of, sinceMs: NOW, untilMs });
  const asked = (of: Partial<Status>): string[] => [...needs(view(of)).keys, ...needs(view(of)).relays];

  it("shows only for what a person has to do", () => {
    expect(
      asked({
        keys: [
          key("a", rest(["*", 5])),
          key("b", { kind: "disabled" }),
          key("c", reason("spendCap", NOW + MINUTE)),
        ],
      }),
    ).toEqual([]);
    expect(asked({ mode: "hybrid", instances: [down("us")] })).toEqual([]);
    expect(asked({ problems: [{ code: "noKeys", subject: null, severity: "warning" }] })).toEqual([]);
    expect(needs(view(undefined, { phase: { kind: "starting" } }))).toEqual({ keys: [], relays: [] });
  });

  it("shows for keys that are leaked, refused or out for good, a port that is taken, and every key called invalid", () => {
    expect(
      asked({
        keys: [key("a", reason("leaked", NOW + MINUTE)), key("b", out(5)), key("c", reason("denied", null))],
      }),
    ).toEqual([
      "name of a: found in public by Google: make a new one",
      "name of b: not accepted by Google",
      "name of c: project denied access by Google",
    ]);
    expect(asked({ role: { kind: "blocked", port: 3145, by: "portTaken" } }).join()).toMatch(
      /^Another program holds port .*3145/,
    );
    const held: Status["problems"] = [{ code: "portOtherPool", subject: "4000", severity: "error" }];
    expect(asked({ problems: held }).join()).toContain("4000");
    expect(
      asked({ role: { kind: "blocked", port: 4000, by: "portOtherPool" }, problems: held }),
    ).toHaveLength(1);
    expect(asked({ problems: [{ code: "allKeysInvalid", subject: null, severity: "error" }] })).toHaveLength(
      1,
    );
  });

  it("shows for a relay that refuses its token, where relays are used", () => {
    const refusing: Status["instances"] = ["us", "off"].map((id) => ({
      id,
      health: { kind: "down", sinceMs: NOW, nextTryMs: NOW, reason: "unauthorized" },
    }));
    expect(needs(view({ mode: "serverless", instances: refusing })).relays).toEqual([
      "us: refuses the token",
    ]);
    expect(needs(view({ mode: "local", instances: refusing })).relays).toEqual([]);
  });

  it("shows for a sidecar that does not start, and not for one that was stopped", () => {
    expect(
      needs(view(undefined, { phase: { kind: "failed", failure: { kind: "crashed" } } })).keys,
    ).toHaveLength(1);
    expect(needs(view(undefined, stopped)).keys).toEqual([]);
  });
});
