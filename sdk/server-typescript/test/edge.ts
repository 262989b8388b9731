// For tests: a game server that notes what its hooks are told, and an edge's side of one link.

import assert from "node:assert/strict";
import { WebSocket } from "ws";
import { GameServer, type DrainAnswer, type LoadReport, type Options, type Player } from "@atlas/server";

export const SESSION = "67e55044-10b1-426f-9247-bb680e5fe0c8";
export const TRANSFER = "0b5f6f3c-2f6e-4b57-8a3e-1d2c3b4a5968";
export const WINDOWS = { lease_ms: 5000, orphan_window_ms: 60000 };

/** Echoes what players say, unless it begins with "!". Its time stands still until told. */
export class TestServer extends GameServer<string> {
  readonly seen: string[] = [];
  refusal: string | undefined;
  wait: DrainAnswer | undefined;
  report: Partial<LoadReport> = {};
  saved: string | undefined;
  readonly time: { now: number };
  url = "";

  constructor(options: Options & { saved?: string }) {
    const time = { now: 1000 };
    super({ clock: () => time.now, ...options });
    this.time = time;
    this.saved = options.saved;
  }

  static async start(options: Options & { saved?: string }): Promise<TestServer> {
    const server = new TestServer(options);
    const { port } = await server.listen();
    server.url = `ws://127.0.0.1:${port}/`;
    return server;
  }

  override load(state: Buffer | undefined, player: Player<string>): string {
    this.seen.push(`load ${state ?? "nothing"} for ${player.id}`);
    if (state?.toString() === "broken") throw new Error("broken");
    return state?.toString() ?? "fresh";
  }
  override save(player: Player<string>): string {
    return this.saved ?? player.data;
  }
  override admit(): string | undefined {
    return this.refusal;
  }
  override onAttach(_: Player<string>, reason: string): void {
    this.seen.push(`attach ${reason}`);
  }
  override onMessage(player: Player<string>, message: string | Buffer): void {
    this.seen.push(`message ${message.toString()}`);
    if (message === "throw") throw new Error("thrown");
    if (message === "checkpoint") {
      player.checkpoint();
      player.data = "after";
    }
    player.send(message);
  }
  override onDetach(_: Player<string>, reason: string, code?: number): void {
    this.seen.push(`detach ${reason}${code ? ` ${code}` : ""}`);
  }
  override onFreeze(player: Player<string>): void {
    this.seen.push("freeze");
    player.send("last words");
  }
  override onDrain(): DrainAnswer | undefined {
    return this.wait;
  }
  override onServerMessage(from: string, body: string): void {
    this.seen.push(`from ${from}: ${body}`);
  }
  override onUndeliverable(id: string, reason: string): void {
    this.seen.push(`undeliverable ${id}: ${reason}`);
  }
  override onError(error: unknown): void {
    this.seen.push(`error ${(error as Error).message}`);
  }
  override loadReport(): Partial<LoadReport> {
    return this.report;
  }
}

type Control = { type: string; [field: string]: unknown };

/** An edge's side of one link. Every wait ends after five seconds. */
export class Edge {
  readonly #inbox: (Control | { data: string | Buffer })[] = [];
  #wake: (() => void) | undefined;
  #end: { code: number; reason: string } | undefined;

  private constructor(
    readonly socket: WebSocket,
    readonly session: string | undefined,
  ) {
    socket.on("message", (message: Buffer, isBinary) => {
      assert.ok(isBinary, "a server sends binary messages only");
      const rest = message.subarray(1);
      if (message[0] === 2) this.#inbox.push(JSON.parse(rest.toString()) as Control);
      else if (message[0] === 0) this.#inbox.push({ data: rest.toString() });
      else this.#inbox.push({ data: Buffer.from(message) });
      this.#wake?.();
    });
    socket.on("close", (code, reason) => {
      this.#end = { code, reason: reason.toString() };
      this.#wake?.();
    });
  }

  static async dial(server: { url: string }, with_: { session?: string; kind?: string; headers?: Record<string, string>; autoPong?: boolean } = {}): Promise<Edge> {
    const { session = SESSION, kind = "session" } = with_;
    const headers = { "Atlas-Link": kind, "Atlas-World": "main", "Atlas-Node": "n1", ...(kind === "session" ? { "Atlas-Session": session } : {}), ...with_.headers };
    const socket = new WebSocket(server.url, ["atlas.link.v1", "game"], { headers, perMessageDeflate: false, autoPong: with_.autoPong ?? true });
    const answered = new Promise<Record<string, unknown>>((resolve) => socket.on("upgrade", (response) => resolve(response.headers)));
    const edge = new Edge(socket, kind === "session" ? session : undefined);
    await new Promise<void>((resolve, reject) => socket.on("open", resolve).on("error", reject));
    assert.equal((await answered)["atlas-link"], "v1");
    assert.equal(socket.protocol, "atlas.link.v1");
    return edge;
  }

  send(message: object): void {
    const full = this.session === undefined ? message : { session: this.session, ...message };
    this.socket.send(Buffer.from("\u0002" + JSON.stringify(full)));
  }

  data(message: string): void {
    this.socket.send(Buffer.from("\u0000" + message));
  }

  /** Sends, and returns the next control message. */
  async ask(message: object): Promise<Control> {
    this.send(message);
    for (;;) {
      const next = await this.#next();
      if ("type" in next && next.type !== "checkpoint") return next;
    }
  }

  /** The next control message of that type; what comes before it is dropped. */
  async control(type: string): Promise<Control> {
    for (;;) {
      const next = await this.#next();
      if ("type" in next && next.type === type) return next;
    }
  }

  /** The next text of the game; control messages before it are dropped. */
  async text(): Promise<string> {
    for (;;) {
      const next = await this.#next();
      if (!("type" in next)) return next.data.toString();
    }
  }

  /** All that came until the answer to a ping. */
  async sofar(epoch: number): Promise<string[]> {
    this.send({ type: "ping", epoch, at: 42 });
    const all: string[] = [];
    for (;;) {
      const next = await this.#next();
      if ("type" in next && next.type === "pong") return all;
      all.push("type" in next ? next.type : next.data.toString());
    }
  }

  async closed(): Promise<{ code: number; reason: string }> {
    while (!this.#end) await this.#something();
    return this.#end;
  }

  async #next(): Promise<Control | { data: string | Buffer }> {
    while (this.#inbox.length === 0) {
      assert.ok(!this.#end, `the link was closed: ${JSON.stringify(this.#end)}`);
      await this.#something();
    }
    return this.#inbox.shift()!;
  }

  #something(): Promise<void> {
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error("nothing came in five seconds")), 5000);
      this.#wake = () => {
        clearTimeout(deadline);
        resolve();
      };
    });
  }
}

/** Waits until it is so; five seconds at most. */
export async function eventually(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `not within five seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
