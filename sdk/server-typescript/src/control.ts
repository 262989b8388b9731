// The control link: one WebSocket of each edge node, for the server as a whole.

import { memoryUsage } from "node:process";
import { totalmem } from "node:os";
import type { WebSocket } from "ws";
import { ProtocolError, controlFrame, parseFrame } from "./frame.js";
import type { DrainAnswer, LoadReport } from "./hooks.js";
import { readControlMessage, type Addressee } from "./messages.js";

export interface ControlHooks {
  onDrain(deadlineMs: number): DrainAnswer | void;
  onServerMessage(from: string, body: string, to: Addressee): void;
  onUndeliverable(id: string, reason: string): void;
}

export class ControlLink {
  #cpuBefore = process.cpuUsage();
  #toldAt = performance.now();

  constructor(
    readonly socket: WebSocket,
    readonly hooks: ControlHooks,
  ) {
    socket.on("error", () => {});
    socket.on("message", (message, isBinary) => {
      try {
        this.#message(message as Buffer, isBinary);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        socket.close(error.code, error.message.slice(0, 120));
      }
    });
  }

  say(message: object): void {
    this.socket.send(controlFrame(message), { binary: true }, () => {});
  }

  /** Tells the load: what the game reports, and what can be seen from outside for the rest. */
  tellLoad(sessions: number, report: Partial<LoadReport>): void {
    const now = performance.now();
    const used = process.cpuUsage(this.#cpuBefore);
    const cpu = (used.user + used.system) / 1_000 / Math.max(now - this.#toldAt, 1);
    this.#cpuBefore = process.cpuUsage();
    this.#toldAt = now;
    const memory = memoryUsage.rss() / totalmem();
    // One thread runs the game, so one core is all it may use.
    this.say({ type: "load", sessions, cpu: Math.min(cpu, 1), memory: Math.min(memory, 1), ...report });
  }

  #message(bytes: Buffer, isBinary: boolean): void {
    const frame = parseFrame(bytes, isBinary);
    if (frame.kind !== "control") throw new ProtocolError(1002, "only control messages on a control link");
    const message = readControlMessage(frame.bytes);
    switch (message.type) {
      case "ping":
        return this.say({ type: "pong", at: message.at });
      case "drain": {
        const answer = this.hooks.onDrain(message.deadlineMs);
        return this.say(answer ? { type: "wait", ms: Math.round(answer.waitMs), reason: answer.reason } : { type: "draining" });
      }
      case "received":
        return this.hooks.onServerMessage(message.from.server, message.body, message.to);
      case "undeliverable":
        return this.hooks.onUndeliverable(message.id, message.reason);
      case "unknown":
        return this.say({ type: "unsupported", unsupported: message.name });
    }
  }
}
