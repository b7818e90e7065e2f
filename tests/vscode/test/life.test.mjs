// @ts-check
/** The program behind the extension ends, by itself or because somebody wants it. */

import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
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

  await step("a program that is missing, foreign or silent is named, and runs again when it is back", async () => {
    const { program } = editor.profile;
    await window.clearToasts();
    await window.command("Gemini: Stop Server");
    await window.waitStatus("stopped");
    renameSync(program, `${program}.kept`);
    await window.command("Gemini: Start Server");
    await window.waitToast(/holds no program for linux/);
    await window.waitStatus("stopped");
    await window.screenshots("5-missing");
    writeFileSync(program, "MZ, for another system", { mode: 0o755 });
    await window.pressOnToast(/holds no program for linux/, "Restart");
    await window.waitToast(/does not run on linux/);
    await window.screenshots("6-foreign");
    writeFileSync(program, "#!/bin/sh\nexec sleep 600\n", { mode: 0o755 });
    await window.pressOnToast(/does not run on linux/, "Restart");
    await window.waitStatus("starting");
    assert.deepEqual(await window.status(), { text: "Gemini: starting", icon: "sync", colour: "none" });
    await window.screenshots("7-starting");
    await window.waitToast(/did not answer within 10 seconds/);
    await window.screenshots("8-silent");
    renameSync(`${program}.kept`, program);
    await window.pressOnToast(/did not answer within 10 seconds/, "Restart");
    await window.waitStatus("local · 2 keys");
    assert.equal((await ask(editor.endpoint, token)).status, 200);
  });
});
