/**
 * The walkthrough: opens it at the very first start, and sets the context keys that its steps tick by. The editor remembers a tick, so a
 * key need not stay true.
 */

import { type Disposable, commands, workspace } from "vscode";
import type { App } from "./app";
import { type Milestones, milestones } from "./milestones";
import { SECTION } from "./settings";

const ID = "ShaneYang.api-key-aggregetor#geminiAggregator.start";
const FIRST_STEP = `${ID}#addKey`;
/** Between two looks whether the editor knows the walkthrough, and until it is opened all the same. */
const PAUSE_MS = 100;
const LONGEST_MS = 5_000;
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
  wake();
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
    await isKnown();
    await commands.executeCommand("workbench.action.openWalkthrough", ID, false);
  }
}

/** The editor reads walkthroughs when they are first asked for; whoever opens ours before that gets another one. No step is called so. */
function wake(): void {
  void commands.executeCommand("welcome.markStepIncomplete", SECTION).then(undefined, () => undefined);
}

/**
 * Returns when the editor has read our walkthrough: before that it opens one of its own in place of it. It tells nobody, but it refuses to
 * change a step that it does not know; the step is not done yet, so nothing changes when it knows it.
 */
async function isKnown(): Promise<void> {
  for (let asked = 0; asked < LONGEST_MS / PAUSE_MS; asked += 1) {
    try {
      await commands.executeCommand("welcome.markStepIncomplete", FIRST_STEP);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

function setContext(name: string, value: boolean): void {
  void commands.executeCommand("setContext", `${SECTION}.${name}`, value);
}
