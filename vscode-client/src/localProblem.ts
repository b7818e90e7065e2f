/**
 * What the extension itself finds wrong, before the sidecar sees it. Codes and facts only; `problems.ts` has the words.
 */

/** What a setting should have been. */
export type Expected =
  | "wholeNumber"
  | "port"
  | "boolean"
  | "text"
  | "texts"
  | "textMap"
  | "choice"
  | "instances"
  /** An entry of the list; one that is wrong is left out. */
  | "instance"
  | "notLocal"
  | "ownId";

export type LocalProblem =
  /** A setting of a wrong type; the last good value is in force. */
  | { code: "setting"; subject: string; expected: Expected }
  /** A token or headers of an instance stand in the settings, where they are not read. */
  | { code: "secretInSettings"; subject: string }
  /** JSON in SecretStorage that cannot be read; it is left as it is. */
  | { code: "secretUnreadable"; subject: string }
  /** There were keys, and now there is not even a list of them. */
  | { code: "keysLost" }
  /** Certificates are not checked on the direct way, because of this setting. */
  | { code: "tlsUnchecked"; subject: string };
