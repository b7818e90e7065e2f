// Stands for version 1.x: leaves two keys, a binding and a counter in the secret storage, in its layout, or says what it finds there.
const { StatusBarAlignment, window } = require("vscode");

const SECRETS = {
  key1: "AIzaSyFromVersionOne-0000000000000000001",
  key2: " AIzaSyFromVersionOne-0000000000000000002 ",
  geminiApiKeysIds: JSON.stringify(["key1", "key2"]),
  geminiApiKeyCounter: "3",
  geminiApiKeyBindings: JSON.stringify([{ keyId: "key1", instanceId: "instance-1", createdAt: "2025-07-01T00:00:00.000Z" }]),
};

exports.activate = async ({ secrets, subscriptions }) => {
  const found = await find(secrets);
  if (found === undefined) {
    for (const [name, value] of Object.entries(SECRETS)) {
      await secrets.store(name, value);
    }
  }
  const item = window.createStatusBarItem(StatusBarAlignment.Right, 100);
  item.text = found ?? "1.x is set up";
  item.show();
  subscriptions.push(item);
};

/** What 1.x makes of what is stored: values of the ids in the list, the next number, bindings. Nothing if anything is missing. */
async function find(secrets) {
  const [list, counter, bindings] = await Promise.all(["geminiApiKeysIds", "geminiApiKeyCounter", "geminiApiKeyBindings"].map((name) => secrets.get(name)));
  if (!list || !counter || !bindings) {
    return undefined;
  }
  const ids = JSON.parse(list);
  const values = await Promise.all(ids.map((id) => secrets.get(id)));
  if (values.some((value) => !value)) {
    return undefined;
  }
  const bound = JSON.parse(bindings).map(({ keyId, instanceId }) => `${keyId} to ${instanceId}`);
  return `1.x finds ${ids.join(", ")}; bound ${bound.join(", ")}; next ${counter}`;
}
