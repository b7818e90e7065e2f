import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type UrlFault, isLoopback, normalUrl, urlFault, urlFaultWords } from "../src/relayUrl";

/** The sidecar's own tests of the same rules. */
const rust = readFileSync(join(__dirname, "../../server/src/policy/base.rs"), "utf8");
const good = [
  ...between("fn good_urls_are_normalised", "fn bad_urls_are_refused").matchAll(/\("([^"]+)", "([^"]+)"\)/g),
];
const bad = [
  ...between("fn bad_urls_are_refused", "assert_eq!(Base::parse(text)").matchAll(/^ +"([^"]*)",$/gm),
];

function between(from: string, to: string): string {
  return rust.slice(rust.indexOf(from), rust.indexOf(to, rust.indexOf(from)));
}

describe("the URL of an instance", () => {
  it("is accepted and normalised where the sidecar does so", () => {
    expect(good.length).toBeGreaterThan(5);
    for (const [, text = "", normal = ""] of good) {
      expect([text, urlFault(text)]).toEqual([text, undefined]);
      expect(normalUrl(text)).toBe(normal);
    }
  });

  it("is refused where the sidecar refuses it", () => {
    expect(bad.length).toBeGreaterThan(15);
    for (const [, text = ""] of bad) {
      expect([text, urlFault(text) !== undefined]).toEqual([text, true]);
    }
  });

  it.each<[string, UrlFault | undefined]>([
    ["relay.example", "malformed"],
    ["", "malformed"],
    ["ftp://relay.example", "scheme"],
    ["http://relay.example", "plainHttp"],
    ["http://localhost.evil.example", "plainHttp"],
    ["https://u:p@relay.example", "credentials"],
    ["https://relay.example/@x", "credentials"],
    ["https://relay.example/?", "query"],
    ["https://relay.example/#", "fragment"],
    ["https://169.254.169.254", "offLimits"],
    ["http://169.254.1.1", "offLimits"],
    ["https://100.100.100.200", "offLimits"],
    ["https://224.0.0.1", "offLimits"],
    ["https://255.255.255.255", "offLimits"],
    ["https://[ff02::1]", "offLimits"],
    ["https://[fe80::1]", "offLimits"],
    ["https://[::ffff:169.254.0.1]", "offLimits"],
    ["https://metadata.google.internal.", "offLimits"],
    ["https://mine.deno.dev", "retired"],
    ["https://mine.org.deno.net", undefined],
    ["https://[2001:db8::1]:8443/x", undefined],
    ["http://[::ffff:127.0.0.1]:1", undefined],
    ["http://127.9.9.9", undefined],
    ["https://100.100.100.201", undefined],
  ])("%j is %s", (text, fault) => {
    expect(urlFault(text)).toBe(fault);
  });

  it("has words for every fault, and tells *.deno.dev users what happened", () => {
    const faults: UrlFault[] = [
      "malformed",
      "scheme",
      "plainHttp",
      "credentials",
      "query",
      "fragment",
      "offLimits",
      "retired",
    ];
    expect(new Set(faults.map(urlFaultWords)).size).toBe(faults.length);
    expect(urlFaultWords("retired")).toContain("2026-07-20");
  });

  it("is the same in other letters and with other slashes", () => {
    expect(normalUrl(" https://Relay.Example:443/a// ")).toBe(normalUrl("https://relay.example/a"));
    expect(normalUrl(" nothing ")).toBe("nothing");
  });

  it("on this machine is known", () => {
    expect(["localhost", "127.0.0.1", "[::1]"].every(isLoopback)).toBe(true);
    expect(["localhost.", "128.0.0.1", "[::2]", "a.example"].some(isLoopback)).toBe(false);
  });
});
