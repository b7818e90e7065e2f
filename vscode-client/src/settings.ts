/**
 * Reads the settings, as far as their types go: the sidecar judges ranges and URLs. A value of a wrong type is named and the last good
 * one stays. Pure. Never looks at a workspace's values: a folder must not move the user's keys.
 */

import type { Mode } from "../../protocol/protocol";
import { type LocalProblem, type Expected } from "./localProblem";
import { isFields } from "./secrets";

/** `WorkspaceConfiguration.inspect()`, as far as it counts. */
export interface Inspected {
  globalValue?: unknown;
}

/** The user's value of a setting, by its full name. */
export type Inspect = (name: string) => Inspected | undefined;

/** An entry of `serverlessInstances`; unknown fields stay in the settings and are not read. */
export interface InstanceSetting {
  id: string;
  url: string;
  name?: string;
  region?: string;
  enabled?: boolean;
}

/** `geminiAggregator.*`. */
export interface Settings {
  port: number;
  deploymentMode: Mode;
  serverlessInstances: InstanceSetting[];
  fallbackToLocal: boolean;
  requestTimeout: number;
  accessToken: "auto" | "on" | "off";
  allowedOrigins: string[];
  allowedHosts: string[];
  upstream: string;
  /** `auto`, `direct` or a URL. */
  proxy: string;
  noProxy: string;
  caFile: string;
  /** `undefined`: the user says nothing. */
  strictTls: boolean | undefined;
  maxAttempts: number;
  maxQueueWait: number;
  retryEmptyAnswers: boolean;
  heartbeat: number;
  maxBodySize: number;
  modelMap: Record<string, string>;
}

/** The editor's own settings for its network. */
export interface EditorNetwork {
  proxy: string;
  noProxy: string[];
  strictSsl: boolean;
}

/** All settings of the extension start with it. */
export const SECTION = "geminiAggregator";

/** What holds where the user says nothing; package.json says the same. */
export const DEFAULTS: Settings = {
  port: 3145,
  deploymentMode: "local",
  serverlessInstances: [],
  fallbackToLocal: true,
  requestTimeout: 180_000,
  accessToken: "auto",
  allowedOrigins: [],
  allowedHosts: [],
  upstream: "https://generativelanguage.googleapis.com",
  proxy: "auto",
  noProxy: "",
  caFile: "",
  strictTls: undefined,
  maxAttempts: 5,
  maxQueueWait: 0,
  retryEmptyAnswers: true,
  heartbeat: 0,
  maxBodySize: 128,
  modelMap: {},
};

/** What the direct way is called where an instance could stand. */
const LOCAL = "local";
/** No number of ours is larger; what is sent has to be a whole number of 64 bits. */
const LARGEST = 2 ** 31;

interface Reader<T> {
  expected: Expected;
  read: (value: unknown) => T | undefined;
}

const wholeNumber: Reader<number> = {
  expected: "wholeNumber",
  read: (value) =>
    typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= LARGEST ? value : undefined,
};
/** To the sidecar, 0 is whatever port is free. */
const port: Reader<number> = {
  expected: "port",
  read: (value) => (value === 0 ? undefined : wholeNumber.read(value)),
};
const flag: Reader<boolean> = {
  expected: "boolean",
  read: (value) => (typeof value === "boolean" ? value : undefined),
};
const text: Reader<string> = {
  expected: "text",
  read: (value) => (typeof value === "string" ? value.trim() : undefined),
};
const texts: Reader<string[]> = {
  expected: "texts",
  read: (value) =>
    Array.isArray(value) && value.every((entry) => typeof entry === "string") ? value : undefined,
};
const textMap: Reader<Record<string, string>> = {
  expected: "textMap",
  read: (value) => {
    if (!isFields(value)) {
      return undefined;
    }
    const pairs = Object.entries(value).filter(
      (pair): pair is [string, string] => typeof pair[1] === "string",
    );
    return pairs.length === Object.keys(value).length ? Object.fromEntries(pairs) : undefined;
  },
};

function choice<T extends string>(...choices: T[]): Reader<T> {
  return { expected: "choice", read: (value) => choices.find((choice) => choice === value) };
}

const READERS: { [Name in Exclude<keyof Settings, "serverlessInstances">]: Reader<Settings[Name]> } = {
  port,
  deploymentMode: choice("local", "serverless", "hybrid"),
  fallbackToLocal: flag,
  requestTimeout: wholeNumber,
  accessToken: choice("auto", "on", "off"),
  allowedOrigins: texts,
  allowedHosts: texts,
  upstream: text,
  proxy: text,
  noProxy: text,
  caFile: text,
  strictTls: flag,
  maxAttempts: wholeNumber,
  maxQueueWait: wholeNumber,
  retryEmptyAnswers: flag,
  heartbeat: wholeNumber,
  maxBodySize: wholeNumber,
  modelMap: textMap,
};

/** The settings in force, and what is wrong with those that are written. */
export function readSettings(
  inspect: Inspect,
  last: Settings,
): { settings: Settings; problems: LocalProblem[] } {
  const problems: LocalProblem[] = [];
  const take = <Name extends keyof typeof READERS>(name: Name): Settings[Name] => {
    const written = inspect(`${SECTION}.${name}`)?.globalValue;
    if (written === undefined) {
      return DEFAULTS[name];
    }
    const reader: Reader<Settings[Name]> = READERS[name];
    const value = reader.read(written);
    if (value === undefined) {
      problems.push({ code: "setting", subject: name, expected: reader.expected });
      return last[name];
    }
    return value;
  };
  const settings: Settings = {
    port: take("port"),
    deploymentMode: take("deploymentMode"),
    serverlessInstances: readInstances(inspect, last, problems),
    fallbackToLocal: take("fallbackToLocal"),
    requestTimeout: take("requestTimeout"),
    accessToken: take("accessToken"),
    allowedOrigins: take("allowedOrigins"),
    allowedHosts: take("allowedHosts"),
    upstream: take("upstream"),
    proxy: take("proxy"),
    noProxy: take("noProxy"),
    caFile: take("caFile"),
    strictTls: take("strictTls"),
    maxAttempts: take("maxAttempts"),
    maxQueueWait: take("maxQueueWait"),
    retryEmptyAnswers: take("retryEmptyAnswers"),
    heartbeat: take("heartbeat"),
    maxBodySize: take("maxBodySize"),
    modelMap: take("modelMap"),
  };
  return { settings, problems };
}

/** What the editor says of its network; of a wrong type: as if nothing were said. */
export function readEditorNetwork(inspect: Inspect): EditorNetwork {
  const user = (name: string): unknown => inspect(`http.${name}`)?.globalValue;
  const off = user("proxySupport") === "off";
  return {
    proxy: off ? "" : (text.read(user("proxy")) ?? ""),
    noProxy: texts.read(user("noProxy")) ?? [],
    strictSsl: user("proxyStrictSSL") !== false,
  };
}

/** An entry that is wrong is left out and named by its place; the others count. */
function readInstances(inspect: Inspect, last: Settings, problems: LocalProblem[]): InstanceSetting[] {
  const written = inspect(`${SECTION}.serverlessInstances`)?.globalValue;
  if (written === undefined) {
    return DEFAULTS.serverlessInstances;
  }
  if (!Array.isArray(written)) {
    problems.push({ code: "setting", subject: "serverlessInstances", expected: "instances" });
    return last.serverlessInstances;
  }
  const ids = new Set<string>();
  return written.flatMap((entry: unknown, index) => {
    if (isFields(entry) && typeof entry.id === "string" && ("token" in entry || "headers" in entry)) {
      problems.push({ code: "secretInSettings", subject: entry.id });
    }
    const instance = readInstance(entry);
    const expected = instance === undefined ? "instance" : wrongId(instance.id, ids);
    if (instance !== undefined && expected === undefined) {
      ids.add(instance.id);
      return [instance];
    }
    const subject = `serverlessInstances[${String(index)}]`;
    problems.push({ code: "setting", subject, expected: expected ?? "instance" });
    return [];
  });
}

/** An id that would stand for something else: the direct way, or an instance above. The form of others is judged by the sidecar. */
function wrongId(id: string, above: ReadonlySet<string>): Expected | undefined {
  return id === LOCAL ? "notLocal" : above.has(id) ? "ownId" : undefined;
}

function readInstance(entry: unknown): InstanceSetting | undefined {
  if (!isFields(entry)) {
    return undefined;
  }
  const { id, url, name, region, enabled } = entry;
  const isText = (value: unknown): value is string | undefined =>
    value === undefined || typeof value === "string";
  if (typeof id !== "string" || typeof url !== "string" || !isText(name) || !isText(region)) {
    return undefined;
  }
  if (enabled !== undefined && typeof enabled !== "boolean") {
    return undefined;
  }
  return { id, url, name, region, enabled };
}
