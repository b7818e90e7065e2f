/**
 * An upgrade from 1.x in words: the one notification, and the document behind it. Pure. Names of the user's are text there, never markdown.
 */

import { bindingName, type Names } from "../names";
import { l10n } from "../l10n";
import { escaped } from "../report";
import { DEFAULTS, SECTION } from "../settings";
import type { Bound, Change, Legacy } from "./legacy";

/** What a person can do about it, beside reading. */
export type Step =
  | "keepPort"
  | "setMode"
  | "fallBack"
  | "editInstance"
  | "reviewBindings"
  | "addKeys"
  | "openSettings"
  | "askForToken";

/** What is told once. */
export interface Told {
  text: string;
  /** The most helpful first. */
  steps: Step[];
}

/** A message has room for so many beside Show Details; the words on more are cut off. */
const STEPS = 2;
/** What stops requests or sends them elsewhere comes first. */
const ORDER: readonly Step[] = [
  "setMode",
  "keepPort",
  "editInstance",
  "fallBack",
  "reviewBindings",
  "addKeys",
  "openSettings",
];

/** The notification; `exposed`: others may reach the endpoint. */
export function upgradeNotice(legacy: Legacy, exposed: boolean): Told {
  const { keys, instances, bindings, changes } = legacy;
  const taken = l10n.t(
    "Gemini Aggregator 2 goes on with what version 1 left. Keys: {0}, instances: {1}, bindings: {2}.",
    keys,
    instances,
    bindings,
  );
  const wanted = new Set(changes.flatMap(stepFor));
  const steps = ORDER.filter((step) => wanted.has(step));
  if (!exposed) {
    return { text: `${taken} ${changedWords(changes)}`, steps: steps.slice(0, STEPS) };
  }
  const warning = l10n.t(
    "Others on this remote machine may reach your endpoint. An access token keeps them out; your clients then need it.",
  );
  return {
    text: `${taken} ${changedWords(changes)} ${warning}`,
    steps: [...steps.slice(0, STEPS - 1), "askForToken"],
  };
}

/** What is different, in few words each; small things are counted. */
function changedWords(changes: readonly Change[]): string {
  const named = changes.flatMap(shortWords);
  const rest = changes.length - named.length;
  if (named.length === 0) {
    return rest === 0
      ? l10n.t("Some things work differently now.")
      : l10n.t("Changes that concern your setup: {0}.", rest);
  }
  const list = named.join(l10n.t("; "));
  return l10n.t("Different for you: {0}.", rest === 0 ? list : l10n.t("{0}; and {1} more", list, rest));
}

function shortWords(change: Change): string[] {
  switch (change.code) {
    case "port":
      return [l10n.t("port {0} is used and no longer {1}", String(change.port), String(DEFAULTS.port))];
    case "serverless":
      return [
        change.usable === 0
          ? l10n.t("serverless mode never goes directly, and there is no instance it can use")
          : l10n.t("serverless mode never goes directly"),
      ];
    case "hybrid":
      return [l10n.t("hybrid mode does not go directly without local fallback")];
    case "retired":
      return [l10n.t("instances on *.deno.dev, which are dead: {0}", change.instances.length)];
    case "plainHttp":
      return [l10n.t("instances by http, which are refused: {0}", change.instances.length)];
    case "refusedUrl":
      return [l10n.t("instances whose URL is refused: {0}", change.instances.length)];
    case "workspace":
      return [l10n.t("settings of a workspace are not read")];
    case "bindings":
      return change.resting ? [] : [l10n.t("bindings that take effect: {0}", change.bindings.length)];
    default:
      return [];
  }
}

/** The words on the button. */
export function stepWords(step: Step): string {
  switch (step) {
    case "keepPort":
      return l10n.t("Keep Port {0}", String(DEFAULTS.port));
    case "setMode":
      return l10n.t("Choose Mode");
    case "fallBack":
      return l10n.t("Switch Local Fallback On");
    case "editInstance":
      return l10n.t("Edit Instance");
    case "addKeys":
      return l10n.t("Add API Keys");
    case "openSettings":
      return l10n.t("Open Settings");
    case "reviewBindings":
      return l10n.t("Review Bindings");
    case "askForToken":
      return l10n.t("Ask for a Token");
  }
}

/** The document: what was taken over, what concerns this setup, and what changed for everybody. */
export function upgradeReport(legacy: Legacy, names: Names): string {
  const { keys, instances, bindings, mode, changes } = legacy;
  return [
    `# ${l10n.t("From version 1 to version 2")}`,
    "",
    l10n.t("Nothing was deleted or rewritten: version 1 still finds everything as it was."),
    "",
    `## ${l10n.t("Taken over")}`,
    "",
    ...list([
      l10n.t("API keys: {0}", keys),
      l10n.t("Instances: {0}", instances),
      l10n.t("Bindings: {0}", bindings),
      l10n.t("Deployment mode: {0}", mode),
    ]),
    "",
    `## ${l10n.t("What concerns your setup")}`,
    "",
    ...list(
      changes.length === 0
        ? [l10n.t("Nothing that could be found.")]
        : changes.flatMap((change) => changeWords(change, names)),
    ),
    "",
    `## ${l10n.t("What changed for everybody")}`,
    "",
    ...list(everybody()),
    "",
  ].join("\n");
}

function stepFor(change: Change): Step[] {
  switch (change.code) {
    case "port":
      return ["keepPort"];
    case "serverless":
      return change.usable === 0 ? ["setMode"] : [];
    case "hybrid":
      return ["fallBack"];
    case "retired":
    case "plainHttp":
    case "refusedUrl":
      return ["editInstance"];
    case "apiKeys":
      return ["addKeys"];
    case "workspace":
      return ["openSettings"];
    case "bindings":
    case "orphans":
      return ["reviewBindings"];
    default:
      return [];
  }
}

function changeWords(change: Change, names: Names): string[] {
  switch (change.code) {
    case "port":
      return [
        l10n.t(
          "The setting port says {0}. Version 1 never read it and always used {1}; now {0} is used. Point your clients there, or keep {1}.",
          String(change.port),
          String(DEFAULTS.port),
        ),
      ];
    case "serverless":
      return [
        change.usable === 0
          ? l10n.t(
              "The mode is serverless, and no instance can be used. Version 1 then went directly, version 2 never does: no request is answered until there is an instance, or the mode is hybrid or local.",
            )
          : l10n.t(
              "The mode is serverless. Version 1 went directly when no instance was active; version 2 never does. For the old behaviour choose hybrid with local fallback.",
            ),
      ];
    case "hybrid":
      return [
        l10n.t(
          "The mode is hybrid and local fallback is off. Version 1 went directly all the same; version 2 does not. Switch local fallback on for the old behaviour.",
        ),
      ];
    case "retired":
      return [
        l10n.t(
          "On *.deno.dev, which was shut down on 2026-07-20: {0}. Deploy these relays elsewhere and change their URL.",
          all(change.instances),
        ),
      ];
    case "plainHttp":
      return [
        l10n.t(
          "Reached by http, which is refused but for this machine, as others could read your keys: {0}. Change their URL to https.",
          all(change.instances),
        ),
      ];
    case "refusedUrl":
      return [
        l10n.t(
          "Their URL is not accepted any more: {0}. The command Check the Configuration says why.",
          all(change.instances),
        ),
      ];
    case "workspace":
      return change.places.map(({ path, settings }) =>
        l10n.t(
          "The file {0} names {1}. Settings of a workspace are not read any more; write them into your user settings if you want them.",
          escaped(path),
          all(settings.map((setting) => `${SECTION}.${setting}`)),
        ),
      );
    case "bindings":
      return [
        change.resting
          ? l10n.t(
              "Version 1 never looked at bindings; version 2 does. In local mode they rest; in the other modes these keys leave by their instance: {0}.",
              pairs(change.bindings, names),
            )
          : l10n.t(
              "Version 1 never looked at bindings; version 2 does. From now on these keys leave by their instance: {0}.",
              pairs(change.bindings, names),
            ),
      ];
    case "orphans":
      return [
        l10n.t(
          "Bindings of a key that is gone, or to an instance that is gone or refused; they mean nothing: {0}.",
          pairs(change.bindings, names),
        ),
      ];
    case "duplicates":
      return [l10n.t("The same value as another key; the first one counts: {0}.", all(change.keys))];
    case "noValue":
      return [l10n.t("Listed, but without a value, and passed over as before: {0}.", all(change.keys))];
    case "counter":
      return [
        l10n.t(
          "The counter of keys was lost. Version 1 would have overwritten a key with the next one; version 2 does not.",
        ),
      ];
    case "apiKeys":
      return [
        l10n.t(
          "The setting apiKeys holds keys in clear: {0}. Neither version uses them. Add them with Add API Keys, then delete the setting: settings may be synced and are readable for others.",
          change.count,
        ),
      ];
    case "timeout":
      return [
        l10n.t(
          "The setting requestTimeout ({0} ms) held for instances alone; now it holds for the direct way, too.",
          change.ms,
        ),
      ];
    case "unreadable":
      return [
        l10n.t("Stored secrets that cannot be read; they are left as they are: {0}.", all(change.names)),
      ];
  }
}

function everybody(): string[] {
  return [
    l10n.t(
      "The port setting is read. Without it clients find the pool at http://127.0.0.1:{0} as before.",
      String(DEFAULTS.port),
    ),
    l10n.t("Serverless mode never goes directly."),
    l10n.t("Relays on *.deno.dev are gone, and http is accepted for relays on this machine only."),
    l10n.t(
      "Only this machine can connect; version 1 listened on every network. The setting allowedHosts admits further names of this machine, such as host.docker.internal.",
    ),
    l10n.t(
      "Settings are yours and not a workspace's: values in workspaces are not read any more. In other profiles, and in remote windows for port, proxy, noProxy, caFile and accessToken, set them anew.",
    ),
    l10n.t("Bindings take effect, and a key can be bound to the direct way."),
    l10n.t(
      "Nothing pops up at each start any more. The state is in the status bar, and everything else in the view of Gemini Aggregator.",
    ),
  ];
}

function list(of: readonly string[]): string[] {
  return of.map((text) => `- ${text}`);
}

function all(names: readonly string[]): string {
  return names.map(escaped).join(l10n.t(", "));
}

function pairs(bindings: readonly Bound[], names: Names): string {
  return all(
    bindings.map(({ keyId, instanceId }) => `${names.key(keyId)} → ${bindingName(instanceId, names)}`),
  );
}
