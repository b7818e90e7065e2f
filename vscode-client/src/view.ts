/**
 * Everything that is shown of the pool, at one moment, and why the sidecar does not run if it does not.
 */

import type { KeyStatus, Status } from "../../protocol/protocol";
import { l10n } from "./l10n";
import type { LocalProblem } from "./localProblem";
import type { Names } from "./names";
import type { StoredKey } from "./secrets";
import type { Settings } from "./settings";

/** Why the sidecar does not run. */
export type Failure =
  | { kind: "binaryMissing"; platform: string }
  | { kind: "binaryForeign"; platform: string }
  /** It is there and is for this machine, and does not get to run. */
  | { kind: "heldBack"; code: string }
  | { kind: "notStarted"; code: string }
  | { kind: "silent" }
  /** It speaks another protocol; the log has its sentence. */
  | { kind: "refused" }
  | { kind: "crashed" };

/** Where the sidecar is in its life. */
export type Phase =
  { kind: "starting" } | { kind: "running" } | { kind: "stopped" } | { kind: "failed"; failure: Failure };

export interface View {
  phase: Phase;
  /** The last one of a sidecar that runs. */
  status?: Status;
  /** A state is on its way to the sidecar. */
  applying: boolean;
  problems: LocalProblem[];
  names: Names;
  settings: Pick<Settings, "port" | "fallbackToLocal">;
}

/** Why it does not run, in a sentence. */
export function failureWords(failure: Failure): string {
  switch (failure.kind) {
    case "binaryMissing":
      return l10n.t(
        "The extension holds no program for {0}. Install the extension for this platform. If a virus scanner took the program away, allow it there first.",
        failure.platform,
      );
    case "binaryForeign":
      return l10n.t(
        "The program in the extension does not run on {0}. Install the extension for this platform.",
        failure.platform,
      );
    case "heldBack":
      return l10n.t(
        "The system does not let the server's program run ({0}). Allow it in the virus scanner or in the security settings of the system, or install the extension anew.",
        failure.code,
      );
    case "notStarted":
      return l10n.t("The server could not be started ({0}).", failure.code);
    case "silent":
      return l10n.t("The server did not answer within 10 seconds and was ended.");
    case "refused":
      return l10n.t("The server's program does not fit this extension. Install the extension anew.");
    case "crashed":
      return l10n.t("The server crashed five times within three minutes and is not started again.");
  }
}

/** The port that clients reach, if one is served. */
export function servedPort({ status, phase }: Pick<View, "status" | "phase">): number | undefined {
  const role = status?.role;
  return phase.kind === "running" && (role?.kind === "leader" || role?.kind === "follower")
    ? role.port
    : undefined;
}

/** The project that Google named, else the one that a person said. */
export function projectOf(
  { project }: Pick<StoredKey, "project">,
  live: Pick<KeyStatus, "project"> | undefined,
): string | undefined {
  return live?.project ?? project;
}

/** What clients are pointed at. */
export function endpoint(port: number): string {
  return `http://127.0.0.1:${String(port)}`;
}
