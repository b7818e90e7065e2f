/**
 * A SecretStorage as several windows share it: every call takes its time, and a change is heard in every window.
 */

import type { SecretStore } from "../../src/secrets";

export class SharedSecrets {
  readonly values = new Map<string, string>();
  /** Every write, in order: `name=value` or `-name`. */
  readonly writes: string[] = [];
  private readonly listeners = new Set<(change: { key: string }) => void>();

  constructor(values: Record<string, string> = {}) {
    Object.entries(values).forEach(([name, value]) => this.values.set(name, value));
  }

  /** What one window sees of it. */
  window(withKeys = false): SecretStore {
    return {
      get: async (name) => {
        await turn();
        return this.values.get(name);
      },
      store: async (name, value) => {
        await turn();
        this.values.set(name, value);
        this.writes.push(`${name}=${value}`);
        this.changed(name);
      },
      delete: async (name) => {
        await turn();
        this.values.delete(name);
        this.writes.push(`-${name}`);
        this.changed(name);
      },
      onDidChange: (listener) => {
        this.listeners.add(listener);
        return { dispose: () => this.listeners.delete(listener) };
      },
      ...(withKeys ? { keys: async () => (await turn(), [...this.values.keys()]) } : {}),
    };
  }

  json(name: string): unknown {
    const text = this.values.get(name);
    return text === undefined ? undefined : JSON.parse(text);
  }

  private changed(key: string): void {
    this.listeners.forEach((listener) => {
      listener({ key });
    });
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
