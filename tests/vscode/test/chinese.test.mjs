// @ts-check
/** The same in Chinese. */

import assert from "node:assert/strict";
import { key } from "../driver/deeds.mjs";
import { story } from "../driver/story.mjs";

story("an editor in Chinese", { name: "chinese", locale: "zh-cn" }, async ({ window, step }) => {
  await step("status bar and palette speak Chinese", async () => {
    await window.screenshot("1-new");
    const { text } = await window.status();
    assert.match(text, /\p{Script=Han}/u);
    await window.tooltip(/\p{Script=Han}/u);
    await window.screenshot("2-tooltip");
    await window.leaveTooltip();
    const titles = await window.offered("Gemini: ");
    assert.deepEqual(titles.filter((title) => !/\p{Script=Han}/u.test(title)), []);
  });

  await step("a key is added in Chinese", async () => {
    await window.command("Gemini: 添加 API 密钥");
    await window.waitQuick("添加 API 密钥");
    await window.screenshot("3-add");
    await window.type(key(1));
    await window.message.filter({ hasNotText: "Press" }).waitFor();
    await window.screenshot("4-typed");
    await window.accept();
    await window.waitToast(/有效/);
    await window.screenshot("5-added");
  });
});
