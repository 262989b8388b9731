// What a game says to the server that it extends. (Apart, so that no type of the WebSocket library is in the public ones.)

import type { Addressee, Vector } from "./messages.js";
import type { Player } from "./player.js";

/** How busy a server is; `cpu` and `memory` are shares of what it may use, 0 to 1. */
export interface LoadReport {
  sessions: number;
  cpu: number;
  memory: number;
  /** How long a step of the simulation takes, in milliseconds. */
  tick_ms: number;
}

/** Asks for time before players are taken away. */
export interface DrainAnswer {
  waitMs: number;
  reason: string;
}

/** A player who may come soon. */
export interface Notice {
  session: string;
  /** The player's own id, where the edge knows it. */
  id: string | undefined;
  position: Vector;
  velocity: Vector;
  arrivesInMs: number;
}

/** The hooks of a game, see `GameServer`. */
export interface Hooks<Data> {
  load(state: Buffer | undefined, player: Player<Data>): Data;
  save(player: Player<Data>): Uint8Array | string;
  admit(player: Player<Data>): string | void;
  onAttach(player: Player<Data>, reason: string): void;
  onMessage(player: Player<Data>, message: string | Buffer): void;
  onDetach(player: Player<Data>, reason: string, code?: number): void;
  onFreeze(player: Player<Data>): void;
  onPreload(notice: Notice | undefined, transfer: string): void;
  onLeaving(player: Player<Data>, reason: string, expectedInMs: number): void;
  onAway(player: Player<Data>): void;
  onBack(player: Player<Data>, resync: boolean): void;
  onDrain(deadlineMs: number): DrainAnswer | void;
  onServerMessage(from: string, body: string, to: Addressee): void;
  onUndeliverable(id: string, reason: string): void;
}
