// @ts-check
/**
 * In front of an editor server, for a person's own browser: passes everything on, and answers the one page that the bare server lacks and
 * without which secrets would end with the window. Listens on this machine alone.
 */

import { randomBytes } from "node:crypto";
import { createServer, request } from "node:http";
import { connect } from "node:net";

/** @param {import("./server.mjs").Server} server @param {number} port @returns {Promise<number>} the port it got */
export async function openFront(server, port) {
  const secret = randomBytes(32);
  const front = createServer((asked, answer) => {
    if (asked.method === "POST" && asked.url?.split("?")[0]?.endsWith("/mint-key")) {
      answer.end(secret);
      return;
    }
    const inner = request({ port: server.port, host: "127.0.0.1", method: asked.method, path: asked.url, headers: asked.headers }, (from) => {
      answer.writeHead(from.statusCode ?? 502, from.headers);
      from.pipe(answer);
    });
    inner.on("error", () => answer.destroy());
    asked.pipe(inner);
  });
  front.on("upgrade", (asked, socket, head) => {
    const inner = connect(server.port, "127.0.0.1");
    const lines = asked.rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${asked.rawHeaders[index + 1]}`] : []));
    inner.write(`${[`${asked.method} ${asked.url} HTTP/1.1`, ...lines].join("\r\n")}\r\n\r\n`);
    inner.write(head);
    inner.pipe(socket).pipe(inner);
    inner.on("error", () => socket.destroy());
    socket.on("error", () => inner.destroy());
  });
  await new Promise((resolve, reject) => {
    front.once("error", reject);
    front.listen(port, "127.0.0.1", () => resolve(undefined));
  });
  front.unref();
  const address = front.address();
  return typeof address === "object" && address ? address.port : port;
}
