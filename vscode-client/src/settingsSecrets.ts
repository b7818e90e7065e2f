/**
 * Tokens and headers of instances that somebody wrote into the settings: takes them out, so that they can be kept as secrets. Pure.
 */

import { type Fields, type InstanceSecrets, isFields, readInstanceSecrets } from "./secrets";

/** What was found. */
export interface Found {
  /** The setting without secrets; all else as it was. */
  cleaned: unknown[];
  /** By instance id. */
  secrets: Map<string, InstanceSecrets>;
}

/** Takes the secrets out of the value of `serverlessInstances`; `undefined` if there are none. */
export function takeSecrets(written: unknown): Found | undefined {
  if (!Array.isArray(written)) {
    return undefined;
  }
  const secrets = new Map<string, InstanceSecrets>();
  const cleaned = written.map((entry: unknown) => {
    if (!isFields(entry) || typeof entry.id !== "string" || !("token" in entry || "headers" in entry)) {
      return entry;
    }
    const { token: _token, headers: _headers, ...rest }: Fields = entry;
    secrets.set(entry.id, readInstanceSecrets(entry));
    return rest;
  });
  return secrets.size === 0 ? undefined : { cleaned, secrets };
}
