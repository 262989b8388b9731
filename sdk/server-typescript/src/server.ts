// The server: listens, tells an edge's links from players who come without one, and keeps what all links share.

import { randomUUID, timingSafeEqual } from "node:crypto";
import { lookup } from "node:dns/promises";
import { createServer, STATUS_CODES, type IncomingMessage, type Server } from "node:http";
import { isIP, type AddressInfo } from "node:net";
import { performance } from "node:perf_hooks";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import { ControlLink } from "./control.js";
import { Fence } from "./fence.js";
import { CONTROL_BYTES_MAX } from "./frame.js";
import type { DrainAnswer, Hooks, LoadReport, Notice } from "./hooks.js";
import { SessionLink, type Holding, type Host } from "./link.js";
import type { Addressee } from "./messages.js";
import { PlainWire } from "./plain.js";
import { Player } from "./player.js";

export interface Options {
  /** Where to listen: 127.0.0.1 unless said otherwise. Beyond loopback a `linkToken` is demanded. */
  host?: string;
  port?: number;
  /** What the edge's `link-token-file` holds. Links without it are answered 401. */
  linkToken?: string;
  /** Players at most; further ones are refused. None: no bound. */
  capacity?: number;
  /** Whether players may connect directly, without an edge. Default: yes. */
  plainPlayers?: boolean;
  /** The largest message of the game; what the edge's `message-bytes-max` says. Default: 1 MiB. */
  messageBytesMax?: number;
  /** How often a player's state is handed to the edge while the player is active. Default: every 2 s. */
  checkpointMs?: number;
  /** When so much waits to be written for one player, the connection is given up. Default: 16 MiB. */
  queueBytesMax?: number;
  /** Milliseconds of a clock that never goes back. For tests. */
  clock?: () => number;
}

const LINK = "atlas.link.v1";
const SWEEP_MS = 250;
const LOAD_MS = 2_000;
const CLOSE_MS = 2_000;

/**
 * A game server. Extend it, write `load` and `save`, and the hooks that your game needs; then `await server.listen()`.
 * Hooks are plain functions, not async ones: a message is counted together with its effect.
 */
export abstract class GameServer<Data = unknown> implements Hooks<Data> {
  readonly #options: Required<Omit<Options, "linkToken" | "capacity">> & Options;
  readonly #fence = new Fence<SessionLink<Data>, Holding<Data>>();
  readonly #plain = new Map<string, Player<Data>>();
  readonly #links = new Set<SessionLink<Data>>();
  readonly #controls = new Set<ControlLink>();
  readonly #http: Server = createServer((request, response) => {
    if (request.url === "/health") response.end("OK\n");
    else response.writeHead(426, { Upgrade: "websocket" }).end("this is a WebSocket server\n");
  });
  readonly #sockets: { link: WebSocketServer; plain: WebSocketServer };
  #timer: NodeJS.Timeout | undefined;

  constructor(options: Options = {}) {
    this.#options = {
      host: "127.0.0.1", port: 0, plainPlayers: true, messageBytesMax: 1_048_576, checkpointMs: 2_000,
      queueBytesMax: 16 * 1_048_576, clock: () => performance.now(), ...options,
    };
    const common = { noServer: true, perMessageDeflate: false, clientTracking: true } as const;
    const { messageBytesMax } = this.#options;
    this.#sockets = {
      link: new WebSocketServer({ ...common, maxPayload: Math.max(messageBytesMax + 1, CONTROL_BYTES_MAX), handleProtocols: () => LINK }),
      plain: new WebSocketServer({
        ...common,
        maxPayload: messageBytesMax,
        handleProtocols: (offered) => [...offered].find((protocol) => !protocol.startsWith("atlas.")) ?? false,
      }),
    };
    this.#sockets.link.on("headers", (headers) => headers.push("Atlas-Link: v1"));
    this.#http.on("upgrade", (request, stream, head) => this.#upgrade(request, stream, head));
  }

  // What your game says. Only `load` and `save` must be there.

  /** Makes a player's data of a state that `save` wrote, here or on another server; of nothing for a new player. */
  abstract load(state: Buffer | undefined, player: Player<Data>): Data;
  /** Everything that another server needs to go on with this player. */
  abstract save(player: Player<Data>): Uint8Array | string;
  /** Whether the player may come: a text refuses, and says why. */
  admit(_player: Player<Data>): string | void {}
  /** The player is here and yours. `reason`: new, failover, edge-moved, transfer; plain without an edge. */
  onAttach(_player: Player<Data>, _reason: string): void {}
  /** The player says something: text is a string, binary a Buffer. */
  onMessage(_player: Player<Data>, _message: string | Buffer): void {}
  /** The player is gone from here. `reason`: transferred, closed, timeout, kicked, drained, superseded, orphaned. */
  onDetach(_player: Player<Data>, _reason: string, _code?: number): void {}
  /** The player is about to be handed over: the last moment to send. `save` comes next. */
  onFreeze(_player: Player<Data>): void {}
  /** A player may come soon: a time to load what lies around `position`. Without a notice: it came to nothing. */
  onPreload(_notice: Notice | undefined, _transfer: string): void {}
  /** A move of the player is planned. A checkpoint is sent by itself. */
  onLeaving(_player: Player<Data>, _reason: string, _expectedInMs: number): void {}
  /** The player's connection is away and may come back; you still act for the player. */
  onAway(_player: Player<Data>): void {}
  /** It is back; with `resync` the client missed something and needs the whole picture. */
  onBack(_player: Player<Data>, _resync: boolean): void {}
  /** This server is being emptied. Return `{waitMs, reason}` to ask for time. */
  onDrain(_deadlineMs: number): DrainAnswer | void {}
  /** Another server sent something, to this server, one of its players, or its region. */
  onServerMessage(_from: string, _body: string, _to: Addressee): void {}
  /** A message of `sendToServer` reached nobody. */
  onUndeliverable(_id: string, _reason: string): void {}
  /** A hook threw. The player stays; what the message did until then stays done. */
  onError(error: unknown, player: Player<Data> | undefined): void {
    console.error(player ? `player ${player.id ?? player.session}:` : "server:", error);
  }
  /** How busy the server is, told to the edge every two seconds. */
  loadReport(): Partial<LoadReport> {
    return {};
  }

  // What your game may do.

  /** The players that you may act for at this moment. */
  get players(): Player<Data>[] {
    const linked = [...this.#fence.all()].flatMap((session) => (session.holding?.player.active ? [session.holding.player] : []));
    return [...linked, ...[...this.#plain.values()].filter((player) => player.active)];
  }

  /** Sends text to another server, to the server that has a session, or to that of a region. False: no edge is near. */
  sendToServer(id: string, to: Addressee, body: string): boolean {
    if (Buffer.byteLength(id) > 128) throw new RangeError("an id has 128 bytes at most");
    if (Buffer.byteLength(body) > 32_768) throw new RangeError("a message to a server has 32,768 bytes at most");
    const [control] = this.#controls;
    control?.say({ type: "send", id, to, body });
    return control !== undefined;
  }

  /** Says to the edges that players may be taken away now, after `onDrain` asked for time. */
  readyToDrain(): void {
    for (const control of this.#controls) control.say({ type: "draining" });
  }

  /** Starts to listen; returns where. */
  async listen(): Promise<AddressInfo> {
    const { host, port, linkToken } = this.#options;
    const address = isIP(host) ? host : (await lookup(host)).address;
    if (!linkToken && !isLoopback(address)) {
      throw new Error(`${host} is reachable from elsewhere: give the server the edge's link token, or listen on 127.0.0.1`);
    }
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(port, address, resolve);
    });
    let told = this.#options.clock();
    this.#timer = setInterval(() => {
      const now = this.#options.clock();
      this.#sweep(now);
      if (now - told < LOAD_MS) return;
      told = now;
      for (const control of this.#controls) control.tellLoad(this.#count(), this.loadReport());
    }, SWEEP_MS);
    this.#timer.unref();
    return this.#http.address() as AddressInfo;
  }

  /** Stops: every connection is closed with 1012, and nothing new is taken. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const gone = new Promise((resolve) => this.#http.close(resolve));
    for (const link of this.#links) link.close(1012, "the server stops");
    const sockets: WebSocket[] = [...this.#sockets.link.clients, ...this.#sockets.plain.clients];
    for (const socket of sockets) socket.close(1012, "the server stops");
    const patience = setTimeout(() => sockets.forEach((socket) => socket.terminate()), CLOSE_MS);
    await gone;
    clearTimeout(patience);
  }

  // Inside.

  readonly #host: Host<Data> = ((server: GameServer<Data>): Host<Data> => ({
    get fence() { return server.#fence; },
    get checkpointMs() { return server.#options.checkpointMs; },
    get queueBytesMax() { return server.#options.queueBytesMax; },
    get hooks() { return server; },
    now: () => server.#options.clock(),
    hasPlace: () => server.#count() < (server.#options.capacity ?? Infinity),
    call: (player, hook) => server.#call(player, hook),
  }))(this);

  #call<T>(player: Player<Data> | undefined, hook: () => T): { value: T } | undefined {
    try {
      const value = hook();
      if (value instanceof Promise) {
        value.catch((error: unknown) => this.onError(error, player));
        throw new TypeError("a hook of the game server is async: its effect would come after the message was counted");
      }
      return { value };
    } catch (error) {
      this.onError(error, player);
      return undefined;
    }
  }

  #count(): number {
    let count = this.#plain.size;
    for (const session of this.#fence.all()) if (session.holding) count += 1;
    return count;
  }

  #sweep(now: number): void {
    for (const { holding } of this.#fence.expire(now)) {
      if (holding?.entered) this.#call(holding.player, () => this.onDetach(holding.player, "orphaned"));
    }
    for (const link of this.#links) link.tick(now);
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.on("error", () => {}); // until the library has it: a client that goes away is no news
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((protocol) => protocol.trim());
    const kind = request.headers["atlas-link"];
    if (kind === undefined || !offered.includes(LINK)) {
      if (!this.#options.plainPlayers) return refuse(stream, 403);
      if (!this.#host.hasPlace()) return refuse(stream, 503);
      this.#sockets.plain.handleUpgrade(request, stream, head, (socket) => this.#join(socket, request));
      return;
    }
    if (this.#options.linkToken && !sameSecret(request.headers.authorization, `Bearer ${this.#options.linkToken}`)) {
      return refuse(stream, 401);
    }
    const session = String(request.headers["atlas-session"] ?? "").toLowerCase();
    if (kind !== "control" && !(kind === "session" && session)) return refuse(stream, 400);
    this.#sockets.link.handleUpgrade(request, stream, head, (socket) => {
      if (kind === "control") {
        const control = new ControlLink(socket, {
          onDrain: (deadlineMs) => this.#call(undefined, () => this.onDrain(deadlineMs))?.value,
          onServerMessage: (from, body, to) => this.#call(undefined, () => this.onServerMessage(from, body, to)),
          onUndeliverable: (id, reason) => this.#call(undefined, () => this.onUndeliverable(id, reason)),
        });
        this.#controls.add(control);
        socket.on("close", () => this.#controls.delete(control));
        control.tellLoad(this.#count(), this.loadReport());
      } else {
        const link = new SessionLink(this.#host, socket, stream, session, decoded(request.headers["atlas-player"]));
        this.#links.add(link);
        socket.on("close", () => this.#links.delete(link));
      }
    });
  }

  /** A player who comes without an edge. */
  #join(socket: WebSocket, request: IncomingMessage): void {
    const wire = new PlainWire(socket, this.#options.queueBytesMax);
    const player = new Player<Data>(randomUUID(), request.socket.remoteAddress ?? "", wire);
    let refusal: string | undefined;
    const loaded = this.#call(player, () => {
      player.data = this.load(undefined, player);
      refusal = this.admit(player) ?? undefined;
    });
    if (!loaded || refusal !== undefined) return socket.close(1013, refusal?.slice(0, 40));
    this.#plain.set(player.session, player);
    socket.on("message", (message, isBinary) => {
      if (wire.active) this.#call(player, () => this.onMessage(player, isBinary ? (message as Buffer) : message.toString()));
    });
    socket.on("error", () => {});
    socket.on("close", (code) => {
      this.#plain.delete(player.session);
      this.#call(player, () => this.onDetach(player, wire.kicked ? "kicked" : code === 1006 ? "timeout" : "closed", code));
    });
    this.#call(player, () => this.onAttach(player, "plain"));
  }
}

function refuse(stream: Duplex, status: number): void {
  stream.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127.");
}

/** Compares in a time that tells nothing about where they differ. */
function sameSecret(given: string | undefined, right: string): boolean {
  const [a, b] = [Buffer.from(given ?? ""), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** An `Atlas-*` header: text in which everything unusual is written `%XX`. */
function decoded(header: string | string[] | undefined): string | undefined {
  try {
    return typeof header === "string" ? decodeURIComponent(header) : undefined;
  } catch {
    return undefined;
  }
}
