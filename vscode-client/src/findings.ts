/**
 * The words for what a look over the configuration found, and for what mends it. Pure.
 */

import { l10n } from "./l10n";
import type { Names } from "./names";
import { downWords, localWords, problemWords } from "./problems";
import { urlFaultWords } from "./relayUrl";
import type { Finding, Fix } from "./validate";

/** A finding in a sentence. */
export function findingWords(finding: Finding, names: Names): string {
  switch (finding.code) {
    case "entry":
      return l10n.t("Entry {0} of the instances has no id.", finding.place + 1);
    case "idForm":
      return l10n.t(
        'The id {0} is not accepted: letters, digits and signs without blanks, and not "local".',
        finding.id,
      );
    case "idTwice":
      return l10n.t("The id {0} occurs twice; the first one counts.", finding.id);
    case "nameMissing":
      return l10n.t("The instance {0} has no name.", finding.id);
    case "nameLong":
      return l10n.t("The name of the instance {0} is long.", finding.id);
    case "regionLong":
      return l10n.t("The region of the instance {0} is long.", names.instance(finding.id));
    case "urlMissing":
      return l10n.t("The instance {0} has no URL.", names.instance(finding.id));
    case "onThisMachine":
      return l10n.t(
        "The instance {0} is on this machine and leaves by the same network as the direct way.",
        names.instance(finding.id),
      );
    case "noToken":
      return l10n.t("The instance {0} wants a token, and none is set.", names.instance(finding.id));
    case "off":
      return l10n.t("The instance {0} is switched off.", names.instance(finding.id));
    case "nameTwice":
      return l10n.t("The instances {0} and {1} have the same name.", finding.other, finding.id);
    case "urlTwice":
      return l10n.t(
        "The instances {0} and {1} have the same URL.",
        names.instance(finding.other),
        names.instance(finding.id),
      );
    case "url":
      return l10n.t("{0}: {1}", names.instance(finding.id), urlFaultWords(finding.fault));
    case "down":
      return l10n.t("The instance {0} is down: {1}.", names.instance(finding.id), downWords(finding.reason));
    case "noInstances":
      return l10n.t("The mode is {0}, and there is no instance.", finding.mode);
    case "allInstancesOff":
      return l10n.t("The mode is {0}, and every instance is switched off.", finding.mode);
    case "manyInstances":
      return l10n.t("There are many instances ({0}). They bring no more quota.", finding.count);
    case "noKeys":
      return l10n.t("There is no key yet.");
    case "allKeysOff":
      return l10n.t("Every key is switched off.");
    case "boundToMissing":
      return l10n.t(
        "{0} is bound to {1}, which does not exist; it is used as if unbound.",
        names.key(finding.key),
        finding.instance,
      );
    case "boundToOff":
      return l10n.t(
        "{0} is bound to {1}, which is switched off.",
        names.key(finding.key),
        names.instance(finding.instance),
      );
    case "boundToLocal":
      return l10n.t(
        "{0} is bound to the direct way and takes no part in serverless mode.",
        names.key(finding.key),
      );
    case "bindingsRest":
      return l10n.t("Keys bound to an instance: {0}. In local mode that has no effect.", finding.count);
    case "unbound":
      return l10n.t("Keys that are not bound: {0}. They take the active instances in turn.", finding.count);
    case "sameProject":
      return l10n.t(
        "Same project, one quota: {0}",
        finding.keys.map((id) => names.key(id)).join(l10n.t(", ")),
      );
    case "straySecrets":
      return l10n.t("A token or headers are kept for {0}, an instance that does not exist.", finding.id);
    case "local":
      return localWords(finding.problem);
    case "sidecar":
      return problemWords(finding.problem, names);
  }
}

/** The words on the button. */
export function fixWords(fix: Fix): string {
  const words: Record<Fix["kind"], () => string> = {
    addKey: () => l10n.t("Add Key"),
    addInstance: () => l10n.t("Add Instance"),
    editInstance: () => l10n.t("Edit Instance"),
    removeInstance: () => l10n.t("Remove Instance"),
    testInstance: () => l10n.t("Test"),
    enableInstance: () => l10n.t("Switch On"),
    enableKey: () => l10n.t("Switch On"),
    modifyKey: () => l10n.t("Modify"),
    bindKey: () => l10n.t("Bind Anew"),
    forgetSecrets: () => l10n.t("Forget Them"),
    setMode: () => l10n.t("Deployment Mode"),
    anotherPort: () => l10n.t("Use Another Port"),
    openSettings: () => l10n.t("Open Settings"),
  };
  return words[fix.kind]();
}
