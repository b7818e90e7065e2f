// Leaves two keys, a binding and a counter in the secret storage, in the layout of version 1.x, and says when they are there.
const { StatusBarAlignment, window } = require("vscode");

const SECRETS = {
  key1: "AIzaSyFromVersionOne-0000000000000000001",
  key2: " AIzaSyFromVersionOne-0000000000000000002 ",
  geminiApiKeysIds: JSON.stringify(["key1", "key2"]),
  geminiApiKeyCounter: "3",
  geminiApiKeyBindings: JSON.stringify([{ keyId: "key1", instanceId: "instance-1", createdAt: "2025-07-01T00:00:00.000Z" }]),
};

exports.activate = async ({ secrets, subscriptions }) => {
  for (const [name, value] of Object.entries(SECRETS)) {
    await secrets.store(name, value);
  }
  const item = window.createStatusBarItem(StatusBarAlignment.Right, 100);
  item.text = "1.x is set up";
  item.show();
  subscriptions.push(item);
};
