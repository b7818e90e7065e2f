/**
 * The walkthrough: opens it at the very first start, and sets the context keys that its steps tick by. The editor remembers a tick, so a
 * key need not stay true.
 */

import { type Disposable, commands, workspace } from "vscode";
import type { App } from "./app";
import { type Milestones, milestones } from "./milestones";
import { SECTION } from "./settings";

const ID = "ShaneYang.api-key-aggregetor#geminiAggregator.start";
/** The user may not want walkthroughs to open by themselves. */
const OPEN = "workbench.welcomePage.walkthroughs.openOnInstall";

/** From now on the steps tick by what happens. */
export function followMilestones(app: App): Disposable[] {
  let accepted = false;
  let known: Partial<Milestones> = {};
  const look = (): void => {
    const { secrets, settings } = app.reading;
    const counts = { keys: secrets.keys.length, instances: settings.serverlessInstances.length };
    const reached = milestones(app.view, counts, accepted);
    for (const name of Object.keys(reached) as (keyof Milestones)[]) {
      if (known[name] !== reached[name]) {
        setContext(name, reached[name]);
      }
    }
    known = reached;
  };
  // The walkthrough is there from now on. The editor would else open it by itself after an update, for people who know the extension.
  setContext("active", true);
  look();
  return [
    app.onDidChange(look),
    app.sidecar.onDidAccept(() => {
      accepted = true;
      look();
    }),
  ];
}

/** Opens it, unless the user does not want that. */
export async function openWalkthrough(): Promise<void> {
  if (workspace.getConfiguration().get(OPEN) !== false) {
    await commands.executeCommand("workbench.action.openWalkthrough", ID, false);
  }
}

function setContext(name: string, value: boolean): void {
  void commands.executeCommand("setContext", `${SECTION}.${name}`, value);
}
