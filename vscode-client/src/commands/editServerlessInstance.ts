/**
 * Changes an instance: name, URL, token, header, region, whether it takes part. Its id stays, as bindings and records hold it.
 */

import { type QuickPickItem, window } from "vscode";
import type { App } from "../app";
import type { InstanceChange } from "../configuration";
import { adviseName, adviseRegion, adviseToken, adviseUrl } from "../instanceInput";
import { l10n } from "../l10n";
import { plain } from "../names";
import { say } from "../say";
import type { InstanceSecrets } from "../secrets";
import type { InstanceSetting } from "../settings";
import { type HeaderDraft, headerSteps, testCandidate } from "./instanceDraft";
import { isList, pickInstance } from "./pickInstance";
import { askOne, walk } from "./steps";
import { testConnectivity } from "./testConnectivity";
import { undoAction } from "./undo";

interface Field extends QuickPickItem {
  /** Asks for the new value; `undefined`: nothing changes. */
  ask: () => Promise<InstanceChange | undefined>;
}

export async function editServerlessInstance(app: App, id?: string): Promise<void> {
  const instance = isList(app)
    ? await pickInstance(app, id, l10n.t("Which instance shall be changed?"))
    : undefined;
  if (instance === undefined) {
    return;
  }
  const field = await window.showQuickPick([...fields(app, instance), testField(app, instance)], {
    title: plain(app.view.names.instance(instance.id)),
    placeHolder: l10n.t("What shall be changed?"),
    ignoreFocusOut: true,
  });
  for (let edit = await field?.ask(); edit !== undefined; edit = await field?.ask()) {
    const next = mattersToRequests(edit) ? await testCandidate(app, edited(app, instance, edit)) : "save";
    if (next === "save") {
      await keep(app, instance, edit);
    }
    if (next !== "change") {
      return;
    }
  }
}

/** Switches an instance off or on. */
export async function setInstanceEnabled(app: App, id?: string): Promise<void> {
  const instance = isList(app)
    ? await pickInstance(app, id, l10n.t("Which instance shall be switched off or on?"))
    : undefined;
  if (instance !== undefined) {
    await keep(app, instance, switched(instance));
  }
}

async function keep(app: App, { id, name }: InstanceSetting, edit: InstanceChange): Promise<void> {
  const { result: refusal, change: made } = await app.journal.record(() =>
    app.configuration.changeInstance(id, edit),
  );
  await app.refresh();
  if (refusal !== undefined) {
    say.warning(l10n.t("The instance {0} is not there any more.", name ?? id));
    return;
  }
  const called = app.view.names.instance(id);
  const text = !("enabled" in edit.change)
    ? l10n.t("The instance {0} was changed.", called)
    : edit.change.enabled === undefined
      ? l10n.t("The instance {0} takes part again.", called)
      : l10n.t("The instance {0} takes no part any more.", called);
  say.info(text, ...undoAction(app, made));
}

function fields(app: App, instance: InstanceSetting): Field[] {
  const others = app.reading.settings.serverlessInstances.filter(({ id }) => id !== instance.id);
  const kept = app.reading.secrets.instances.get(instance.id) ?? {};
  const title = plain(app.view.names.instance(instance.id));
  const [header] = Object.keys(kept.headers ?? {});
  return [
    {
      label: l10n.t("Name"),
      description: plain(instance.name ?? l10n.t("none")),
      ask: async () => {
        const names = others.map(({ name, id }) => name ?? id);
        return asChange(
          "name",
          await askOne(title, instance.name ?? "", {
            prompt: () => l10n.t("A name for this instance"),
            advise: (text) => adviseName(text, names),
          }),
        );
      },
    },
    {
      label: l10n.t("URL"),
      description: plain(instance.url),
      ask: async () => {
        const urls = others.map(({ url }) => url);
        const prompt = (): string =>
          l10n.t("Its URL. Your keys pass through this host in clear: enter none but a relay of your own.");
        return asChange(
          "url",
          await askOne(title, instance.url, { prompt, advise: (text) => adviseUrl(text, urls) }),
        );
      },
    },
    {
      label: l10n.t("Token"),
      description: kept.token === undefined ? l10n.t("none") : l10n.t("set"),
      ask: async () => {
        const prompt = (): string => l10n.t("The new token. Empty takes the present one away.");
        const token = await askOne(title, "", { prompt, password: true, advise: adviseToken });
        return token === undefined
          ? undefined
          : { change: {}, secrets: (now) => ({ ...now, token: token || undefined }) };
      },
    },
    {
      label: l10n.t("Extra Header"),
      description: plain(header ?? l10n.t("none")),
      ask: () => askHeader(title, header),
    },
    {
      label: l10n.t("Region"),
      description: plain(instance.region ?? l10n.t("none")),
      ask: async () => {
        const region = await askOne(title, instance.region ?? "", {
          prompt: () => l10n.t("Its region, for you only. Empty for none."),
          advise: adviseRegion,
        });
        return region === undefined ? undefined : { change: { region: region || undefined } };
      },
    },
    {
      label: instance.enabled === false ? l10n.t("Use This Instance") : l10n.t("Do Not Use This Instance"),
      description: instance.enabled === false ? l10n.t("switched off") : "",
      ask: () => Promise.resolve(switched(instance)),
    },
  ];
}

function testField(app: App, { id }: InstanceSetting): Field {
  return {
    label: l10n.t("Test"),
    ask: async () => {
      await testConnectivity(app, id);
      return undefined;
    },
  };
}

/** The first of them; others that stand there stay. */
async function askHeader(title: string, header: string | undefined): Promise<InstanceChange | undefined> {
  const draft: HeaderDraft = { headerName: header ?? "", headerValue: "" };
  const done = await walk(title, draft, headerSteps<HeaderDraft>());
  const secrets = ({ headers, ...rest }: InstanceSecrets): InstanceSecrets => {
    const { [header ?? ""]: _, ...others } = headers ?? {};
    const all = draft.headerName === "" ? others : { ...others, [draft.headerName]: draft.headerValue };
    return { ...rest, headers: Object.keys(all).length === 0 ? undefined : all };
  };
  return done ? { change: {}, secrets } : undefined;
}

function switched({ enabled }: InstanceSetting): InstanceChange {
  // Enabled is what nobody has to say.
  return { change: { enabled: enabled === false ? undefined : false } };
}

/** Whether requests would go another way afterwards, so that it is worth a test. */
function mattersToRequests({ change, secrets }: InstanceChange): boolean {
  return change.url !== undefined || secrets !== undefined;
}

function edited(
  app: App,
  instance: InstanceSetting,
  { change, secrets }: InstanceChange,
): Parameters<typeof testCandidate>[1] {
  const now = app.reading.secrets.instances.get(instance.id) ?? {};
  const kept = secrets?.(now) ?? now;
  return {
    id: instance.id,
    name: instance.name ?? null,
    url: change.url ?? instance.url,
    token: kept.token ?? null,
    headers: kept.headers ?? {},
    enabled: true,
  };
}

function asChange(field: "name" | "url", text: string | undefined): InstanceChange | undefined {
  return text === undefined ? undefined : { change: { [field]: text } };
}
