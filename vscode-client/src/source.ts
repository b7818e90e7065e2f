/**
 * Where the state comes from: reads settings, secrets and folder together, as often as it is told to. Never hears of changes by itself
 * and never talks to the sidecar.
 */

import type { DesiredState } from "../../protocol/protocol";
import { type Place, Revisions, wantsToken, wish, wishProblems } from "./desired";
import type { Folder } from "./folder";
import type { Keys } from "./keys";
import type { LocalProblem } from "./localProblem";
import { type Secrets, NAMES } from "./secrets";
import { DEFAULTS, type Inspect, type Settings, readEditorNetwork, readSettings } from "./settings";
import { Turns } from "./turns";

/** One reading. */
export interface Reading {
  state: DesiredState;
  problems: LocalProblem[];
  settings: Settings;
  secrets: Secrets;
}

export class Source {
  private readonly revisions = new Revisions();
  private lastSettings = DEFAULTS;
  private readonly turns = new Turns();
  private current: Reading | undefined;

  constructor(
    private readonly inspect: Inspect,
    private readonly keys: Keys,
    private readonly folder: Folder,
    private readonly place: Place,
  ) {}

  /** The last reading; there is one from the first {@link read} on. */
  get reading(): Reading {
    if (this.current === undefined) {
      throw new Error("the settings were not read yet");
    }
    return this.current;
  }

  /** Reads everything anew, one reading after the other. */
  read(): Promise<Reading> {
    return this.turns.take(() => this.readNow());
  }

  private async readNow(): Promise<Reading> {
    const { settings, problems } = readSettings(this.inspect, this.lastSettings);
    this.lastSettings = settings;
    const editor = readEditorNetwork(this.inspect);
    const secrets = await this.keys.read();
    const token = wantsToken(settings.accessToken, this.place)
      ? (secrets.accessToken ?? (await this.keys.accessToken()))
      : null;
    this.current = {
      state: this.revisions.next(wish(settings, editor, secrets, token)),
      problems: [...problems, ...wishProblems(settings, editor, secrets), ...(await this.lost(secrets))],
      settings,
      secrets,
    };
    return this.current;
  }

  /** An editor without a keyring forgets secrets without a word; the folder remembers that there were some. */
  private async lost(secrets: Secrets): Promise<LocalProblem[]> {
    if (secrets.listMissing) {
      return (await this.folder.keyCount()) > 0 ? [{ code: "keysLost" }] : [];
    }
    if (!secrets.unreadable.includes(NAMES.ids)) {
      await this.folder.setKeyCount(secrets.keys.length);
    }
    return [];
  }
}
