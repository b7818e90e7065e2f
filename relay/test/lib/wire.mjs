// HTTP/1.1 on a bare socket, for both ends of a test: nothing is normalised, added, unpacked or followed.

import net from "node:net";
import { once } from "node:events";

/** One end of a connection. What was not read yet waits in `rest`. */
export class Peer {
  constructor(socket) {
    this.socket = socket;
    this.rest = Buffer.alloc(0);
    this.chunks = socket.iterator({ destroyOnReturn: false });
    socket.on("error", () => {}); // whoever reads gets it too
  }

  /** Waits until the kernel has taken it. */
  async write(data) {
    if (!this.socket.write(data)) await once(this.socket, "drain");
  }

  /** A clean end: FIN. */
  end(data) {
    this.socket.end(data);
  }

  /** An abort: RST. */
  reset() {
    this.socket.resetAndDestroy();
  }

  /** Resolves when the other end is gone, however it went. */
  async gone() {
    try {
      while (await this.more());
    } catch {
      // reset
    }
  }

  /** Waits for more in `rest`; false at the end. Whoever asks meanwhile waits for the same. */
  more() {
    this.coming ??= this.chunks.next().then(({ done, value }) => {
      if (!done) this.rest = this.rest.length === 0 ? value : Buffer.concat([this.rest, value]);
      return !done;
    }).finally(() => (this.coming = undefined));
    return this.coming;
  }

  /** Up to and with `mark`. */
  async until(mark) {
    for (;;) {
      const at = this.rest.indexOf(mark);
      if (at >= 0) return this.take(at + mark.length);
      if (!(await this.more())) throw new Error(`the connection ended before ${JSON.stringify(mark)}; it said ${JSON.stringify(this.rest.toString("latin1"))}`);
    }
  }

  take(length) {
    const taken = this.rest.subarray(0, length);
    this.rest = this.rest.subarray(length);
    return taken;
  }

  /** First line and headers, as pairs with lower-case names, in the order they came. */
  async head() {
    const [line, ...rest] = (await this.until("\r\n\r\n")).toString("latin1").trimEnd().split("\r\n");
    const pairs = rest.map((header) => {
      const colon = header.indexOf(":");
      return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
    });
    return { line, status: Number(line.split(" ")[1]), pairs, headers: Object.fromEntries(pairs) };
  }

  /** The body after `head`, piece by piece; throws if it ends before it is whole. */
  async *pieces({ headers, status }) {
    if (status === 204 || status === 304) return;
    if (headers["transfer-encoding"] === "chunked") {
      for (;;) {
        const size = parseInt((await this.until("\r\n")).toString("latin1"), 16);
        yield* this.exactly(size);
        await this.until("\r\n");
        if (size === 0) return;
      }
    }
    yield* this.exactly(Number(headers["content-length"] ?? 0));
  }

  async *exactly(length) {
    let left = length;
    while (left > 0) {
      if (this.rest.length === 0 && !(await this.more())) throw new Error(`the body ended ${left} bytes early`);
      const piece = this.take(Math.min(left, this.rest.length));
      left -= piece.length;
      yield piece;
    }
  }

  async body(head) {
    const all = [];
    for await (const piece of this.pieces(head)) all.push(piece);
    return Buffer.concat(all);
  }

  /** Head and whole body. */
  async message() {
    const head = await this.head();
    return { ...head, body: (await this.body(head)).toString() };
  }
}

/** The text of a request or an answer. */
export function message(line, headers = {}, body = "") {
  const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}\r\n`));
  return `${line}\r\n${lines.join("")}\r\n${body}`;
}

export function chunk(text) {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

export async function connect(port) {
  const socket = net.connect(port, "127.0.0.1");
  await once(socket, "connect");
  return new Peer(socket);
}

/** A server whose connections the test answers itself. */
export async function listen() {
  const waiting = [];
  const unclaimed = [];
  const arrived = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    arrived.push(socket);
    const peer = new Peer(socket);
    const next = waiting.shift();
    if (next) next(peer);
    else unclaimed.push(peer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    origin: `http://127.0.0.1:${server.address().port}`,
    /** How many ever connected. */
    count: () => arrived.length,
    /** The next connection. */
    accept: () => (unclaimed.length > 0 ? Promise.resolve(unclaimed.shift()) : new Promise((resolve) => waiting.push(resolve))),
    /** Nobody waits for the next connection any more. */
    forget: () => void waiting.splice(0),
    close() {
      server.close();
      for (const socket of arrived) socket.destroy();
    },
  };
}
