import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as vscode from "vscode";
import type { Status, TryRequestAnswer } from "../../protocol/protocol";
import type { App } from "../src/app";
import { sendTestRequest } from "../src/commands/sendTestRequest";
import type { Action } from "../src/say";
import type { Phase } from "../src/view";
import { key, view } from "./support/views";

const OK: TryRequestAnswer = {
  requestId: "r1",
  model: "gemini-x",
  status: 200,
  ms: 640,
  text: "OK",
  error: null,
};

/** Every message: how it was shown, its words, its buttons. */
let told: [string, string, ...string[]][];
let buttons: Action[];
let asked: object[];

beforeEach(() => {
  told = [];
  buttons = [];
  asked = [];
  for (const how of ["showInformationMessage", "showWarningMessage"] as const) {
    vi.spyOn(vscode.window, how).mockImplementation(((text: string, ...actions: Action[]) => {
      told.push([how, text, ...actions.map(({ title }) => title)]);
      buttons = actions;
      return Promise.resolve(undefined);
    }) as never);
  }
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** A window with one key, whose endpoint answers so. */
function app(
  answer: (token: vscode.CancellationToken) => Promise<Partial<TryRequestAnswer>>,
  { keys = 1, status = {}, phase = { kind: "running" } }: Partial<Surroundings> = {},
): App {
  const stored = Array.from({ length: keys }, (_, index) => ({ id: `key${String(index + 1)}`, value: "v" }));
  return {
    reading: { secrets: { keys: stored } },
    view: view({ keys: [key("key1")], ...status }, { phase }),
    log: { show: () => undefined },
    sidecar: {
      tryRequest: (params: object, token: vscode.CancellationToken) => {
        asked.push(params);
        return answer(token).then((some) => ({ ...OK, ...some }));
      },
      records: () => Promise.reject(new Error("no record")),
    },
  } as unknown as App;
}

interface Surroundings {
  keys: number;
  status: Partial<Status>;
  phase: Phase;
}

const answers =
  (some: Partial<TryRequestAnswer> = {}) =>
  () =>
    Promise.resolve(some);

describe("the command that sends a test request", () => {
  it.each<[string, Partial<Surroundings>, string, string[]]>([
    ["a key", { keys: 0 }, "There is no key yet.", ["Add Key"]],
    [
      "a server",
      { phase: { kind: "stopped" } },
      "No request is answered now, so there is nothing to test.",
      ["Start", "Show Log"],
    ],
    [
      "a port",
      { status: { role: { kind: "blocked", port: 1, by: "portTaken" } } },
      "No request is answered now, so there is nothing to test.",
      ["Use Another Port", "Show Log"],
    ],
  ])("offers what helps, and sends nothing, without %s", async (_, surroundings, text, titles) => {
    await sendTestRequest(app(answers(), surroundings));
    expect(told.map(([, ...rest]) => rest)).toEqual([[text, ...titles]]);
    expect(asked).toEqual([]);
  });

  it.each<[string, Partial<TryRequestAnswer>, string, string, string[]]>([
    [
      "an answer",
      {},
      "showInformationMessage",
      "gemini-x answered",
      ["Copy Endpoint for …", "Show Requests"],
    ],
    [
      "a refusal",
      { status: 429, text: null, error: "Dry." },
      "showWarningMessage",
      "The test request failed (HTTP status 429). Dry.",
      ["Show Requests", "Verify Keys", "Show Log"],
    ],
    [
      "a model that is not there",
      { status: 404, text: null },
      "showWarningMessage",
      "the model gemini-x was not found",
      ["Try Another Model", "Show Requests", "Show Log"],
    ],
  ])("tells %s with what helps then", async (_, some, how, text, titles) => {
    await sendTestRequest(app(answers(some)));
    expect(told).toEqual([[how, expect.stringContaining(text), ...titles]]);
    expect(asked).toEqual([{}]);
  });

  it("says when no answer came, and can be repeated with the same model", async () => {
    await sendTestRequest(
      app(() => Promise.reject(new Error("no answer came over the port"))),
      "gemini-9",
    );
    expect(told).toEqual([
      ["showWarningMessage", "No answer to the test request came over port 3145.", "Test Again", "Show Log"],
    ]);
    await buttons[0]?.run();
    expect(asked).toEqual([{ model: "gemini-9" }, { model: "gemini-9" }]);
  });

  it("asks another model, by the name that a person writes", async () => {
    vi.spyOn(vscode.window, "showInputBox").mockResolvedValueOnce(" models/gemini-3 ");
    await sendTestRequest(app(answers({ status: 404, text: null })));
    await buttons[0]?.run();
    expect(asked).toEqual([{}, { model: "gemini-3" }]);
    await buttons[0]?.run();
    expect(asked).toHaveLength(2);
  });

  it("says nothing when it is cancelled, and hangs up", async () => {
    const person = new vscode.CancellationTokenSource();
    vi.spyOn(vscode.window, "withProgress").mockImplementation((_, work) =>
      work({ report: () => undefined }, person.token),
    );
    let hungUp = false;
    const slow = (token: vscode.CancellationToken): Promise<never> => {
      token.onCancellationRequested(() => (hungUp = true));
      return new Promise(() => undefined);
    };
    const sending = sendTestRequest(app(slow));
    person.cancel();
    await sending;
    expect([told, hungUp]).toEqual([[], true]);
  });
});
