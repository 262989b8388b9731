// A player as the game sees one, however it came here.

import type { Destination, Vector } from "./messages.js";

/** How a request to move a player ended. */
export interface MoveResult {
  outcome: "done" | "refused" | "superseded" | "failed";
  reason?: string;
}

/** What carries a player: a link of an edge, or the player's own connection. */
export interface Wire {
  readonly active: boolean;
  readonly queuedBytes: number;
  send(message: string | Uint8Array): void;
  kick(code: number, reason: string): void;
  moveTo(to: Destination, reason: string): Promise<MoveResult>;
  reportPosition(position: Vector, velocity?: Vector): void;
  checkpoint(): void;
}

export class Player<Data = unknown> {
  /** Yours: what `load` made of the player's state. */
  data!: Data;
  /** The player's own id, where the edge knows it. */
  id: string | undefined;
  /** Where the player was last, as far as the edge told; update it yourself from then on. */
  position: Vector | undefined;

  /** @internal */
  constructor(
    /** The session's UUID; the same on every server that the player comes to. */
    readonly session: string,
    /** The player's IP address. */
    readonly address: string,
    /** @internal */
    public wire: Wire,
  ) {}

  /**
   * Whether you may act for the player now: apply input, change the world in its name, send. False while it is being
   * handed over, and when the edge was not heard for too long. Ask before each effect that `onMessage` did not cause.
   */
  get active(): boolean {
    return this.wire.active;
  }

  /** Bytes that wait to be written to the player. */
  get queuedBytes(): number {
    return this.wire.queuedBytes;
  }

  /** Sends a text (string) or binary message. Does nothing, and says false, while you may not act for the player. */
  send(message: string | Uint8Array): boolean {
    if (!this.active) return false;
    this.wire.send(message);
    return true;
  }

  /** Closes the player's connection with this code and reason. Says false while you may not act for the player. */
  kick(code: number, reason: string): boolean {
    const allowed = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
    if (!allowed) throw new RangeError(`${code} is no close code for a client`);
    if (!this.active) return false;
    this.wire.kick(code, cut(reason, 123));
    return true;
  }

  /** Asks the edge to move the player: to a server, a region, or the server of a place. */
  moveTo(to: Destination, reason: string): Promise<MoveResult> {
    return this.wire.moveTo(to, reason);
  }

  /** Tells the edge where the player really is; ten times a second are plenty. */
  reportPosition(position: Vector, velocity?: Vector): void {
    this.position = position;
    if (this.active) this.wire.reportPosition(position, velocity);
  }

  /** Hands the edge the player's state now, after something dear happened. It is done every few seconds anyway. */
  checkpoint(): void {
    if (this.active) this.wire.checkpoint();
  }
}

/** Cuts a text to so many bytes of UTF-8, between characters. */
function cut(text: string, bytesMax: number): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > bytesMax) break;
    end += character.length;
  }
  return text.slice(0, end);
}
