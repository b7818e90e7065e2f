/**
 * The configuration as a flat list of places and what lies in each, so that two moments can be compared and one place be put back
 * without its neighbours. Pure.
 */

import { entryId, withoutSecrets } from "./entries";
import { nameOf } from "./names";
import { type Secrets, isFields } from "./secrets";
import { DEFAULTS, type Inspect, SECTION } from "./settings";

/** What lies in a place. */
export type Kind =
  | "setting"
  | "instance"
  | "instanceSecrets"
  | "key"
  | "label"
  | "project"
  | "enabled"
  | "binding"
  | "accessToken";

/** `kind/id`: a setting by its name, all else by the id of its key or instance. */
export type Place = `${Kind}/${string}`;

/** What lies there. */
export interface Held {
  value: unknown;
  /** Its place among its like. */
  at: number;
  /** How people call it; never a secret. */
  name: string;
}

/** One moment. A place that is not there is empty. */
export type Snapshot = ReadonlyMap<Place, Held>;

const LIST = "serverlessInstances";
const SECRET = new Set<Kind>(["key", "instanceSecrets", "accessToken"]);

/** The kind and the id of a place. */
export function split(place: Place): [Kind, string] {
  const slash = place.indexOf("/");
  return [place.slice(0, slash) as Kind, place.slice(slash + 1)];
}

/** What lies there may not be shown, and not be kept for longer than an undo needs it. */
export function isSecret(place: Place): boolean {
  return SECRET.has(split(place)[0]);
}

/** The user's settings as they are written; of instances without what is secret. */
export function settingsSnapshot(inspect: Inspect): Map<Place, Held> {
  const snapshot = new Map<Place, Held>();
  for (const name of Object.keys(DEFAULTS)) {
    const value = inspect(`${SECTION}.${name}`)?.globalValue;
    if (name === LIST && Array.isArray(value)) {
      value.forEach((entry: unknown, at) => {
        const id = entryId(entry);
        if (isFields(entry) && id !== undefined && !snapshot.has(`instance/${id}`)) {
          const called = typeof entry.name === "string" && entry.name.trim() !== "" ? entry.name.trim() : id;
          snapshot.set(`instance/${id}`, { value: withoutSecrets(entry), at, name: called });
        }
      });
    } else if (value !== undefined && name !== LIST) {
      snapshot.set(`setting/${name}`, { value, at: 0, name: `${SECTION}.${name}` });
    }
  }
  return snapshot;
}

/** Everything in SecretStorage that a person configures. */
export function secretsSnapshot({ keys, instances, accessToken }: Secrets): Map<Place, Held> {
  const snapshot = new Map<Place, Held>();
  const put = (place: Place, value: unknown, name: string, at = 0): void => {
    if (value !== undefined) {
      snapshot.set(place, { value, at, name });
    }
  };
  keys.forEach((key, at) => {
    const name = nameOf(key);
    put(`key/${key.id}`, key.value, name, at);
    put(`label/${key.id}`, key.label, name);
    put(`project/${key.id}`, key.project, name);
    put(`enabled/${key.id}`, key.enabled, name);
    put(`binding/${key.id}`, key.binding, name);
  });
  for (const [id, secrets] of instances) {
    put(`instanceSecrets/${id}`, Object.keys(secrets).length > 0 ? secrets : undefined, id);
  }
  put("accessToken/", accessToken, "");
  return snapshot;
}
