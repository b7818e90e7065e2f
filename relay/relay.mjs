// The relay: passes Gemini API calls on to Google from where it runs, for one person who holds its token.
// One file without dependencies. `export default { fetch }` serves Cloudflare Workers, Deno, Bun, Vercel and
// Netlify; run by itself (`node relay.mjs`, `bun relay.mjs`, `deno run --allow-net --allow-env relay.mjs`) it listens on HOST:PORT.
// It never runs without a token, never logs, never keeps, reads or changes a body, and never goes anywhere but to UPSTREAM.

const VERSION = "2.0.0";
const UPSTREAM = "https://generativelanguage.googleapis.com";
const SHORTEST_TOKEN = 24;

// --- What may pass ---

const METHODS = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);
const API_PATH = /^\/(?:upload\/|download\/)?v1(?:beta|alpha)?\//;
const LIVE_PATH = /^\/ws\/google\.ai\.generativelanguage\./;
// A segment of dots, however it and its slashes are spelled.
const DOT_SEGMENT = /(?:^|\/|\\|%2f|%5c)(?:\.|%2e){1,2}(?:$|\/|\\|%2f|%5c)/i;

const REQUEST_HEADERS = new Set([
  "accept", "authorization", "content-encoding", "content-type", "if-match", "if-none-match", "range", "x-server-timeout",
]);
const RESPONSE_HEADERS = new Set([
  "accept-ranges", "content-disposition", "content-encoding", "content-length", "content-range", "content-type", "etag",
  "last-modified", "location", "retry-after", "server", "server-timing", "vary",
]);
const HANDSHAKE_HEADER = /^sec-websocket-(?:accept|extensions|key|protocol|version)$/;

const mayGoUp = (name) => REQUEST_HEADERS.has(name) || name.startsWith("x-goog-");
const mayComeDown = (name) => RESPONSE_HEADERS.has(name) || name.startsWith("x-goog-") || name.startsWith("x-gemini-");

/** Headers for upstream, of pairs from the caller. `user-agent` is ours because some runtimes would add their own. */
function upstreamHeaders(pairs) {
  const kept = [...pairs].filter(([name]) => mayGoUp(name));
  return { accept: "*/*", ...Object.fromEntries(kept), "accept-encoding": "identity", "user-agent": `gemini-aggregator-relay/${VERSION}` };
}

/** Headers for the caller, of pairs from upstream. `decoded`: the runtime has unpacked the body, so its old sizes would lie. */
function answerHeaders(pairs, decoded = false) {
  const lies = (name) => decoded && (name === "content-encoding" || name === "content-length");
  const kept = [...pairs].filter(([name]) => mayComeDown(name) && !lies(name));
  return { ...Object.fromEntries(kept), "cache-control": "no-store", "x-accel-buffering": "no", "x-relay": "1" };
}

// --- Who may call, and for what ---

/** What is configured. A token that is too short counts as none, and only tests on this machine may name another upstream. */
function settings(env) {
  const token = setting(env, "RELAY_TOKEN") ?? "";
  return {
    token: token.length < SHORTEST_TOKEN ? "" : token,
    region: setting(env, "RELAY_REGION"),
    upstream: loopbackOrigin(setting(env, "UPSTREAM")) ?? UPSTREAM,
  };
}

function setting(env, name) {
  if (typeof env?.[name] === "string") return env[name];
  try {
    return globalThis.Deno?.env?.get(name) ?? globalThis.process?.env?.[name];
  } catch {
    return undefined; // Deno without --allow-env
  }
}

function loopbackOrigin(text) {
  if (!text || !URL.canParse(text)) return undefined;
  const { protocol, hostname, origin } = new URL(text);
  const loopback = hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
  return loopback && (protocol === "http:" || protocol === "https:") ? origin : undefined;
}

/** Compared over hashes, so that neither length nor first difference shows in the time it takes. */
async function isToken(given, token) {
  if (!given || !token) return false;
  const sha256 = async (text) => new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const [a, b] = await Promise.all([sha256(given), sha256(token)]);
  return a.reduce((difference, byte, at) => difference | (byte ^ b[at]), 0) === 0;
}

/** `{ url }` to pass a call on to, or `{ status, headers, body }` to answer it. `target` is path and query, and all the URL is made of. */
async function judge({ method, target, token, upgrade }, env, place) {
  const config = settings(env);
  const url = URL.canParse(config.upstream + target) ? new URL(config.upstream + target) : undefined;
  const [path] = target.split("?", 1);
  if (path === "/health") {
    if (method !== "GET" && method !== "HEAD") return refusal(405, "UNIMPLEMENTED", "The relay's health is read with GET.");
    return health(config, await isToken(token, config.token), place);
  }
  const live = LIVE_PATH.test(path);
  // What it became, in case the parser reads it otherwise than we do.
  const same = url?.origin === config.upstream && (live ? LIVE_PATH : API_PATH).test(url.pathname);
  if (!same || (!live && !API_PATH.test(path)) || DOT_SEGMENT.test(path) || (upgrade && !live)) {
    return refusal(404, "NOT_FOUND", "The relay passes on paths of the Gemini API only.");
  }
  if (!METHODS.has(method)) return refusal(405, "UNIMPLEMENTED", "The relay passes on GET, POST, PUT, PATCH and DELETE only.");
  if (!config.token) {
    return refusal(503, "UNAVAILABLE", `The relay is closed: set RELAY_TOKEN to at least ${SHORTEST_TOKEN} characters.`);
  }
  if (!(await isToken(token, config.token))) {
    return refusal(401, "UNAUTHENTICATED", "The relay's token is missing or wrong. It goes in the header x-relay-token.");
  }
  return { url: url.href };
}

function health(config, trusted, place) {
  const facts = { status: "ok", relay: "gemini-aggregator", protocol: 1 };
  if (!trusted) return reply(200, { ...facts, auth: config.token ? "required" : "unset" });
  const features = place.websocket ? ["stream", "upload", "websocket"] : ["stream", "upload"];
  const region = config.region ?? place.region ?? null;
  return reply(200, { ...facts, auth: "ok", version: VERSION, runtime: place.runtime, region, features });
}

/** An error of the relay itself, in Google's envelope, marked so that it is told from Google's. */
function refusal(code, status, message) {
  return reply(code, { error: { code, message, status } }, { "x-relay-error": "1" });
}

const noSockets = () => refusal(501, "UNIMPLEMENTED", "The platform of this relay cannot carry WebSockets.");
const unreachable = () => refusal(502, "UNAVAILABLE", "The relay could not reach the Gemini API.");

function reply(status, value, more) {
  const headers = { ...answerHeaders([]), ...more, "content-type": "application/json; charset=utf-8" };
  return { status, headers, body: JSON.stringify(value) };
}

// --- Platforms that have fetch() ---

const RUNTIME = globalThis.navigator?.userAgent === "Cloudflare-Workers" ? "workerd"
  : globalThis.Deno ? "deno"
  : globalThis.Bun ? "bun"
  : globalThis.process?.versions?.node ? "node"
  : "unknown";

/** One call, first byte to last. `env` holds the bindings on Workers, and is the server on Bun. Never throws. */
async function fetchThrough(request, env) {
  try {
    return await pass(request, env);
  } catch {
    return respond(unreachable());
  }
}

async function pass(request, env) {
  const { pathname, search } = new URL(request.url);
  const upgrade = request.headers.get("upgrade")?.toLowerCase() === "websocket";
  const token = request.headers.get("x-relay-token");
  const carry = socketCarrier(env);
  const place = { runtime: RUNTIME, region: regionOf(request), websocket: Boolean(carry) };
  const verdict = await judge({ method: request.method, target: pathname + search, token, upgrade }, env, place);
  if (!verdict.url) return respond(verdict, request.method);
  const headers = upstreamHeaders(request.headers);
  if (upgrade) return carry ? carry(request, verdict.url, headers, env) : respond(noSockets());
  const answer = await fetch(verdict.url, {
    method: request.method, headers, body: hasBody(request) ? request.body : null, duplex: "half",
    redirect: "manual", signal: request.signal,
    decompress: false, // Bun hands on what it got; others do not know it
  });
  // Where fetch() unpacks, this header goes on naming what is no longer so: on Node, and where nothing else is known.
  const decoded = (RUNTIME === "node" || RUNTIME === "unknown") && answer.headers.has("content-encoding");
  return new Response(breaksWithoutReason(answer.body), { status: answer.status, headers: answerHeaders(answer.headers, decoded) });
}

/** Streams that are empty would be framed as bodies. A body over HTTP/2 need not say its length. */
function hasBody({ method, headers }) {
  const length = headers.get("content-length");
  if (length !== null) return length !== "0";
  return headers.has("transfer-encoding") || (method !== "GET" && method !== "DELETE");
}

const respond = ({ status, headers, body }, method) => new Response(method === "HEAD" ? null : body, { status, headers });

const regionOf = (request) => request.cf?.colo ?? setting(undefined, "DENO_REGION") ?? setting(undefined, "VERCEL_REGION");

/** Bun prints what a body broke off with, and that names the URL: it gets a bare break. */
function breaksWithoutReason(body) {
  if (RUNTIME !== "bun" || !body) return body;
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read().catch(() => ({ done: "broken" }));
      if (done === "broken") controller.error();
      else if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => reader.cancel(),
  });
}

// --- WebSockets where there is no raw socket ---

/** Who carries a WebSocket here: nobody, or one of the functions below. */
function socketCarrier(server) {
  if (RUNTIME === "workerd") return socketOnWorkers;
  if (RUNTIME === "deno" && !globalThis.Netlify) return socketOnDeno;
  return RUNTIME === "bun" && typeof server?.upgrade === "function" ? socketOnBun : undefined;
}

/** Workers join the two by themselves. */
async function socketOnWorkers(request, url, headers) {
  const answer = await fetch(url, { headers: { ...headers, ...protocolHeader(request), upgrade: "websocket" }, redirect: "manual" });
  if (!answer.webSocket) return new Response(answer.body, { status: answer.status, headers: answerHeaders(answer.headers) });
  return new Response(null, { status: 101, webSocket: answer.webSocket, headers: protocolHeader(answer) });
}

function protocolHeader({ headers }) {
  const value = headers.get("sec-websocket-protocol");
  return value ? { "sec-websocket-protocol": value } : {};
}

async function socketOnDeno(request, url, headers) {
  const peer = await dialSocket(request, url, headers);
  if (!peer) return respond(unreachable());
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  if (peer.protocol) response.headers.set("sec-websocket-protocol", peer.protocol); // its own option wants ", " in the list
  socket.binaryType = "arraybuffer";
  socket.onopen = () => peer.handTo(socket);
  socket.onmessage = ({ data }) => peer.send(data);
  socket.onclose = ({ code, reason }) => peer.end(code, reason);
  return response;
}

async function socketOnBun(request, url, headers, server) {
  const peer = await dialSocket(request, url, headers);
  if (!peer) return respond(unreachable());
  const chosen = peer.protocol ? { "sec-websocket-protocol": peer.protocol } : {};
  if (!server.upgrade(request, { data: peer, headers: chosen })) return respond(noSockets());
}

/** What Bun's server does with the sockets of `socketOnBun`. */
const BUN_SOCKETS = {
  idleTimeout: 0,
  maxPayloadLength: 2 ** 30,
  open: (socket) => socket.data.handTo(socket),
  message: (socket, data) => socket.data.send(data),
  close: (socket, code, reason) => socket.data.end(code, reason),
};

/** A WebSocket to upstream, open, which keeps what it hears until it is handed to the caller's; undefined if refused. */
async function dialSocket(request, url, headers) {
  const { "accept-encoding": _, accept: __, ...kept } = headers;
  const protocols = request.headers.get("sec-websocket-protocol")?.split(",").map((name) => name.trim()) ?? [];
  const socket = new WebSocket(url.replace(/^http/, "ws"), { headers: kept, protocols });
  socket.binaryType = "arraybuffer";
  const held = [];
  let deliver = (act) => held.push(act);
  socket.onmessage = ({ data }) => deliver((caller) => caller.send(data));
  socket.onclose = ({ code, reason }) => deliver((caller) => closeLike(caller, code, reason));
  const opened = await new Promise((resolve) => Object.assign(socket, { onopen: () => resolve(true), onerror: () => resolve(false) }));
  if (!opened) return undefined;
  return {
    protocol: socket.protocol,
    send: (data) => socket.send(data),
    end: (code, reason) => closeLike(socket, code, reason),
    handTo(caller) {
      deliver = (act) => act(caller);
      held.splice(0).forEach(deliver);
    },
  };
}

/** Ends a socket as the other ended. A side that dials may send few codes; a break has none, and must not look like an end. */
function closeLike(socket, code, reason) {
  const broken = code < 1000 || code === 1006 || code === 1015;
  try {
    if (code === 1005) socket.close();
    else if (broken) socket.close(1014, "The other side broke off.");
    else socket.close(code, reason);
  } catch {
    socket.close();
  }
}

// --- Node: its own HTTP, which adds no header and unpacks no body ---

async function serveOnNode(host, port) {
  const load = (name) => import(name); // kept from bundlers: Workers have no such modules
  const [http, https] = await Promise.all([load("node:http"), load("node:https")]);
  const transport = settings().upstream.startsWith("http:") ? http : https;
  const agent = new transport.Agent({ keepAlive: true, timeout: 60_000 });
  // No limit on how long an upload takes; idle connections outlive those of the caller's pool.
  const server = http.createServer({ requestTimeout: 0, keepAliveTimeout: 120_000 });
  server.on("request", (request, response) => passOnNode(request, response, transport, agent).catch(() => response.destroy()));
  server.on("upgrade", (request, socket, head) => upgradeOnNode(request, socket, head, http, transport).catch(() => socket.destroy()));
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit()); // as a container's first process, too
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  return server.address().port;
}

async function judgeOnNode(request, upgrade) {
  const token = request.headers["x-relay-token"];
  const place = { runtime: "node", region: regionOf(request), websocket: true };
  return judge({ method: request.method, target: request.url, token, upgrade }, undefined, place);
}

async function passOnNode(request, response, transport, agent) {
  const verdict = await judgeOnNode(request, false);
  if (response.destroyed) return; // gone already
  if (!verdict.url) return finishOnNode(response, verdict, request.method);
  const frame = framing(request.headers);
  const headers = { ...upstreamHeaders(Object.entries(request.headers)), ...frame };
  const upstream = transport.request(verdict.url, { method: request.method, headers, agent });
  response.on("close", () => upstream.destroy()); // the caller has gone, or all is said
  upstream.on("error", () => {
    request.unpipe(upstream);
    return response.headersSent ? response.destroy() : finishOnNode(response, unreachable());
  });
  upstream.on("response", (answer) => answerOnNode(answer, response));
  if (!frame) return upstream.end();
  upstream.flushHeaders();
  request.pipe(upstream);
}

/** How the body was framed, so that it is framed the same upstream; undefined if there is none. */
function framing(headers) {
  if (headers["content-length"] !== undefined) return { "content-length": headers["content-length"] };
  return headers["transfer-encoding"] && { "transfer-encoding": "chunked" };
}

/** An answer that breaks off breaks the connection: it must not look whole. */
function answerOnNode(answer, response) {
  response.writeHead(answer.statusCode, answerHeaders(Object.entries(answer.headers)));
  response.flushHeaders();
  answer.on("error", () => response.destroy());
  answer.pipe(response);
}

function finishOnNode(response, { status, headers, body }, method) {
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
  response.end(method === "HEAD" ? undefined : body);
}

/** A WebSocket is two sockets joined: frames, pings and close codes pass as they are. */
async function upgradeOnNode(request, socket, head, http, transport) {
  socket.on("error", () => socket.destroy());
  const response = new http.ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.on("finish", () => socket.end());
  const verdict = await judgeOnNode(request, true);
  if (socket.destroyed) return;
  if (!verdict.url) return finishOnNode(response, verdict);
  const joined = { connection: "Upgrade", upgrade: "websocket" };
  const headers = { ...upstreamHeaders(Object.entries(request.headers)), ...handshake(request), ...joined };
  const upstream = transport.request(verdict.url, { headers, agent: false });
  socket.on("close", () => upstream.destroy());
  upstream.on("error", () => (response.headersSent ? socket.destroy() : finishOnNode(response, unreachable())));
  upstream.on("response", (answer) => answerOnNode(answer, response));
  upstream.on("upgrade", (answer, peer, peerHead) => {
    const lines = Object.entries({ ...handshake(answer), ...joined, "x-relay": "1" }).map(([name, value]) => `${name}: ${value}\r\n`);
    response.detachSocket(socket);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`);
    join(socket, head, peer, peerHead);
  });
  upstream.end();
}

const handshake = ({ headers }) => Object.fromEntries(Object.entries(headers).filter(([name]) => HANDSHAKE_HEADER.test(name)));

function join(caller, callerHead, peer, peerHead) {
  for (const [from, rest, to] of [[caller, callerHead, peer], [peer, peerHead, caller]]) {
    if (rest.length > 0) to.write(rest);
    from.setNoDelay(true);
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
    from.pipe(to);
  }
}

// --- Run by itself ---

async function serve() {
  const hostname = setting(undefined, "HOST") ?? "127.0.0.1";
  const port = Number(setting(undefined, "PORT") ?? 8787);
  const listen = { deno: serveOnDeno, bun: serveOnBun }[RUNTIME] ?? serveOnNode;
  const bound = await listen(hostname, port);
  console.log(`relay listening on http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${bound}`);
}

const serveOnDeno = (hostname, port) => Deno.serve({ hostname, port, onListen() {} }, fetchThrough).addr.port;

function serveOnBun(hostname, port) {
  const server = Bun.serve({
    hostname, port, fetch: fetchThrough, websocket: BUN_SOCKETS, development: false, idleTimeout: 0, maxRequestBodySize: 2 ** 53 - 1,
  });
  relay.stop = () => server.stop(); // Bun serves a default export a second time unless it can be stopped
  return server.port;
}

async function runsByItself() {
  if (import.meta.main !== undefined) return import.meta.main;
  if (RUNTIME !== "node" || !process.argv[1]) return false;
  const [{ pathToFileURL }, { realpathSync }] = await Promise.all(["node:url", "node:fs"].map((name) => import(name)));
  return import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href;
}

const relay = { fetch: fetchThrough };
export default relay;

if (await runsByItself()) await serve();
