import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Keys } from "../src/keys";
import { A, B, EU, LIST, type Rim, US, openPool } from "./support/rim";
import { keys as readyKeys, status } from "./support/views";

let rim: Rim;
beforeEach(async () => {
  rim = await openPool();
});
afterEach(() => {
  vi.restoreAllMocks();
  rim.close();
});

/** Everything that is kept, to compare with a later moment. */
const kept = (): unknown => structuredClone([Object.fromEntries(rim.shared.values), rim.screen.settings]);
const toasts = (): string[] => rim.screen.textsOf("toast");
const asked = (what: string): unknown[] =>
  rim.sidecar.heard.filter(([name]) => name === what).map(([, about]) => about);
/** Another window on the same secrets. */
const elsewhere = (): Keys => new Keys(rim.shared.window(), () => Promise.resolve());

describe("what cannot be taken back without asking", () => {
  it.each<[string, string | undefined, (string | number)[]]>([
    ["deleteApiKey", "key1", []],
    ["removeServerlessInstance", "us", []],
    ["unbindApiKey", "key1", []],
    ["regenerateAccessToken", undefined, []],
  ])("%s asks first", async (name, id) => {
    const { screen, run } = rim;
    const before = kept();
    screen.sure = false;
    await run(name, id);
    expect(screen.textsOf("modal")).not.toEqual([]);
    expect(kept()).toEqual(before);
    screen.sure = true;
    await run(name, id);
    expect(kept()).not.toEqual(before);
  });

  it("clearUndoHistory asks first, and then there is nothing to undo", async () => {
    const { screen, run, shared } = rim;
    await run("deleteApiKey", "key1");
    screen.sure = false;
    await run("clearUndoHistory");
    screen.sure = true;
    await run("undoConfigChange");
    expect(shared.values.get("key1")).toBe(A);
    await run("redoConfigChange");
    await run("clearUndoHistory");
    await run("undoConfigChange");
    expect(toasts().at(-1)).toBe("There is nothing to undo.");
    expect(shared.values.has("key1")).toBe(false);
  });
});

describe("a message about something that was taken away", () => {
  it.each([
    ["deleteApiKey", "key1"],
    ["removeServerlessInstance", "us"],
    ["unbindApiKey", "key1"],
  ])("after %s has Undo, which brings all of it back", async (name, id) => {
    const { app, screen, run } = rim;
    const before = [await app.keys.read(), structuredClone(screen.settings)];
    screen.presses = ["Undo"];
    await run(name, id);
    expect(screen.presses).toEqual([]);
    expect([await app.keys.read(), screen.settings]).toEqual(before);
  });

  it("has Undo where a stray token is forgotten", async () => {
    const { screen, run, shared } = rim;
    const before = shared.json("geminiAggregatorInstanceSecrets");
    screen.picks = ["A token or headers are kept for gone"];
    screen.presses = ["Undo"];
    await run("validateConfig");
    expect(shared.writes.filter((write) => write.includes("stray"))).toHaveLength(1);
    expect(shared.json("geminiAggregatorInstanceSecrets")).toEqual(before);
  });
});

describe("adding keys", () => {
  const NEW = "AIzaSyFAKE-a-third-key-of-mine-89";

  it("stores what is pasted, counts it, tests it, and says what came out", async () => {
    const { screen, run, shared } = rim;
    screen.texts = [`export GEMINI_API_KEY="${NEW}" ${A}`];
    await run("addApiKey");
    expect(shared.values.get("key3")).toBe(NEW);
    expect(screen.textsOf("validation")).toEqual(["1 new, 1 already there"]);
    expect(asked("retest")).toEqual(["key3"]);
    expect(toasts()).toEqual(["The key AIza…e-89 was added and is accepted by Google."]);
    expect(screen.shown.map(({ text }) => text).join()).not.toContain(NEW);
  });

  it.each([
    ["", "There is no key in this."],
    [A, "This key is there already."],
    ["short", "That is too short for a key."],
  ])("adds nothing where %j is entered, and says why", async (text, said) => {
    const { screen, run, shared } = rim;
    screen.texts = [text];
    await run("addApiKey");
    expect(toasts()).toEqual([said]);
    expect(shared.writes).toEqual([]);
  });

  it("says that they are not tested while nothing runs, and tests them when that is wanted", async () => {
    const { screen, run, sidecar } = rim;
    sidecar.phase = { kind: "stopped" };
    sidecar.status = undefined;
    const start = sidecar.start;
    sidecar.start = () => {
      sidecar.status = status({ keys: readyKeys(3) });
      return start();
    };
    screen.texts = [NEW];
    screen.presses = ["Start and Test"];
    await run("addApiKey");
    await vi.waitFor(() => {
      expect(toasts()).toEqual([
        "The key AIza…e-89 was added, but not tested: the server is not ready.",
        "The key AIza…e-89 was tested: accepted.",
      ]);
    });
    expect(asked("retest")).toEqual(["key3"]);
  });

  it("keeps the key of another window that added at the same time", async () => {
    const { screen, run, app } = rim;
    screen.texts = [NEW];
    screen.meanwhile = () => elsewhere().add(["AIzaSyFAKE-of-the-other-window-1"]);
    await run("addApiKey");
    expect((await app.keys.read()).keys.map(({ value }) => value)).toEqual([
      A,
      B,
      "AIzaSyFAKE-of-the-other-window-1",
      NEW,
    ]);
  });
});

describe("what changes while a list or a box is open", () => {
  it("is a key that another window deletes: nothing is bound or changed, and it is said", async () => {
    const { screen, run, shared } = rim;
    screen.meanwhile = async () => {
      screen.meanwhile = undefined;
      await elsewhere().delete("key2");
    };
    screen.picks = ["EU"];
    await run("bindApiKeyToInstance", "key2");
    expect(toasts()).toEqual(["The key AIza…-567 is not there any more."]);
    expect(shared.json("geminiApiKeyBindings")).toHaveLength(1);
    screen.picks = ["Label"];
    screen.texts = ["home"];
    screen.meanwhile = () => elsewhere().delete("key1");
    await run("modifyApiKey", "key1");
    expect(toasts().at(-1)).toBe("The key AIza…1234 is not there any more.");
    expect(shared.json("geminiAggregatorKeyMeta") ?? {}).toEqual({});
  });

  it("is an instance that is taken out of the settings: it is not bound to, and leaves no token behind", async () => {
    const { app, screen, run, shared } = rim;
    const takeOut = async (): Promise<void> => {
      screen.meanwhile = undefined;
      screen.set(LIST, [US]);
      await app.refresh();
    };
    screen.meanwhile = takeOut;
    screen.picks = ["EU"];
    await run("bindApiKeyToInstance", "key2");
    expect(toasts()).toEqual(["The instance eu is not there any more."]);
    expect(shared.json("geminiApiKeyBindings")).toHaveLength(1);
    screen.set(LIST, [US, EU]);
    await app.refresh();
    screen.meanwhile = takeOut;
    screen.picks = ["Token", "Save Anyway"];
    screen.texts = ["u".repeat(24)];
    await run("editServerlessInstance", "eu");
    expect(toasts().at(-1)).toBe("The instance EU is not there any more.");
    expect(Object.keys(shared.json("geminiAggregatorInstanceSecrets") as object)).toEqual(["us", "gone"]);
  });

  it("is a header that another window gives an instance: a new token leaves it", async () => {
    const { screen, run, shared } = rim;
    screen.meanwhile = async () => {
      screen.meanwhile = undefined;
      await elsewhere().setInstanceSecrets("us", { token: "old", headers: { "x-gate": "open" } });
    };
    screen.picks = ["Token", "Save Anyway"];
    screen.texts = ["n".repeat(24)];
    await run("editServerlessInstance", "us");
    expect(shared.json("geminiAggregatorInstanceSecrets")).toMatchObject({
      us: { token: "n".repeat(24), headers: { "x-gate": "open" } },
    });
  });

  it("is the mode: what is picked is in force afterwards", async () => {
    const { app, screen, run } = rim;
    screen.picks = [0];
    screen.meanwhile = async () => {
      screen.set("geminiAggregator.deploymentMode", "hybrid");
      await app.refresh();
    };
    await run("setDeploymentMode");
    expect(screen.settings["geminiAggregator.deploymentMode"]).toBe("local");
  });
});

describe("settings that somebody wrote by hand", () => {
  it.each([null, "us", { us: US }, 5])(
    "are left alone where %j stands for the list of instances",
    async (wrong) => {
      const { app, screen, run } = rim;
      screen.set(LIST, wrong);
      await app.refresh();
      // The last good list is in force.
      expect(app.reading.settings.serverlessInstances.map(({ id }) => id)).toEqual(["us", "eu"]);
      const secrets = kept();
      for (const name of ["addServerlessInstance", "editServerlessInstance", "removeServerlessInstance"]) {
        screen.picks = [0];
        screen.texts = ["New", "https://new.example", "t".repeat(24), "", ""];
        await run(name, name.startsWith("add") ? undefined : "us");
      }
      expect(kept()).toEqual(secrets);
      expect(new Set(toasts())).toEqual(
        new Set(["geminiAggregator.serverlessInstances is no list. Correct it first."]),
      );
    },
  );

  it("hold an id twice: neither of the two is changed, as that could not be undone", async () => {
    const { app, screen, run } = rim;
    screen.set(LIST, [US, { ...US, name: "Twin" }]);
    await app.refresh();
    const before = kept();
    for (const name of ["editServerlessInstance", "removeServerlessInstance", "setInstanceEnabled"]) {
      screen.picks = [0, 0];
      screen.texts = ["Other"];
      await run(name, "us");
      expect(toasts().at(-1)).toContain("The id us occurs twice");
    }
    expect(kept()).toEqual(before);
  });

  it("keep fields that nobody knows when a command changes an instance", async () => {
    const { screen, run } = rim;
    await run("setInstanceEnabled", "us");
    expect(screen.settings[LIST]).toEqual([{ ...US, enabled: false }, EU]);
    await run("setInstanceEnabled", "us");
    expect(screen.settings[LIST]).toEqual([US, EU]);
  });

  it("cannot be written: it is said, and no token of an instance that is not there stays", async () => {
    const { screen, run, shared, sidecar } = rim;
    screen.locked = new Error("settings.json has\nerrors [x](command:y)");
    sidecar.diagnosis = { checks: [] };
    screen.picks = ["Save Anyway"];
    screen.texts = ["New", "https://new.example", "t".repeat(24), "", ""];
    await run("addServerlessInstance");
    expect(toasts()).toEqual(["This did not work: settings.json has errors [x]\u200b(command:y)"]);
    expect(Object.keys(shared.json("geminiAggregatorInstanceSecrets") as object)).toEqual(["us", "gone"]);
    expect(screen.textsOf("log").filter((line) => line.includes("\n"))).toEqual([]);
  });
});

describe("a server that does not answer", () => {
  it("is told in words of ours", async () => {
    const { sidecar, run } = rim;
    sidecar.failure = new Error("Pending response rejected since connection got disposed");
    await run("showRequests");
    await run("networkDiagnostics");
    const cause = Object.assign(new Error("there is no instance and no key with this id"), { code: -32001 });
    sidecar.failure = new Error("the server did not answer", { cause });
    await run("testConnectivity", "us");
    expect(toasts()).toEqual([
      "The server did not answer.",
      "The server did not answer.",
      "The server uses no such instance or key. Check the Configuration says why.",
    ]);
  });
});

describe("a project", () => {
  it("that another key has is told while it is typed", async () => {
    const { screen, run } = rim;
    await elsewhere().modify("key2", { label: "work", project: "my-project" });
    await rim.app.refresh();
    screen.picks = ["Project", "Project"];
    screen.texts = ["my-project"];
    await run("modifyApiKey", "key1");
    expect(screen.textsOf("validation")).toEqual(["Same project, one quota: work (AIza…-567)"]);
    screen.picks = ["Project"];
    screen.texts = ["another"];
    await run("modifyApiKey", "key1");
    expect(screen.textsOf("validation")).toHaveLength(1);
  });
});
