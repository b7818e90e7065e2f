/**
 * What people are told without asking. Pure; how often is `episodes.ts`'s business, showing it `notify.ts`'s.
 */

import type { Problem, ProblemCode, Status } from "../../protocol/protocol";
import type { Clock } from "./describe";
import { dryness } from "./dry";
import { l10n } from "./l10n";
import { downWords, localWords, problemWords } from "./problems";
import { type Failure, type View, failureWords } from "./view";

/** What helps. */
export type Remedy =
  | "anotherPort"
  | "addKey"
  | "showKeys"
  | "verify"
  | "showLog"
  | "openSettings"
  | "keyringHelp"
  | "restart"
  | "check"
  | "test"
  | "newToken";

/** Where a notice comes from: what this window reads, how the program begins, who has the port, the pool behind it. */
export type About = "window" | "start" | "port" | "pool";

/** Something that needs a person. */
export interface Notice {
  /** Of its episode. */
  id: string;
  about: About;
  severity: "error" | "warning";
  text: string;
  remedies: Remedy[];
  /** The instance that is to be tested. */
  subject?: string;
  /** A setting that cannot be: several are told in one message. */
  ofSettings?: boolean;
}

const CHECK: Remedy = "check";
/** Settings that are told one by one in a message; more are counted. */
const SHOWN = 3;
/** Problems that a person has made in the settings; the others show in the status alone, or have a notice of their own. */
const OF_SETTINGS = new Set<ProblemCode>([
  "portRange",
  "timeoutRange",
  "attemptsRange",
  "queueWaitRange",
  "heartbeatRange",
  "bodySizeRange",
  "unknownInstance",
  "duplicateId",
  "instanceUrl",
  "instanceRetired",
  "instanceToken",
  "upstreamUrl",
  "proxyUrl",
  "caFile",
  "undecodable",
]);
/** A new port that is not to be had, while the former one goes on. */
export const PORT_HELD: ReadonlySet<string> = new Set<ProblemCode>([
  "portTaken",
  "portOtherPool",
  "portForwarded",
]);

/** Ways not to begin that last until somebody does something. */
const LASTING = new Set<Failure["kind"]>([
  "binaryMissing",
  "binaryForeign",
  "notStarted",
  "heldBack",
  "refused",
]);
/** Problems that the page of settings does not mend. */
const ELSEWHERE: Partial<Record<ProblemCode, Remedy[]>> = {
  unknownInstance: ["check"],
  instanceToken: ["check"],
  undecodable: ["check", "showLog"],
  invalidSecret: ["newToken"],
};

/** What the message about an upgrade from 1.x tells as well. */
const OF_UPGRADE: ReadonlySet<string> = new Set<ProblemCode>([
  "instanceUrl",
  "instanceRetired",
  "unknownInstance",
]);

/** Whether somebody who was told of an upgrade knows it already. */
export function isToldByUpgrade({ id }: Notice): boolean {
  return OF_UPGRADE.has(id.split(" ")[0] ?? "");
}

/** One message for all of them. */
export function together(notices: readonly Notice[]): Notice | undefined {
  const [first] = notices;
  if (first === undefined || notices.length === 1) {
    return first;
  }
  const rest = notices.length - SHOWN;
  const shown = notices.slice(0, SHOWN).map(({ text }) => text);
  return {
    ...first,
    severity: notices.some(({ severity }) => severity === "error") ? "error" : "warning",
    text: [...shown, ...(rest > 0 ? [l10n.t("And {0} more.", rest)] : [])].join(" "),
    remedies: [...new Set([...notices.flatMap(({ remedies }) => remedies), ...(rest > 0 ? [CHECK] : [])])],
  };
}

/** What this window can judge now. Of all else, that there is no notice says nothing. */
export function judged({ phase, status }: View): ReadonlySet<About> {
  if (phase.kind !== "running" || status === undefined) {
    return new Set(["window"]);
  }
  switch (status.role.kind) {
    case "follower":
      return new Set(["start"]);
    case "blocked":
      return new Set(["window", "start", "port"]);
    case "starting":
      return new Set(["window", "start"]);
    case "leader":
      return new Set(["window", "start", "port", "pool"]);
  }
}

/** Everything that needs a person now. What concerns the whole pool does not come from a window that follows another. */
export function notices(view: View, now: number, clock: Clock): Notice[] {
  const status = view.phase.kind === "running" ? view.status : undefined;
  if (status === undefined) {
    return [...ofStart(view), ...ofSettings(view)];
  }
  switch (status.role.kind) {
    case "follower":
      return [];
    case "blocked": {
      const problem: Problem = { code: status.role.by, subject: String(status.role.port), severity: "error" };
      const text = problemWords(problem, view.names);
      return [
        ...ofSettings(view),
        {
          id: "port",
          about: "port",
          severity: "error",
          text,
          remedies: ["anotherPort", "openSettings", "showLog"],
        },
      ];
    }
    default:
      return [...ofSettings(view), ...ofProblems(view, status), ...ofPool(view, status, now, clock)];
  }
}

/** The words on the button. */
export function remedyWords(remedy: Remedy): string {
  switch (remedy) {
    case "addKey":
      return l10n.t("Add Key");
    case "showKeys":
      return l10n.t("Show Keys");
    case "verify":
      return l10n.t("Verify Keys");
    case "anotherPort":
      return l10n.t("Use Another Port");
    case "showLog":
      return l10n.t("Show Log");
    case "openSettings":
      return l10n.t("Open Settings");
    case "keyringHelp":
      return l10n.t("How to Fix");
    case "restart":
      return l10n.t("Restart");
    case "check":
      return l10n.t("Check the Configuration");
    case "test":
      return l10n.t("Test");
    case "newToken":
      return l10n.t("Make New Access Token");
  }
}

/** One that a person can only mend outside; a crash is told by itself. */
function ofStart({ phase }: View): Notice[] {
  return phase.kind === "failed" && LASTING.has(phase.failure.kind)
    ? [
        {
          id: `failed ${phase.failure.kind}`,
          about: "start",
          severity: "error",
          text: failureWords(phase.failure),
          remedies: ["restart", "showLog"],
        },
      ]
    : [];
}

/** Whether it is told once, however often it begins so. */
export function isLasting({ kind }: Failure): boolean {
  return LASTING.has(kind);
}

function ofSettings(view: View): Notice[] {
  // A secret in the settings is moved, and that is told.
  return view.problems
    .filter(({ code }) => code !== "secretInSettings")
    .map((problem) => ({
      id: `${problem.code} ${"subject" in problem ? problem.subject : ""}`,
      about: "window",
      severity: "warning",
      text: localWords(problem),
      remedies:
        problem.code === "keysLost"
          ? ["keyringHelp", "addKey"]
          : problem.code === "secretUnreadable"
            ? ["showLog"]
            : ["openSettings"],
      ...(problem.code === "setting" ? { ofSettings: true } : {}),
    }));
}

function ofProblems(view: View, status: Status): Notice[] {
  return status.problems
    .filter(
      ({ code, subject }) =>
        OF_SETTINGS.has(code) ||
        PORT_HELD.has(code) ||
        (code === "invalidSecret" && subject === "accessToken"),
    )
    .map((problem) => ({
      id: `${problem.code} ${problem.subject ?? ""}`,
      about: "pool",
      severity: problem.severity,
      text: problemWords(problem, view.names),
      remedies: PORT_HELD.has(problem.code)
        ? ["anotherPort", "openSettings"]
        : (ELSEWHERE[problem.code] ?? ["openSettings"]),
      ...(OF_SETTINGS.has(problem.code) ? { ofSettings: true } : {}),
    }));
}

function ofPool(view: View, status: Status, now: number, clock: Clock): Notice[] {
  const found: Notice[] = [];
  const enabled = status.keys.filter(({ state }) => state.kind !== "disabled");
  const alarm = status.problems.find(({ code }) => code === "allKeysInvalid");
  if (
    alarm !== undefined ||
    (enabled.length > 0 && enabled.every(({ state }) => state.kind === "quarantined"))
  ) {
    const text = alarm
      ? problemWords(alarm, view.names)
      : l10n.t("No key is accepted any more. Each one's reason is in the status.");
    found.push({
      id: "invalid",
      about: "pool",
      severity: "error",
      text,
      remedies: ["verify", "addKey", "showLog"],
    });
  }
  for (const { id, state } of enabled) {
    if (state.kind === "quarantined" && state.reason === "leaked") {
      const text = l10n.t(
        "Google found the key {0} in public and blocked it. Make a new one.",
        view.names.key(id),
      );
      found.push({
        id: `leaked ${id}`,
        about: "pool",
        severity: "warning",
        text,
        remedies: ["showKeys", "addKey"],
      });
    }
  }
  const dry = dryness(status.keys, now);
  if (dry?.whole) {
    const text = l10n.t("Every key rests: the quota is used up until {0}.", clock(dry.untilMs));
    found.push({ id: "dry", about: "pool", severity: "warning", text, remedies: ["addKey"] });
  }
  if (status.mode !== "local") {
    const tokens = status.problems
      .filter(({ code }) => code === "instanceToken")
      .map(({ subject }) => subject);
    for (const { id, health } of status.instances) {
      // Of a token that does not match, one message tells.
      if (health.kind === "down" && !view.names.isOff(id) && !tokens.includes(id)) {
        const text = l10n.t(
          "The instance {0} is down: {1}.",
          view.names.instance(id),
          downWords(health.reason),
        );
        found.push({
          id: `down ${id}`,
          about: "pool",
          severity: "warning",
          text,
          remedies: ["test", "showLog"],
          subject: id,
        });
      }
    }
  }
  return found;
}
