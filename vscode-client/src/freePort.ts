/**
 * Which port nobody holds, as this machine says at this moment; it may be another one a moment later.
 */

import { type AddressInfo, createServer } from "node:net";

/** There is no higher one. */
export const HIGHEST = 65_535;
/** So many ports behind the present one are looked at. */
const LOOKED_AT = 50;

/** The next port that nobody holds; where many are taken, whatever the system gives. */
export async function nextFree(present: number): Promise<number> {
  for (let port = present + 1; port <= Math.min(present + LOOKED_AT, HIGHEST); port += 1) {
    if (await isFree(port)) {
      return port;
    }
  }
  return (await bound(0)) ?? present;
}

/** Whether the port could be bound on loopback just now. */
export async function isFree(port: number): Promise<boolean> {
  return (await bound(port)) !== undefined;
}

/** Binds it and lets it go; `0`: any. */
function bound(port: number): Promise<number | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => {
      resolve(undefined);
    });
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      const { port: got } = server.address() as AddressInfo;
      server.close(() => {
        resolve(got);
      });
    });
  });
}
