import { type AddressInfo, type Server, createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { isFree, nextFree } from "../src/freePort";

const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

async function hold(port: number): Promise<number> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return (server.address() as AddressInfo).port;
}

describe("another port", () => {
  it("is the next one that nobody holds", async () => {
    const port = await hold(0);
    expect(await isFree(port)).toBe(false);
    const next = await nextFree(port - 1);
    expect(next).toBeGreaterThan(port);
    expect(await isFree(next)).toBe(true);
  });

  it.each([65_535, 70_000])(
    "is one that the system gives behind %d, where there is none",
    async (present) => {
      const port = await nextFree(present);
      expect(port).toBeLessThan(65_536);
      expect([port === present, await isFree(port)]).toEqual([false, true]);
    },
  );
});
