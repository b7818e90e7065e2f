import { afterEach, expect, it } from "vitest";
import * as vscode from "vscode";
import { say } from "../src/say";

const { shown } = vscode as unknown as { shown: string[] };
afterEach(() => {
  shown.length = 0;
});

it.each(["info", "warning", "error"] as const)("a name in a message of kind %s is no link", (kind) => {
  say[kind]("The key [work](command:workbench.action.quit) was tested.");
  expect(shown).toEqual(["The key [work]\u200b(command:workbench.action.quit) was tested."]);
});
