export { GameServer, type Options } from "./server.js";
export { Player, type MoveResult } from "./player.js";
export type { Addressee, Destination, Vector } from "./messages.js";
export type { DrainAnswer, LoadReport, Notice } from "./hooks.js";
