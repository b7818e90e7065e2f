/**
 * Reads and writes single places of the configuration: settings by two functions of the editor's, secrets by `Keys`. Writes for the
 * user, never for a workspace.
 */

import { type EntryChange, changeEntry, entriesOf, entryId, putEntry, removeEntry } from "./entries";
import type { Step } from "./history";
import type { Keys, Refusal } from "./keys";
import { type Fields, type InstanceSecrets, readInstanceSecrets } from "./secrets";
import { type Inspect, SECTION } from "./settings";
import { type Kind, type Place, type Snapshot, secretsSnapshot, settingsSnapshot, split } from "./snapshot";

/** Sets a setting of ours for the user; `undefined` takes it away. */
export type Update = (name: string, value: unknown) => PromiseLike<void>;

/** What changes of an instance. */
export interface InstanceChange {
  change: EntryChange;
  /** From the secrets that it has by then to those that it shall have. */
  secrets?: (now: InstanceSecrets) => InstanceSecrets;
}

const LIST = "serverlessInstances";
/** Secrets come before the instance that needs them, a key before what is said of it. */
const ORDER: readonly Kind[] = [
  "key",
  "label",
  "project",
  "enabled",
  "instanceSecrets",
  "instance",
  "binding",
  "setting",
  "accessToken",
];

export class Configuration {
  constructor(
    private readonly inspect: Inspect,
    private readonly update: Update,
    private readonly keys: Keys,
  ) {}

  /** The settings of this moment. */
  settings(): Snapshot {
    return settingsSnapshot(this.inspect);
  }

  /** Settings and secrets of this moment. */
  async everything(): Promise<Snapshot> {
    return new Map([...this.settings(), ...secretsSnapshot(await this.keys.read())]);
  }

  /** Entries of the list of instances, as they are written. */
  entries(): unknown[] {
    return entriesOf(this.inspect(`${SECTION}.${LIST}`)?.globalValue);
  }

  /** Changes the list of instances. */
  async setEntries(entries: readonly unknown[]): Promise<void> {
    await this.update(LIST, entries.length === 0 ? undefined : entries);
  }

  async setSetting(name: string, value: unknown): Promise<void> {
    await this.update(name, value);
  }

  /** Adds an instance; what is secret lies where it belongs before anybody needs it. */
  async addInstance(entry: Fields & { id: string }, secrets: InstanceSecrets): Promise<void> {
    const entries = this.entries();
    const hasSecrets = secrets.token !== undefined || secrets.headers !== undefined;
    if (hasSecrets) {
      await this.keys.setInstanceSecrets(entry.id, secrets);
    }
    try {
      await this.setEntries(putEntry(entries, entry));
    } catch (error) {
      // A settings file that cannot be written leaves no token of an instance that is not there.
      if (hasSecrets) {
        await this.keys.setInstanceSecrets(entry.id, {});
      }
      throw error;
    }
  }

  /** Changes an instance, unless it is gone meanwhile. */
  async changeInstance(id: string, { change, secrets }: InstanceChange): Promise<Refusal | undefined> {
    const entries = this.entries();
    if (!entries.some((entry) => entryId(entry) === id)) {
      return "missing";
    }
    if (secrets !== undefined) {
      const { instances } = await this.keys.read();
      await this.keys.setInstanceSecrets(id, secrets(instances.get(id) ?? {}));
    }
    if (Object.keys(change).length > 0) {
      await this.setEntries(changeEntry(entries, id, change));
    }
    return undefined;
  }

  /** Takes an instance away with its secrets and the bindings to it. */
  async removeInstance(id: string, boundKeys: readonly string[]): Promise<void> {
    await this.setEntries(removeEntry(this.entries(), id));
    for (const key of boundKeys) {
      await this.keys.bind(key, undefined);
    }
    await this.keys.setInstanceSecrets(id, {});
  }

  /** Puts back what lay in these places before. Returns the names of keys that could not be put back, as another one has their value. */
  async putBack(steps: readonly Step[]): Promise<string[]> {
    const sorted = steps.toSorted(
      (a, b) => ORDER.indexOf(split(a.place)[0]) - ORDER.indexOf(split(b.place)[0]),
    );
    const refused = new Set<string>();
    for (const step of sorted) {
      if (!refused.has(idOf(step.place)) && (await this.putBackOne(step)) === "present") {
        refused.add(idOf(step.place));
      }
    }
    return [...new Set(steps.filter(({ place }) => refused.has(idOf(place))).map(({ name }) => name))];
  }

  private async putBackOne({ place, before, at }: Step): Promise<Refusal | undefined> {
    const [kind, id] = split(place);
    const text = typeof before === "string" ? before : undefined;
    switch (kind) {
      case "setting":
        await this.update(id, before);
        return undefined;
      case "instance":
        await this.setEntries(
          before === undefined
            ? removeEntry(this.entries(), id)
            : putEntry(this.entries(), before as Fields, at),
        );
        return undefined;
      case "instanceSecrets":
        await this.keys.setInstanceSecrets(id, readInstanceSecrets(before));
        return undefined;
      case "key":
        return this.putBackKey(id, text, at);
      case "label":
      case "project":
        return ignoreMissing(await this.keys.modify(id, { [kind]: text ?? null }));
      case "enabled":
        return ignoreMissing(await this.keys.modify(id, { enabled: before !== false }));
      case "binding":
        return ignoreMissing(await this.keys.bind(id, text));
      case "accessToken":
        await this.keys.restoreAccessToken(text);
        return undefined;
    }
  }

  private async putBackKey(id: string, value: string | undefined, at: number): Promise<Refusal | undefined> {
    if (value === undefined) {
      await this.keys.delete(id);
      return undefined;
    }
    const refusal = await this.keys.modify(id, { value });
    return refusal === "missing" ? this.keys.restore(id, value, at) : refusal;
  }
}

/** What belongs to a key that is gone needs no putting back. */
function ignoreMissing(refusal: Refusal | undefined): Refusal | undefined {
  return refusal === "missing" ? undefined : refusal;
}

function idOf(place: Place): string {
  return split(place)[1];
}
