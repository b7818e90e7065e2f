// @ts-check
/** The program behind the extension ends, by itself or because somebody wants it. */

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { ask } from "../driver/client.mjs";
import { addKeys, copyToken, key } from "../driver/deeds.mjs";
import { story } from "../driver/story.mjs";
import { until } from "../driver/until.mjs";

story("the life of the sidecar", { name: "life" }, async ({ editor, window, step }) => {
  let token = "";

  await step("a crash is told once, by a message that goes by itself, and the pool is back with its keys", async () => {
    await addKeys(window, key(1), key(2));
    token = await copyToken(window);
    await window.clearToasts();
    const [pid] = editor.profile.sidecars();
    assert.ok(pid);
    process.kill(pid, "SIGKILL");
    const told = await window.waitToast(/ended unexpectedly/);
    await window.screenshots("1-crashed");
    await window.waitStatus("local · 2 keys");
    assert.equal((await ask(editor.endpoint, token)).status, 200);
    const [again] = editor.profile.sidecars();
    assert.notEqual(again, pid);
    process.kill(again ?? 0, "SIGKILL");
    const pids = await until(() => editor.profile.sidecars(), ([third]) => third !== undefined && third !== again);
    assert.equal(pids.length, 1);
    await window.waitStatus("local · 2 keys");
    await told.waitFor({ state: "detached" });
    assert.equal(await window.toast(/ended unexpectedly/).count(), 0);
  });

  await step("who stops it sees that nothing works, and can start it again", async () => {
    await window.command("Gemini: Stop Server");
    await window.waitStatus("stopped");
    assert.deepEqual(await window.status(), { text: "Gemini: stopped", icon: "error", colour: "error" });
    await window.screenshots("2-stopped");
    assert.equal((await ask(editor.endpoint, token)).status, 0);
    await window.command("Gemini: Show Status");
    await window.waitQuick("Gemini: stopped");
    await window.screenshot("3-stopped-status");
    await window.pick("Start");
    await window.waitStatus("local · 2 keys");
    assert.equal((await ask(editor.endpoint, token)).status, 200);
  });

  await step("a stranger on the port is named, and the port is taken when the stranger goes", async () => {
    await window.command("Gemini: Stop Server");
    await window.waitStatus("stopped");
    const stranger = createServer((socket) => socket.destroy());
    await new Promise((resolve) => stranger.listen(editor.port, "127.0.0.1", () => resolve(undefined)));
    await window.command("Gemini: Start Server");
    await window.waitStatus(`port ${editor.port} taken`);
    await window.waitToast(`Another program holds port ${editor.port}`);
    assert.equal((await window.status()).colour, "error");
    await window.screenshots("4-port-taken");
    await new Promise((resolve) => stranger.close(resolve));
    await window.waitStatus("local · 2 keys");
    assert.equal((await ask(editor.endpoint, token)).status, 200);
  });
});
