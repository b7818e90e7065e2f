import { describe, expect, it } from "vitest";
import { takeSecrets } from "../src/settingsSecrets";

describe("secrets in the settings", () => {
  it("are taken out, and everything else stays as it was", () => {
    const plain = { id: "b", url: "u", maxKeys: 3 };
    expect(
      takeSecrets([
        { id: "a", url: "u", token: "t", headers: { h: "v" }, later: 1 },
        plain,
        "nonsense",
        { id: "c", token: 5 },
      ]),
    ).toEqual({
      cleaned: [{ id: "a", url: "u", later: 1 }, plain, "nonsense", { id: "c" }],
      secrets: new Map([
        ["a", { token: "t", headers: { h: "v" } }],
        ["c", {}],
      ]),
    });
  });

  it("are not found where there are none", () => {
    expect([
      takeSecrets(undefined),
      takeSecrets("x"),
      takeSecrets([{ id: "a", url: "u" }, null, { token: "without an id" }]),
    ]).toEqual([undefined, undefined, undefined]);
  });
});
