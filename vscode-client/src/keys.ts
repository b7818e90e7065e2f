/**
 * The pool of keys and the other secrets, in SecretStorage. All windows share it and it has no compare-and-set: each change is made
 * on a fresh read, and what this window added is looked for again a moment later. Never overwrites JSON that it cannot read, never
 * gives an id twice, never logs.
 */

import { randomBytes } from "node:crypto";
import {
  type Fields,
  type InstanceSecrets,
  type Meta,
  type Secrets,
  type SecretStore,
  type StoredKey,
  KEY_ID,
  NAMES,
  Unreadable,
  idsOf,
  isBinding,
  isFields,
  parseBindings,
  parseList,
  parseObject,
  readInstanceSecrets,
  readMeta,
  whereReadable,
} from "./secrets";
import { Turns } from "./turns";

/** After a change in some window, the others have finished theirs. */
export const SETTLE_MS = 250;
/** Numbers without a value that are looked at before the rest is taken to be empty, where the counter is lost. */
const PROBE = 50;

/** What may be changed of a key; `null` takes a field away. */
export interface KeyChange {
  value?: string;
  label?: string | null;
  project?: string | null;
  enabled?: boolean;
}

/** Why a change was not made. */
export type Refusal = "missing" | "present";

/** Waits; a test has its own. */
export type Pause = (ms: number) => Promise<void>;

const pauseByClock: Pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The one who writes secrets, in this window. */
export class Keys {
  /** Keys this window added and has not seen again since. */
  private readonly unconfirmed = new Map<string, string>();
  /** Changes of this window, one after the other. */
  private readonly turns = new Turns();
  private lastKeys: StoredKey[] = [];

  constructor(
    private readonly store: SecretStore,
    private readonly pause: Pause = pauseByClock,
  ) {}

  /** Everything, as it lies there now. Ids without a value are passed over. */
  async read(): Promise<Secrets> {
    const unreadable: string[] = [];
    const take = async <T>(name: string, parse: (text: string | undefined) => T, none: T): Promise<T> => {
      try {
        return parse(await this.store.get(name));
      } catch (error) {
        if (!(error instanceof Unreadable)) {
          throw error;
        }
        unreadable.push(name);
        return none;
      }
    };
    const listText = await this.store.get(NAMES.ids);
    const [list, bindings, meta, instances, accessToken] = await Promise.all([
      take(NAMES.ids, parseList, undefined),
      take(NAMES.bindings, parseBindings, []),
      take(NAMES.meta, (text) => parseObject(NAMES.meta, text), {}),
      take(NAMES.instances, (text) => parseObject(NAMES.instances, text), {}),
      this.store.get(NAMES.accessToken),
    ]);
    // A list that cannot be read any more does not take the keys out of the pool.
    if (list !== undefined) {
      this.lastKeys = await this.readKeys(idsOf(list), bindings, meta);
    }
    return {
      keys: this.lastKeys,
      instances: new Map(Object.entries(instances).map(([id, entry]) => [id, readInstanceSecrets(entry)])),
      ...(accessToken ? { accessToken } : {}),
      unreadable,
      listMissing: listText === undefined,
    };
  }

  /** Adds values that the pool does not hold yet; value, list, counter, in this order. Returns their ids. */
  add(values: readonly string[]): Promise<string[]> {
    return this.turns.take(async () => {
      const { keys } = await this.read();
      const known = new Set(keys.map((key) => key.value.trim()));
      const fresh = [...new Set(values.map((value) => value.trim()))].filter(
        (value) => value !== "" && !known.has(value),
      );
      return fresh.length === 0 ? [] : this.append(fresh);
    });
  }

  /** Changes a key; a value that another key has is refused. */
  modify(id: string, change: KeyChange): Promise<Refusal | undefined> {
    return this.turns.take(async () => {
      const { keys } = await this.read();
      if (!keys.some((key) => key.id === id)) {
        return "missing";
      }
      const value = change.value?.trim();
      if (value !== undefined && keys.some((key) => key.id !== id && key.value.trim() === value)) {
        return "present";
      }
      if (value) {
        this.unconfirmed.delete(id);
        await this.store.store(id, value);
      }
      await this.changeMeta(id, change);
      return undefined;
    });
  }

  /** Takes a key away with its binding and its meta; list first, then the value. */
  delete(id: string): Promise<void> {
    return this.turns.take(async () => {
      this.unconfirmed.delete(id);
      const list = parseList(await this.store.get(NAMES.ids));
      await this.write(
        NAMES.ids,
        list.filter((entry) => entry !== id),
      );
      await this.store.delete(id);
      // The key is gone; what is said of it beside that means nothing any more.
      await whereReadable(() => this.bindNow(id, undefined));
      await whereReadable(() => this.changeObject(NAMES.meta, id, undefined));
    });
  }

  /** Puts a deleted key back under its id, at its old place; a value that another key has is refused. The counter never went back. */
  restore(id: string, value: string, at: number): Promise<Refusal | undefined> {
    return this.turns.take(async () => {
      const { keys } = await this.read();
      if (keys.some((key) => key.id !== id && key.value.trim() === value.trim())) {
        return "present";
      }
      const list = parseList(await this.store.get(NAMES.ids));
      await this.store.store(id, value);
      this.unconfirmed.set(id, value);
      if (!list.includes(id)) {
        await this.write(NAMES.ids, list.toSpliced(Math.min(at, list.length), 0, id));
      }
      await this.raiseCounter([id]);
      return undefined;
    });
  }

  /** Binds a key to an instance or to `local`; without one, unbinds it. */
  bind(id: string, instanceId: string | undefined): Promise<Refusal | undefined> {
    return this.turns.take(async () => {
      if (instanceId !== undefined && !(await this.read()).keys.some((key) => key.id === id)) {
        return "missing";
      }
      await this.bindNow(id, instanceId);
      return undefined;
    });
  }

  /** Keeps the token and the headers of an instance; with nothing in it, forgets them. */
  setInstanceSecrets(id: string, secrets: InstanceSecrets): Promise<void> {
    return this.turns.take(() =>
      this.changeObject(NAMES.instances, id, (old) => ({
        ...old,
        token: secrets.token,
        headers: secrets.headers,
      })),
    );
  }

  /** Keeps what is not kept already of an instance's secrets. */
  adoptInstanceSecrets(id: string, secrets: InstanceSecrets): Promise<void> {
    return this.turns.take(() => this.changeObject(NAMES.instances, id, (old) => ({ ...secrets, ...old })));
  }

  /** The access token; made once. */
  accessToken(): Promise<string> {
    return this.turns.take(() => this.once(NAMES.accessToken, 32));
  }

  /** This access token again, or none. */
  restoreAccessToken(token: string | undefined): Promise<void> {
    return this.turns.take(async () => {
      await (token === undefined
        ? this.store.delete(NAMES.accessToken)
        : this.store.store(NAMES.accessToken, token));
    });
  }

  /** Another access token in place of the one there is. */
  regenerateAccessToken(): Promise<string> {
    return this.turns.take(async () => {
      const token = randomBytes(32).toString("base64url");
      await this.store.store(NAMES.accessToken, token);
      return token;
    });
  }

  /** The id of this pool; made once. */
  poolId(): Promise<string> {
    return this.turns.take(() => this.once(NAMES.pool, 16));
  }

  /** Whether 2.x has been here before. */
  async hasPool(): Promise<boolean> {
    return (await this.store.get(NAMES.pool)) !== undefined;
  }

  /**
   * Puts back what another window overwrote while this one added it: called {@link SETTLE_MS} after a change. A key whose value is gone
   * was deleted. Returns whether something was put back.
   */
  merge(): Promise<boolean> {
    return this.turns.take(async () => {
      const lost: string[] = [];
      const list = parseList(await this.store.get(NAMES.ids));
      const unlisted: string[] = [];
      for (const [id, value] of this.unconfirmed) {
        const there = await this.store.get(id);
        if (there !== undefined && there !== value) {
          lost.push(value);
        } else if (there !== undefined && !list.includes(id)) {
          unlisted.push(id);
        }
      }
      this.unconfirmed.clear();
      if (unlisted.length > 0) {
        await this.write(NAMES.ids, [...list, ...unlisted]);
        await this.raiseCounter(unlisted);
      }
      if (lost.length > 0) {
        await this.append(lost);
      }
      return unlisted.length + lost.length > 0;
    });
  }

  private async readKeys(ids: string[], bindings: unknown[], meta: Fields): Promise<StoredKey[]> {
    const values = await Promise.all(ids.map((id) => this.store.get(id)));
    return ids.flatMap((id, index) => {
      const value = values[index];
      if (value === undefined || value.trim() === "") {
        return [];
      }
      const bound = bindings.filter(isBinding).find((entry) => entry.keyId === id);
      return [{ id, value, ...readMeta(meta[id]), ...(bound ? { binding: bound.instanceId } : {}) }];
    });
  }

  private async append(values: readonly string[]): Promise<string[]> {
    const list = parseList(await this.store.get(NAMES.ids));
    let number = await this.nextNumber(list);
    const added: string[] = [];
    for (const value of values) {
      while ((await this.store.get(`key${String(number)}`)) !== undefined) {
        number += 1;
      }
      const id = `key${String(number)}`;
      await this.store.store(id, value);
      this.unconfirmed.set(id, value);
      added.push(id);
      number += 1;
    }
    await this.write(NAMES.ids, [...list, ...added]);
    await this.raiseCounter(added);
    return added;
  }

  /** Above the counter, every listed id and every id with a value. */
  private async nextNumber(list: readonly unknown[]): Promise<number> {
    const counter = Number(await this.store.get(NAMES.counter));
    const counted = Number.isSafeInteger(counter) && counter > 0;
    let highest = Math.max(counted ? counter - 1 : 0, ...idsOf(list).map(numberOf));
    const names = await this.names();
    if (names !== undefined) {
      return Math.max(highest, ...names.map(numberOf)) + 1;
    }
    // Without a counter, values may lie there that no list names.
    for (let number = highest + 1; !counted && number <= highest + PROBE; number += 1) {
      if ((await this.store.get(`key${String(number)}`)) !== undefined) {
        highest = number;
      }
    }
    return highest + 1;
  }

  /** The names of everything that lies there, if the editor tells them. */
  private async names(): Promise<string[] | undefined> {
    try {
      return await this.store.keys?.();
    } catch {
      // Some editors know the question and not the answer.
      return undefined;
    }
  }

  private async raiseCounter(ids: readonly string[]): Promise<void> {
    const next = Math.max(...ids.map(numberOf)) + 1;
    const counter = Number(await this.store.get(NAMES.counter));
    if (!(counter >= next)) {
      await this.store.store(NAMES.counter, String(next));
    }
  }

  private async changeMeta(id: string, { label, project, enabled }: KeyChange): Promise<void> {
    if (label === undefined && project === undefined && enabled === undefined) {
      return;
    }
    await this.changeObject(
      NAMES.meta,
      id,
      (old) =>
        ({
          ...old,
          ...(label === undefined ? {} : { label: clean(label) }),
          ...(project === undefined ? {} : { project: clean(project) }),
          // Enabled is what nobody has to say.
          ...(enabled === undefined ? {} : { enabled: enabled ? undefined : false }),
        }) satisfies Meta,
    );
  }

  private async bindNow(id: string, instanceId: string | undefined): Promise<void> {
    const bindings = parseBindings(await this.store.get(NAMES.bindings));
    const others = bindings.filter((entry) => !isBinding(entry) || entry.keyId !== id);
    if (instanceId !== undefined) {
      others.push({ keyId: id, instanceId, createdAt: new Date().toISOString() });
    }
    if (others.length !== bindings.length || instanceId !== undefined) {
      await this.write(NAMES.bindings, others);
    }
  }

  /** Changes one entry of an object; without fields, or without a change, it goes. */
  private async changeObject(name: string, id: string, change?: (old: Fields) => Fields): Promise<void> {
    const text = await this.store.get(name);
    const object = parseObject(name, text);
    const old = object[id];
    const { [id]: _, ...rest } = object;
    const entry = change?.(isFields(old) ? old : {}) ?? {};
    const filled = Object.values(entry).some((value) => value !== undefined);
    if (filled || old !== undefined) {
      await this.write(name, filled ? { ...rest, [id]: entry } : rest);
    }
  }

  /** A random secret that all windows agree on: whoever wrote last has it. */
  private async once(name: string, bytes: number): Promise<string> {
    const old = await this.store.get(name);
    if (old) {
      return old;
    }
    const made = randomBytes(bytes).toString(bytes > 16 ? "base64url" : "hex");
    await this.store.store(name, made);
    await this.pause(SETTLE_MS);
    return (await this.store.get(name)) ?? made;
  }

  private async write(name: string, value: unknown): Promise<void> {
    await this.store.store(name, JSON.stringify(value));
  }
}

function numberOf(id: string): number {
  return Number(KEY_ID.exec(id)?.[1] ?? 0);
}

function clean(text: string | null): string | undefined {
  return text?.trim() || undefined;
}
