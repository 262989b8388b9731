// A player's own connection, without an edge: everything works but what needs one.

import type { WebSocket } from "ws";
import type { MoveResult, Wire } from "./player.js";

export class PlainWire implements Wire {
  kicked = false;

  constructor(
    readonly socket: WebSocket,
    readonly queueBytesMax: number,
  ) {}

  get active(): boolean {
    return this.socket.readyState === this.socket.OPEN;
  }

  get queuedBytes(): number {
    return this.socket.bufferedAmount;
  }

  send(message: string | Uint8Array): void {
    this.socket.send(message, () => {});
    if (this.socket.bufferedAmount > this.queueBytesMax) this.socket.terminate();
  }

  kick(code: number, reason: string): void {
    this.kicked = true;
    this.socket.close(code, reason);
  }

  moveTo(): Promise<MoveResult> {
    return Promise.resolve({ outcome: "refused", reason: "the player came without an edge" });
  }

  reportPosition(): void {}

  checkpoint(): void {}
}
