/**
 * Settings + secrets → the whole state that the sidecar shall have. Pure, but for the number of the revision. Values go as they are:
 * the sidecar is the one that validates.
 */

import type { DesiredState, Instance, Key, Proxy } from "../../protocol/protocol";
import type { LocalProblem } from "./localProblem";
import type { Secrets } from "./secrets";
import type { EditorNetwork, Settings } from "./settings";

/** A state without its number. */
export type Wish = Omit<DesiredState, "revision">;

/** What `accessToken: auto` depends on. */
export interface Place {
  /** WSL, SSH, a container, a browser: others may reach the machine's loopback. */
  remote: boolean;
  /** Clients that are set up for 1.x know no token. */
  cameFromVersion1: boolean;
}

const MEGABYTE = 1024 * 1024;

/** Whether callers have to present the access token. */
export function wantsToken(setting: Settings["accessToken"], place: Place): boolean {
  return setting === "on" || (setting === "auto" && place.remote && !place.cameFromVersion1);
}

/** The state. `accessToken` is null if none is wanted. */
export function wish(
  settings: Settings,
  editor: EditorNetwork,
  secrets: Secrets,
  accessToken: string | null,
): Wish {
  return {
    port: settings.port,
    mode: settings.deploymentMode,
    fallbackToLocal: settings.fallbackToLocal,
    requestTimeoutMs: settings.requestTimeout,
    accessToken,
    allowedOrigins: settings.allowedOrigins,
    allowedHosts: settings.allowedHosts,
    upstream: settings.upstream,
    proxy: proxy(settings, editor),
    tls: { caFile: settings.caFile || null, strict: uncheckedBy(settings, editor) === undefined },
    maxAttempts: settings.maxAttempts,
    maxQueueWaitMs: settings.maxQueueWait,
    retryEmptyAnswers: settings.retryEmptyAnswers,
    heartbeatSeconds: settings.heartbeat,
    maxBodyBytes: settings.maxBodySize * MEGABYTE,
    modelMap: settings.modelMap,
    keys: secrets.keys.map(key),
    instances: settings.serverlessInstances.map((instance) => ({
      ...instance,
      ...secrets.instances.get(instance.id),
    })) satisfies Instance[],
  };
}

/** What should be seen although it was asked for. */
export function wishProblems(settings: Settings, editor: EditorNetwork, secrets: Secrets): LocalProblem[] {
  const unchecked = uncheckedBy(settings, editor);
  return [
    ...secrets.unreadable.map((subject): LocalProblem => ({ code: "secretUnreadable", subject })),
    ...(unchecked === undefined ? [] : [{ code: "tlsUnchecked", subject: unchecked } as const]),
  ];
}

/** Numbers the states of this window; the same state keeps its number. */
export class Revisions {
  private revision = 0;
  private last = "";

  next(wanted: Wish): DesiredState {
    const text = JSON.stringify(wanted);
    if (text !== this.last) {
      this.last = text;
      this.revision += 1;
    }
    return { revision: this.revision, ...wanted };
  }
}

function key({ id, value, label, project, enabled, binding }: Secrets["keys"][number]): Key {
  return {
    id,
    secret: value,
    label: label ?? null,
    project: project ?? null,
    enabled: enabled ?? true,
    binding:
      binding === undefined
        ? null
        : binding === "local"
          ? { kind: "local" }
          : { kind: "instance", id: binding },
  };
}

function proxy(settings: Settings, editor: EditorNetwork): Proxy {
  if (settings.proxy === "direct") {
    return { kind: "direct" };
  }
  const url = isAuto(settings) ? editor.proxy : settings.proxy;
  if (url === "") {
    return { kind: "auto" };
  }
  return { kind: "url", url, noProxy: settings.noProxy || editor.noProxy.join(",") || null };
}

/** The setting that switches the check of certificates off. The editor's counts where its proxy is used and ours says nothing. */
function uncheckedBy(settings: Settings, editor: EditorNetwork): string | undefined {
  if (settings.strictTls !== undefined) {
    return settings.strictTls ? undefined : "geminiAggregator.strictTls";
  }
  return !editor.strictSsl && editor.proxy !== "" && isAuto(settings) ? "http.proxyStrictSSL" : undefined;
}

function isAuto(settings: Settings): boolean {
  return settings.proxy === "auto" || settings.proxy === "";
}
