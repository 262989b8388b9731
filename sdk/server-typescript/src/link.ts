// A session link: one WebSocket of an edge that serves one session, and how each message on it is carried out.

import { randomUUID } from "node:crypto";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Fence, Fenced, Session } from "./fence.js";
import { ProtocolError, StateJoiner, STATE_BYTES_MAX, controlFrame, parseFrame, splitState, tagged, textOf } from "./frame.js";
import { readSessionMessage, type Destination, type FromEdge, type StateField, type Vector } from "./messages.js";
import type { Hooks } from "./hooks.js";
import { Player, type MoveResult, type Wire } from "./player.js";

/** What this server keeps with a session that it holds. */
export interface Holding<Data> {
  player: Player<Data>;
  /** Data messages of the link since `attach` or `commit`. */
  received: number;
  sent: number;
  /** Whether `onAttach` was called and `onDetach` not yet. */
  entered: boolean;
  /** What the last attach, adopt, freeze or commit was answered with. */
  answer: Buffer[];
  checkpointDueAt: number;
  checkpointed: string;
}

/** Everything a link needs of its server. */
export interface Host<Data> {
  readonly fence: Fence<SessionLink<Data>, Holding<Data>>;
  readonly checkpointMs: number;
  readonly queueBytesMax: number;
  now(): number;
  hasPlace(): boolean;
  call<T>(player: Player<Data> | undefined, hook: () => T): { value: T } | undefined;
  hooks: Hooks<Data>;
}

const HELD_BYTES_MAX = 4 * 1024 * 1024;

export class SessionLink<Data> implements Wire {
  readonly #joiner = new StateJoiner();
  readonly #moves = new Map<string, (result: MoveResult) => void>();
  #heardAt: number;
  #preload: string | undefined;
  #closed = false;
  #inMessage = false;
  #checkpointAsked = false;
  /** After silence longer than the lease: what came since, until a pong proves that the edge is there now. */
  #doubt: { nonce: string; messages: [Buffer, boolean][]; bytes: number } | undefined;

  constructor(
    readonly host: Host<Data>,
    readonly socket: WebSocket,
    stream: Duplex,
    readonly session: string,
    readonly playerId: string | undefined,
  ) {
    this.#heardAt = host.now();
    // In front of the library's own listener: the time of the bytes, before what is in them.
    stream.prependListener("data", () => this.#heard());
    socket.on("message", (message, isBinary) => this.#message(message as Buffer, isBinary));
    socket.on("pong", (data) => this.#pong(data.toString()));
    socket.on("error", () => {}); // `close` follows and is what counts
    socket.on("close", () => this.#lost());
  }

  // What the game does, by way of its player.

  get active(): boolean {
    return this.#mine()?.role === "authority" && !this.#doubt && !this.#silent();
  }

  get queuedBytes(): number {
    return this.socket.bufferedAmount;
  }

  send(message: string | Uint8Array): void {
    const holding = this.#mine()?.holding;
    if (!holding) return;
    holding.sent += 1;
    this.#write(tagged(message));
    // Nobody reads any more: better a lost link than a full memory.
    if (this.socket.bufferedAmount > this.host.queueBytesMax) this.close(1009, "queue full");
  }

  kick(code: number, reason: string): void {
    this.#say("kick", { code, reason });
  }

  moveTo(to: Destination, reason: string): Promise<MoveResult> {
    if (!this.active) return Promise.resolve({ outcome: "refused", reason: "not the authority" });
    const id = randomUUID();
    return new Promise((resolve) => {
      this.#moves.set(id, resolve);
      this.#say("transfer-request", { id, to, reason });
    });
  }

  reportPosition(position: Vector, velocity?: Vector): void {
    this.#say("position", velocity ? { position, velocity } : { position });
  }

  /** Sends the player's state, once the message in hand has had all of its effect. */
  checkpoint(): void {
    const session = this.#mine();
    if (!session?.holding || !this.active) return;
    if (this.#inMessage) {
      this.#checkpointAsked = true;
      return;
    }
    const holding = session.holding;
    holding.checkpointDueAt = this.host.now() + this.host.checkpointMs;
    const state = this.#save(holding.player);
    if (!state) return;
    holding.checkpointed = `${holding.received} ${holding.sent}`;
    const { field, parts } = splitState(state, randomUUID());
    for (const part of parts) this.#write(part);
    this.#say("checkpoint", { ...field, received: holding.received, sent: holding.sent });
  }

  /** Checkpoints if it is time and something came or went since the last. */
  tick(now: number): void {
    const holding = this.#mine()?.holding;
    if (holding && now >= holding.checkpointDueAt && holding.checkpointed !== `${holding.received} ${holding.sent}`) {
      this.checkpoint();
    }
  }

  /** Closes the link; from now on it counts as lost. */
  close(code: number, reason: string): void {
    this.socket.close(code, reason);
    this.#lost();
  }

  // What the edge sends.

  #heard(): void {
    if (this.#silent()) this.#ask();
    this.#heardAt = this.host.now();
  }

  /**
   * Whether the lease ran out: an authority that has heard nothing for so long does not act, and an abort or a commit
   * that would make one of a frozen or an adopted session may be as old as the silence.
   */
  #silent(): boolean {
    const session = this.#mine();
    return session !== undefined && session.role !== "gone" && this.host.now() - this.#heardAt > session.leaseMs;
  }

  /** What lies in the buffers after a long silence may be as old as the silence. Only an answer to a question asked now is new. */
  #ask(): void {
    const nonce = randomUUID();
    this.#doubt = { nonce, messages: this.#doubt?.messages ?? [], bytes: this.#doubt?.bytes ?? 0 };
    this.socket.ping(nonce);
  }

  #pong(nonce: string): void {
    if (this.#doubt?.nonce !== nonce) return;
    const { messages } = this.#doubt;
    this.#doubt = undefined;
    for (const [message, isBinary] of messages) this.#message(message, isBinary);
  }

  #message(message: Buffer, isBinary: boolean): void {
    if (this.#closed) return;
    if (!this.#doubt && this.#silent()) this.#ask(); // stopped between two messages of one read
    if (this.#doubt) {
      this.#doubt.messages.push([message, isBinary]);
      this.#doubt.bytes += message.length;
      if (this.#doubt.bytes > HELD_BYTES_MAX) this.close(1009, "too much held");
      return;
    }
    try {
      const frame = parseFrame(message, isBinary);
      if (frame.kind === "control") this.#control(frame.bytes);
      else if (frame.kind === "part") this.#joiner.add(frame);
      else this.#data(frame.kind === "text" ? textOf(frame.bytes) : frame.bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(error.code, error.message.slice(0, 120));
    }
  }

  #data(message: string | Buffer | undefined): void {
    const session = this.#mine();
    if (session?.role !== "authority" || !session.holding) return;
    const { player } = session.holding;
    session.holding.received += 1;
    if (message === undefined) {
      player.kick(1007, "text that is not UTF-8");
      return;
    }
    this.#inMessage = true;
    this.host.call(player, () => this.host.hooks.onMessage(player, message));
    this.#inMessage = false;
    if (this.#checkpointAsked) {
      this.#checkpointAsked = false;
      this.checkpoint();
    }
  }

  #control(bytes: Buffer): void {
    const message = readSessionMessage(bytes);
    if (message.type === "unsupported") return;
    if (message.type === "unknown") {
      this.#write(controlFrame({ type: "unsupported", unsupported: message.name }));
      return;
    }
    if (message.session !== this.session) throw new ProtocolError(1002, `${message.type}: session: not this link's`);
    const holding = this.#mine()?.holding;
    const { hooks } = this.host;
    switch (message.type) {
      case "ping":
        this.#answer({ type: "pong", session: this.session, epoch: message.epoch, at: message.at });
        return;
      case "preload": {
        this.#preload = message.transfer;
        const { session, player: id, position, velocity, arrivesInMs } = message;
        this.host.call(undefined, () => hooks.onPreload({ session, id, position, velocity, arrivesInMs }, message.transfer));
        this.#answer({ type: "preloaded", session: this.session, epoch: message.epoch, transfer: message.transfer });
        return;
      }
      case "leaving":
        if (!holding) return;
        this.host.call(holding.player, () => hooks.onLeaving(holding.player, message.reason, message.expectedInMs));
        this.checkpoint();
        return;
      case "suspended":
        if (holding) this.host.call(holding.player, () => hooks.onAway(holding.player));
        return;
      case "resumed":
        if (holding) this.host.call(holding.player, () => hooks.onBack(holding.player, message.resync));
        return;
      case "transfer-result":
        this.#moves.get(message.id)?.(message.reason === undefined ? { outcome: message.outcome } : { outcome: message.outcome, reason: message.reason });
        this.#moves.delete(message.id);
        return;
      case "abort":
        if (message.transfer === this.#preload) {
          this.#preload = undefined;
          this.host.call(undefined, () => hooks.onPreload(undefined, message.transfer));
        }
    }
    this.#fenced(message);
  }

  /** The messages that the rules judge. */
  #fenced(message: Extract<FromEdge, Fenced>): void {
    // Parts are used up by the message that names them, whatever becomes of it.
    const state = "state" in message && message.state ? this.#stateOf(message.state) : undefined;
    const known = this.host.fence.get(this.session);
    const verdict = this.host.fence.judge(this, message);
    if (verdict.do === "ignore") return;
    if (verdict.do === "refuse") return this.#refuse(message, verdict.reason, verdict.newest);
    if (verdict.do === "repeat") {
      for (const frame of known?.holding?.answer ?? []) this.#write(frame);
      return;
    }
    switch (message.type) {
      case "attach":
      case "adopt":
        return this.#take(message, state);
      case "freeze":
        return this.#freeze(message);
      case "commit": {
        const { session } = this.host.fence.accept(this, message, this.host.now());
        this.#begin(session, "transfer", { type: "committed", transfer: message.transfer }, message.epoch);
        if (message.client === "away") this.host.call(session.holding!.player, () => this.host.hooks.onAway(session.holding!.player));
        return;
      }
      case "abort": {
        const { session } = this.host.fence.accept(this, message, this.host.now());
        if (session.role === "gone") this.#forget(session, "aborted");
        return;
      }
      case "detach": {
        const { session } = this.host.fence.accept(this, message, this.host.now());
        this.#forget(session, message.reason, message.code);
      }
    }
  }

  /** `attach` and `adopt`: the game loads the player first; only if it can is the session taken. */
  #take(message: Extract<FromEdge, { type: "attach" | "adopt" }>, state: Buffer | undefined): void {
    const { fence, hooks } = this.host;
    const old = fence.get(this.session)?.holding;
    const goesOn = message.type === "attach" && !state && old !== undefined;
    const address = message.type === "attach" ? message.address : (old?.player.address ?? "");
    const player = goesOn ? old.player : new Player<Data>(this.session, address, this);
    if (!goesOn) {
      player.id = message.player ?? old?.player.id ?? this.playerId;
      player.position = message.position ?? old?.player.position;
      if (!old && !this.host.hasPlace()) return this.#refuse(message, "full");
      let refusal: string | undefined;
      const loaded = this.host.call(player, () => {
        player.data = hooks.load(state, player);
        refusal = hooks.admit(player) ?? undefined;
      });
      if (!loaded || refusal !== undefined) return this.#refuse(message, refusal ?? "the state could not be loaded");
    }
    const { session, superseded } = fence.accept(this, message, this.host.now(), message);
    if (superseded) superseded.close(1000, "superseded");
    if (!goesOn && old?.entered) this.host.call(old.player, () => hooks.onDetach(old.player, "superseded"));
    player.wire = this;
    session.holding = {
      player, received: 0, sent: 0, entered: goesOn && old.entered, answer: [], checkpointDueAt: Infinity, checkpointed: "",
    };
    if (message.type === "attach") {
      this.#begin(session, message.reason, { type: "attached", has_state: state !== undefined || goesOn }, message.epoch);
    } else {
      session.holding.answer = [this.#frame("adopted", message.epoch, { transfer: message.transfer })];
      for (const frame of session.holding.answer) this.#write(frame);
    }
  }

  /** The player is ours: the answer, then whatever the game has to say, then a first checkpoint. */
  #begin(session: Session<SessionLink<Data>, Holding<Data>>, reason: string, answer: { type: string; [field: string]: unknown }, epoch: number): void {
    const holding = session.holding!;
    const { type, ...fields } = answer;
    holding.received = 0;
    holding.sent = 0;
    holding.answer = [this.#frame(type, epoch, fields)];
    for (const frame of holding.answer) this.#write(frame);
    if (!holding.entered) {
      holding.entered = true;
      this.host.call(holding.player, () => this.host.hooks.onAttach(holding.player, reason));
    }
    this.checkpoint();
  }

  #freeze(message: Extract<FromEdge, { type: "freeze" | "abort" }>): void {
    const session = this.#mine()!;
    const holding = session.holding!;
    if (session.role === "authority") {
      this.host.call(holding.player, () => this.host.hooks.onFreeze(holding.player));
      const state = this.#save(holding.player);
      if (!state) return this.#refuse(message, "the state could not be saved");
      const { field, parts } = splitState(state, message.transfer);
      const counts = { received: holding.received, sent: holding.sent };
      holding.answer = [...parts, this.#frame("frozen", message.epoch, { transfer: message.transfer, ...field, ...counts })];
    } else {
      // Frozen already, for an attempt that is over: the state is the same, the names are new.
      const last = JSON.parse(holding.answer.at(-1)!.toString("utf8", 1));
      holding.answer.splice(-1, 1, controlFrame({ ...last, epoch: message.epoch, transfer: message.transfer }));
    }
    this.host.fence.accept(this, message, this.host.now());
    for (const frame of holding.answer) this.#write(frame);
  }

  #forget(session: Session<SessionLink<Data>, Holding<Data>>, reason: string, code?: number): void {
    const holding = session.holding;
    session.holding = undefined;
    this.#endMoves();
    if (holding?.entered) this.host.call(holding.player, () => this.host.hooks.onDetach(holding.player, reason, code));
  }

  #lost(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#doubt = undefined;
    this.host.fence.lost(this, this.session, this.host.now());
    this.#endMoves();
  }

  #endMoves(): void {
    for (const resolve of this.#moves.values()) resolve({ outcome: "failed", reason: "the link ended" });
    this.#moves.clear();
  }

  // Writing.

  #mine(): Session<SessionLink<Data>, Holding<Data>> | undefined {
    return this.#closed ? undefined : this.host.fence.heldBy(this, this.session);
  }

  #save(player: Player<Data>): Buffer | undefined {
    return this.host.call(player, () => {
      const saved = this.host.hooks.save(player);
      const state = typeof saved === "string" ? Buffer.from(saved, "utf8") : Buffer.from(saved);
      if (state.length > STATE_BYTES_MAX) throw new RangeError(`a state of ${state.length} bytes; ${STATE_BYTES_MAX} at most`);
      return state;
    })?.value;
  }

  #stateOf(field: StateField): Buffer {
    return "bytes" in field ? field.bytes : this.#joiner.take(field.id);
  }

  #refuse(message: Fenced, reason: string, newest?: number): void {
    const transfer = message.transfer === undefined ? {} : { transfer: message.transfer };
    this.#write(this.#frame("refused", message.epoch, { ...transfer, reason, ...(newest === undefined ? {} : { newest }) }));
  }

  /** What the server says by itself, under the epoch in which it acts. */
  #say(type: string, fields: object): void {
    const session = this.#mine();
    if (session) this.#write(this.#frame(type, session.acting, fields));
  }

  #frame(type: string, epoch: number, fields: object): Buffer {
    return controlFrame({ type, session: this.session, epoch, ...fields });
  }

  #answer(message: object): void {
    this.#write(controlFrame(message));
  }

  #write(frame: Buffer): void {
    if (!this.#closed) this.socket.send(frame, { binary: true }, () => {});
  }
}
