import { describe, expect, it } from "vitest";
import {
  type Advice,
  adviseHeaderName,
  adviseHeaderValue,
  adviseName,
  adviseRegion,
  adviseToken,
  adviseUrl,
} from "../src/instanceInput";

const level = (advice: Advice | undefined): string | undefined => advice?.severity;

describe("what is said while an instance is entered", () => {
  it("wants a name, and warns of one that is there or long", () => {
    expect(level(adviseName(" ", []))).toBe("error");
    expect(level(adviseName("Deno us ", ["deno US"]))).toBe("warning");
    expect(level(adviseName("x".repeat(101), []))).toBe("warning");
    expect(adviseName("Deno", ["Other"])).toBeUndefined();
  });

  it("refuses URLs that the sidecar would refuse, and warns of twins and of prompts in a log", () => {
    expect(level(adviseUrl("", []))).toBe("error");
    expect(adviseUrl("https://x.deno.dev", [])?.text).toContain("shut down");
    expect(level(adviseUrl("https://a.example/", ["https://A.example"]))).toBe("warning");
    expect(adviseUrl("https://gateway.ai.cloudflare.com/v1/a/b/google-ai-studio", [])?.text).toContain("log");
    expect(adviseUrl("https://a.example", ["https://b.example"])).toBeUndefined();
  });

  it("lets a token be left out, warns of a short one, and refuses one that cannot be sent", () => {
    expect(adviseToken("")).toBeUndefined();
    expect(level(adviseToken("short"))).toBe("warning");
    expect(adviseToken("short")?.text).toContain("24");
    expect(level(adviseToken("tökén".repeat(6)))).toBe("error");
    expect(adviseToken("t".repeat(24))).toBeUndefined();
  });

  it.each(["x-goog-api-key", "Host", "X-Relay-Token", "a b", "a:", "ä"])(
    "refuses %j as an extra header",
    (name) => {
      expect(level(adviseHeaderName(name))).toBe("error");
    },
  );

  it("takes other headers, and wants a value that can be sent", () => {
    expect(adviseHeaderName("")).toBeUndefined();
    expect(adviseHeaderName("cf-aig-authorization")).toBeUndefined();
    expect(level(adviseHeaderValue(""))).toBe("error");
    expect(level(adviseHeaderValue("ä"))).toBe("error");
    expect(adviseHeaderValue("Bearer abc")).toBeUndefined();
  });

  it("warns of a long region only", () => {
    expect(level(adviseRegion("x".repeat(51)))).toBe("warning");
    expect(adviseRegion("us")).toBeUndefined();
  });
});
