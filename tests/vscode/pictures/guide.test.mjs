// @ts-check
/** The pictures of the documents: an afternoon with the extension, in two languages. Written where `EDITOR_PICTURES` says. */

import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { ask } from "../driver/client.mjs";
import { key, waitForVersion1 } from "../driver/deeds.mjs";
import { prepared } from "../driver/editor.mjs";
import { Fake } from "../driver/fake.mjs";
import { Relay } from "../driver/relay.mjs";
import { story } from "../driver/story.mjs";

const FOLDER = process.env.EDITOR_PICTURES ?? "";
const TOKEN = "token-of-the-relay-in-the-pictures";
/** What everybody's clients are set to. */
const PORT = 3145;
/** So that what is shown is not too small in a document. */
const SIZE = { width: 1100, height: 700 };

/** Words that differ between the languages. */
const ENGLISH = {
  locale: undefined,
  folder: "",
  add: { command: "Gemini: Add API Keys", title: "Add API Keys", new: "3 new", done: /accepted/ },
  labels: ["work", "home", "lab"],
  modify: { command: "Gemini: Modify API Key", label: "Label" },
  bind: { command: "Gemini: Bind API Key to Instance", done: /is bound to/ },
  view: "Gemini: Open Configuration Panel",
  status: "Gemini: Show Status",
  diagnose: "Gemini: Network Diagnostics",
  clear: "Notifications: Clear All Notifications",
};
const CHINESE = {
  locale: "zh-cn",
  folder: "zh-CN",
  add: { command: "Gemini: 添加 API 密钥", title: "添加 API 密钥", new: /新.*3|3.*新/, done: /有效/ },
  labels: ["公司", "家里", "实验室"],
  modify: { command: "Gemini: 修改 API 密钥", label: "名称" },
  bind: { command: "Gemini: 绑定 API 密钥到实例", done: /绑定/ },
  view: "Gemini: 打开配置面板",
  status: "Gemini: 显示状态",
  diagnose: "Gemini: 网络诊断",
  clear: "Notifications: Clear All Notifications",
};

for (const words of [ENGLISH, CHINESE]) {
  const fakeRelay = await Fake.start();
  const relay = await Relay.start({ token: TOKEN, upstream: fakeRelay.url });
  const spare = await Relay.start({ token: TOKEN, upstream: fakeRelay.url });
  after(() => Promise.all([relay.stop(), spare.stop(), fakeRelay.stop()]));
  const settings = {
    "geminiAggregator.deploymentMode": "hybrid",
    "geminiAggregator.serverlessInstances": [
      // Tokens do not stay here: the extension moves them.
      { id: "deno-us", name: "Deno US", url: relay.url, region: "us-east", token: TOKEN },
      { id: "workers-eu", name: "Workers EU", url: spare.url, region: "weur", token: TOKEN },
    ],
  };
  const machine = { "geminiAggregator.port": PORT, "geminiAggregator.accessToken": "off" };

  const welcoming = { ...machine, "workbench.welcomePage.walkthroughs.openOnInstall": true };
  story(`the first picture ${words.folder}`, { name: "pictures", locale: words.locale, machine: welcoming }, async ({ window, step }) => {
    await window.page.setViewportSize(SIZE);
    await step("the first steps", async () => {
      await window.page.locator(".getting-started-step").first().waitFor();
      await window.page.screenshot({ path: pathOf(words.folder, "first-run"), animations: "disabled" });
    });
  });

  story(`pictures ${words.folder}`, { name: "pictures", locale: words.locale, settings, machine }, async ({ window, fake, step }) => {
    const { page } = window;
    const endpoint = `http://127.0.0.1:${PORT}`;
    /** @param {string} name @param {{ x: number, y: number, width: number, height: number }} [clip] */
    const picture = async (name, clip) => {
      await page.screenshot({ path: pathOf(words.folder, name), animations: "disabled", ...(clip ? { clip } : {}) });
    };
    await page.setViewportSize(SIZE);

    await step("keys", async () => {
      await window.waitToast(/./);
      await window.command(words.add.command);
      await window.waitQuick(words.add.title);
      await window.type([1, 2, 3].map((number) => key(number)).join(" "));
      await window.message.filter({ hasText: words.add.new }).waitFor();
      await picture("add-keys", { x: 150, y: 0, width: 800, height: 220 });
      await window.accept();
      await window.waitToast(words.add.done);
      for (const [index, label] of words.labels.entries()) {
        await window.command(words.modify.command);
        await window.pick(new RegExp(`000${index + 1}`));
        await window.pick(words.modify.label);
        await window.type(label);
        await window.accept();
        await window.tooltip(label);
        await window.leaveTooltip();
      }
    });

    await step("requests", async () => {
      await window.command(words.bind.command);
      await window.pick(new RegExp(words.labels[0] ?? ""));
      await window.pick(/Deno US/);
      await window.waitToast(words.bind.done);
      await spare.stop();
      for (const upstream of [fake, fakeRelay]) {
        await upstream.rules(
          { key: key(1), path: "3.6-flash:generateContent", fixture: "MinuteQuota" },
          { key: key(2), path: "3.6-flash:generateContent", fixture: "MinuteQuota" },
        );
      }
      for (let count = 0; count < 3; count += 1) {
        await ask(endpoint, "any");
      }
      await window.command(words.clear);
      await page.locator(".notification-toast").first().waitFor({ state: "detached" });
    });

    await step("the status bar", async () => {
      await window.tooltip(/Workers.EU/);
      await picture("status-bar-tooltip", { x: 540, y: 360, width: 560, height: 340 });
      await window.leaveTooltip();
      await window.command(words.status);
      await window.row(new RegExp(words.labels[2] ?? "")).waitFor();
      await picture("status-menu", { x: 150, y: 0, width: 800, height: 480 });
      await window.escape();
    });

    await step("the view", async () => {
      await page.setViewportSize({ ...SIZE, height: 850 });
      await window.command(words.view);
      const box = await page.locator(".part.sidebar").boundingBox();
      await page.mouse.move((box?.x ?? 0) + (box?.width ?? 0), 400);
      await page.mouse.down();
      await page.mouse.move(620, 400, { steps: 5 });
      await page.mouse.up();
      await page.mouse.move(850, 500);
      await page.getByRole("treeitem", { name: /^200 gemini/ }).first().waitFor();
      await picture("view");
      await page.getByRole("treeitem", { name: /^200 gemini.*[34]/ }).last().click();
      await page.getByRole("treeitem", { name: /^\d\. 200/ }).waitFor();
      await picture("request-attempts", { x: 0, y: 30, width: 640, height: 790 });
    });

    await step("diagnostics", async () => {
      await page.setViewportSize(SIZE);
      await window.command(words.diagnose);
      await window.preview(/Workers EU/);
      await window.command("View: Toggle Primary Side Bar Visibility");
      await window.command(words.clear);
      await page.mouse.move(800, 300);
      await picture("diagnostics");
    });
  });
}

const old = await Fake.start();
after(() => old.stop());
const settings = {
  "geminiAggregator.deploymentMode": "hybrid",
  "geminiAggregator.serverlessInstances": [{ id: "instance-1", name: "My relay", url: `${old.url}/` }],
};
story("the picture of an upgrade", { name: "pictures", template: prepared().templateOf1, settings, machine: { "geminiAggregator.port": PORT }, version1: true }, async ({ editor, window, step }) => {
  await step("it is told", async () => {
    await waitForVersion1(window, "1.x finds");
    await editor.reinstall(prepared().vsix);
    const upgraded = await editor.open({ label: "2" });
    await upgraded.page.setViewportSize(SIZE);
    await upgraded.waitToast(/goes on with what version 1 left/);
    await upgraded.waitStatus("1/1");
    await upgraded.page.screenshot({ path: pathOf("", "upgrade"), animations: "disabled" });
  });
});

/** @param {string} language @param {string} name */
function pathOf(language, name) {
  const path = join(FOLDER, language, `${name}.png`);
  mkdirSync(dirname(path), { recursive: true });
  return path;
}
