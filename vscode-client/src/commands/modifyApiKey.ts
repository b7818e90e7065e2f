/**
 * Changes a key: its value, its label, its project, whether it is used.
 */

import {
  type InputBoxOptions,
  type InputBoxValidationMessage,
  type QuickPickItem,
  InputBoxValidationSeverity,
  window,
} from "vscode";
import type { App } from "../app";
import { counts } from "../counts";
import type { KeyChange } from "../keys";
import { l10n } from "../l10n";
import { nameOf, oneLine, plain } from "../names";
import { readPaste } from "../paste";
import { say } from "../say";
import type { StoredKey } from "../secrets";
import { projectOf } from "../view";
import { pickKey } from "./pickKey";
import { verifyIds } from "./verifyApiKeys";

interface Field extends QuickPickItem {
  /** Asks for the new value; `undefined`: nothing changes. */
  ask: () => PromiseLike<KeyChange | undefined>;
}

export async function modifyApiKey(app: App, id?: string): Promise<void> {
  const key = await pickKey(app, id, l10n.t("Which key shall be changed?"));
  if (key === undefined) {
    return;
  }
  const field = await window.showQuickPick(fields(app, key), {
    title: plain(nameOf(key)),
    placeHolder: l10n.t("What shall be changed?"),
    ignoreFocusOut: true,
  });
  const change = await field?.ask();
  if (change !== undefined) {
    await apply(app, key, change);
  }
}

/** Switches a key off or on. */
export async function setKeyEnabled(app: App, id?: string): Promise<void> {
  const key = await pickKey(app, id, l10n.t("Which key shall be switched off or on?"));
  if (key !== undefined) {
    await apply(app, key, { enabled: key.enabled === false });
  }
}

async function apply(app: App, key: StoredKey, change: KeyChange): Promise<void> {
  const { result: refusal } = await app.journal.record(() => app.keys.modify(key.id, change));
  if (refusal !== undefined) {
    say.warning(
      refusal === "present"
        ? l10n.t("Another key has this value already.")
        : l10n.t("The key {0} is not there any more.", nameOf(key)),
    );
    return;
  }
  const applied = await app.applied();
  if (change.value !== undefined && applied) {
    await verifyIds(app, [key.id]);
  } else if (change.enabled !== undefined) {
    say.info(
      change.enabled
        ? l10n.t("The key {0} is used again.", nameOf(key))
        : l10n.t("The key {0} is not used any more.", nameOf(key)),
    );
  }
}

function fields(app: App, key: StoredKey): Field[] {
  const off = key.enabled === false;
  return [
    {
      label: l10n.t("Value"),
      description: l10n.t("another key in its place"),
      ask: () => askValue(app, key),
    },
    {
      label: l10n.t("Label"),
      description: plain(key.label ?? l10n.t("none")),
      ask: async () =>
        asChange("label", await askText(l10n.t("A name for this key; empty for none"), key.label)),
    },
    {
      label: l10n.t("Project"),
      description: plain(key.project ?? l10n.t("none")),
      ask: async () =>
        asChange(
          "project",
          await askText(
            l10n.t("The Google Cloud project; keys of one project share one quota; empty if you do not know"),
            key.project,
            (typed) => sharing(app, key, typed),
          ),
        ),
    },
    {
      label: off ? l10n.t("Use This Key") : l10n.t("Do Not Use This Key"),
      description: off ? l10n.t("switched off") : "",
      ask: () => Promise.resolve({ enabled: off }),
    },
  ];
}

async function askValue(app: App, key: StoredKey): Promise<KeyChange | undefined> {
  const pool = app.reading.secrets.keys.map(({ value }) => value);
  const text = await window.showInputBox({
    title: plain(nameOf(key)),
    prompt: l10n.t("The new key"),
    password: true,
    ignoreFocusOut: true,
    validateInput: (typed) => {
      const paste = readPaste(typed, pool);
      const rest = paste.present + paste.short + paste.foreign + paste.other;
      const single = paste.fresh.length === 1 && rest === 0;
      return typed.trim() === "" || single ? undefined : l10n.t("Enter one new key: {0}", counts(paste));
    },
  });
  const value = text === undefined ? undefined : readPaste(text, pool).fresh[0];
  return value === undefined ? undefined : { value };
}

async function askText(
  prompt: string,
  value: string | undefined,
  validateInput: InputBoxOptions["validateInput"] = () => undefined,
): Promise<string | undefined> {
  return window.showInputBox({ prompt, value: value ?? "", ignoreFocusOut: true, validateInput });
}

/** Whoever enters a project that other keys have learns what that means. */
function sharing(app: App, key: StoredKey, typed: string): InputBoxValidationMessage | undefined {
  const project = oneLine(typed);
  const others = app.reading.secrets.keys.filter((other) => {
    const live = app.view.status?.keys.find(({ id }) => id === other.id);
    return other.id !== key.id && project !== "" && projectOf(other, live) === project;
  });
  return others.length === 0
    ? undefined
    : {
        message: l10n.t("Same project, one quota: {0}", others.map(nameOf).join(l10n.t(", "))),
        severity: InputBoxValidationSeverity.Info,
      };
}

/** A name is shown on one line. */
function asChange(field: "label" | "project", text: string | undefined): KeyChange | undefined {
  return text === undefined ? undefined : { [field]: oneLine(text) || null };
}
