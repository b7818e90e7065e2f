/**
 * Boxes one after the other, with a way back. Each says what is wrong while somebody types; what is entered is kept on the way.
 */

import {
  type InputBoxValidationMessage,
  type QuickInputButton,
  InputBoxValidationSeverity,
  QuickInputButtons,
  window,
} from "vscode";
import type { Advice } from "../instanceInput";

/** One box. */
export interface Step<Draft> {
  prompt: (draft: Draft) => string;
  placeholder?: string;
  password?: boolean;
  read: (draft: Draft) => string;
  write: (draft: Draft, text: string) => void;
  advise: (text: string, draft: Draft) => Advice | undefined;
  /** What was entered before makes it needless. */
  needless?: (draft: Draft) => boolean;
}

type Answer = { kind: "next"; text: string } | { kind: "back" } | { kind: "closed" };

/** Walks through the boxes from this one on; `false` if the person closed one. */
export async function walk<Draft>(
  title: string,
  draft: Draft,
  steps: readonly Step<Draft>[],
  from = 0,
): Promise<boolean> {
  let place = from;
  for (let way = 1; place < steps.length; place = Math.max(0, place + way)) {
    const step = steps[place];
    if (step === undefined || step.needless?.(draft)) {
      continue;
    }
    const answer = await ask(title, draft, steps, step, place > 0);
    if (answer.kind === "closed") {
      return false;
    }
    way = answer.kind === "back" ? -1 : 1;
    if (answer.kind === "next") {
      step.write(draft, answer.text.trim());
    }
  }
  return true;
}

/** One box by itself; `undefined` if it was closed. */
export async function askOne(
  title: string,
  value: string,
  step: Pick<Step<void>, "prompt" | "password" | "placeholder"> & {
    advise: (text: string) => Advice | undefined;
  },
): Promise<string | undefined> {
  const draft = { text: value };
  const done = await walk(title, draft, [
    {
      ...step,
      prompt: () => step.prompt(),
      advise: step.advise,
      read: ({ text }) => text,
      write: (into, text) => (into.text = text),
    },
  ]);
  return done ? draft.text : undefined;
}

function ask<Draft>(
  title: string,
  draft: Draft,
  steps: readonly Step<Draft>[],
  step: Step<Draft>,
  hasBack: boolean,
): Promise<Answer> {
  const box = window.createInputBox();
  const counted = steps.filter((other) => !other.needless?.(draft));
  box.title = title;
  if (counted.length > 1) {
    box.step = counted.indexOf(step) + 1;
    box.totalSteps = counted.length;
  }
  box.prompt = step.prompt(draft);
  box.placeholder = step.placeholder;
  box.password = step.password ?? false;
  box.value = step.read(draft);
  box.ignoreFocusOut = true;
  box.buttons = hasBack ? [QuickInputButtons.Back] : [];
  const look = (strict: boolean): boolean => {
    const advice = step.advise(box.value, draft);
    // Nobody is scolded for a box that is empty still.
    box.validationMessage = advice === undefined || (box.value === "" && !strict) ? undefined : shown(advice);
    return advice?.severity !== "error";
  };
  look(false);
  return new Promise((resolve) => {
    const finish = (answer: Answer): void => {
      resolve(answer);
      box.hide();
    };
    box.onDidChangeValue(() => look(false));
    box.onDidAccept(() => {
      if (look(true)) {
        finish({ kind: "next", text: box.value });
      }
    });
    box.onDidTriggerButton((button: QuickInputButton) => {
      if (button === QuickInputButtons.Back) {
        step.write(draft, box.value.trim());
        finish({ kind: "back" });
      }
    });
    box.onDidHide(() => {
      resolve({ kind: "closed" });
      box.dispose();
    });
    box.show();
  });
}

function shown({ severity, text }: Advice): InputBoxValidationMessage {
  const severities = {
    error: InputBoxValidationSeverity.Error,
    warning: InputBoxValidationSeverity.Warning,
    info: InputBoxValidationSeverity.Info,
  };
  return { message: text, severity: severities[severity] };
}
