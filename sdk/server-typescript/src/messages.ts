// The control messages that an edge sends, checked field by field; the types of those that a server sends.

import { ProtocolError, textOf } from "./frame.js";

export interface Vector {
  x: number;
  y: number;
  z: number;
}

/** Whom a message or a request is meant for, as the edge's configuration names them. */
export type Destination = { server: string } | { region: string } | { position: Vector };
export type Addressee = { server: string } | { session: string } | { region: string };

/** A state as it came: the bytes themselves, or the id of the parts before. */
export type StateField = { bytes: Buffer } | { id: string };

interface OfSession {
  session: string;
  epoch: number;
}

export type FromEdge = OfSession &
  (
    | { type: "attach"; reason: string; player?: string; address: string; position?: Vector; state?: StateField; leaseMs: number; orphanWindowMs: number }
    | { type: "detach"; reason: string; code?: number }
    | { type: "preload"; transfer: string; player?: string; position: Vector; velocity: Vector; arrivesInMs: number }
    | { type: "freeze"; transfer: string }
    | { type: "adopt"; transfer: string; player?: string; state: StateField; position?: Vector; leaseMs: number; orphanWindowMs: number }
    | { type: "commit"; transfer: string; client: "present" | "away" }
    | { type: "abort"; transfer: string }
    | { type: "leaving"; reason: string; expectedInMs: number }
    | { type: "suspended" }
    | { type: "resumed"; resync: boolean }
    | { type: "ping"; at: number }
    | { type: "transfer-result"; id: string; outcome: "done" | "refused" | "superseded" | "failed"; reason?: string }
  );

export type FromEdgeControl =
  | { type: "ping"; at: number }
  | { type: "drain"; deadlineMs: number }
  | { type: "received"; from: { server: string }; to: Addressee; body: string }
  | { type: "undeliverable"; id: string; reason: string };

/** A message of a type that is not known here, to be answered `unsupported`. */
export interface Unknown {
  type: "unknown";
  name: string;
}
/** An `unsupported` of the other side: told, never answered. */
export interface Unsupported {
  type: "unsupported";
  name: string;
}

type Json = Record<string, unknown>;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const NUMBER_MAX = 1e300;

/** Reads the fields of one message; what is missing or wrong closes the link and is named. */
class Fields {
  constructor(
    readonly json: Json,
    readonly type: string,
  ) {}

  fail(name: string, problem = name in this.json ? "invalid type" : "missing"): never {
    throw new ProtocolError(1002, `${this.type}: ${name}: ${problem}`);
  }
  text(name: string): string {
    const value = this.json[name];
    return typeof value === "string" ? value : this.fail(name);
  }
  whole(name: string): number {
    const value = this.json[name];
    return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : this.fail(name);
  }
  uuid(name: string): string {
    const value = this.text(name);
    return UUID.test(value) ? value.toLowerCase() : this.fail(name, "not a uuid");
  }
  word<W extends string>(name: string, words: readonly W[]): W {
    const value = this.text(name);
    return words.find((word) => word === value) ?? this.fail(name, "unknown word");
  }
  object(name: string): Fields {
    const value = this.json[name];
    if (typeof value !== "object" || value === null || Array.isArray(value)) this.fail(name);
    return new Fields(value as Json, `${this.type}: ${name}`);
  }
  vector(name: string): Vector {
    const inner = this.object(name);
    const axis = (axis: string): number => {
      const value = inner.json[axis];
      return typeof value === "number" && Math.abs(value) <= NUMBER_MAX ? value : inner.fail(axis);
    };
    return { x: axis("x"), y: axis("y"), z: axis("z") };
  }
  addressee(name: string): Addressee {
    const inner = this.object(name);
    if ("server" in inner.json) return { server: inner.text("server") };
    if ("region" in inner.json) return { region: inner.text("region") };
    return { session: inner.uuid("session") };
  }
  state(): StateField {
    if ("state_id" in this.json) {
      if ("state" in this.json) this.fail("state", "stands beside state_id");
      return { id: this.uuid("state_id") };
    }
    const text = this.text("state");
    const bytes = Buffer.from(text, "base64");
    // Buffer.from skips what is no base64; only what comes out the same again was right.
    return bytes.toString("base64") === text ? { bytes } : this.fail("state", "not base64");
  }
  /** A field that may be left out, under the name it has in our types. */
  maybe<K extends string, V>(name: string, as: K, read: () => V): { [key in K]?: V } {
    return (name in this.json ? { [as]: read() } : {}) as { [key in K]?: V };
  }
  holdsState(): boolean {
    return "state" in this.json || "state_id" in this.json;
  }
}

function open(bytes: Uint8Array): Fields {
  let json: unknown;
  try {
    json = JSON.parse(textOf(bytes) ?? "");
  } catch {
    throw new ProtocolError(1002, "control message: not JSON");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new ProtocolError(1002, "control message: not an object");
  }
  const type = (json as Json).type;
  if (typeof type !== "string") throw new ProtocolError(1002, "control message: type: not a text");
  return new Fields(json as Json, type);
}

function otherwise(fields: Fields): Unknown | Unsupported {
  if (fields.type === "unsupported") return { type: "unsupported", name: fields.text("unsupported") };
  return { type: "unknown", name: [...fields.type].slice(0, 40).join("") };
}

/** Reads a control message of a session link. */
export function readSessionMessage(bytes: Uint8Array): FromEdge | Unknown | Unsupported {
  const f = open(bytes);
  const of = () => ({ session: f.uuid("session"), epoch: f.whole("epoch") });
  const who = () => f.maybe("player", "player", () => f.text("player"));
  const where = () => f.maybe("position", "position", () => f.vector("position"));
  const windows = () => ({ leaseMs: f.whole("lease_ms"), orphanWindowMs: f.whole("orphan_window_ms") });
  switch (f.type) {
    case "attach":
      return {
        type: f.type, ...of(), reason: f.text("reason"), ...who(), address: f.object("client").text("address"), ...where(),
        ...(f.holdsState() ? { state: f.state() } : {}), ...windows(),
      };
    case "detach":
      return { type: f.type, ...of(), reason: f.text("reason"), ...f.maybe("code", "code", () => f.whole("code")) };
    case "preload":
      return {
        type: f.type, ...of(), transfer: f.uuid("transfer"), ...who(), position: f.vector("position"),
        velocity: f.vector("velocity"), arrivesInMs: f.whole("arrives_in_ms"),
      };
    case "freeze":
    case "abort":
      return { type: f.type, ...of(), transfer: f.uuid("transfer") };
    case "adopt":
      return { type: f.type, ...of(), transfer: f.uuid("transfer"), ...who(), state: f.state(), ...where(), ...windows() };
    case "commit":
      return { type: f.type, ...of(), transfer: f.uuid("transfer"), client: f.word("client", ["present", "away"]) };
    case "leaving":
      return { type: f.type, ...of(), reason: f.text("reason"), expectedInMs: f.whole("expected_in_ms") };
    case "suspended":
      return { type: f.type, ...of() };
    case "resumed":
      if ("resync" in f.json && typeof f.json.resync !== "boolean") f.fail("resync");
      return { type: f.type, ...of(), resync: f.json.resync === true };
    case "ping":
      return { type: f.type, ...of(), at: f.whole("at") };
    case "transfer-result":
      return {
        type: f.type, ...of(), id: f.text("id"), outcome: f.word("outcome", ["done", "refused", "superseded", "failed"]),
        ...f.maybe("reason", "reason", () => f.text("reason")),
      };
    default:
      return otherwise(f);
  }
}

/** Reads a control message of a control link. */
export function readControlMessage(bytes: Uint8Array): FromEdgeControl | Unknown | Unsupported {
  const f = open(bytes);
  switch (f.type) {
    case "ping":
      return { type: f.type, at: f.whole("at") };
    case "drain":
      return { type: f.type, deadlineMs: f.whole("deadline_ms") };
    case "received":
      return { type: f.type, from: { server: f.object("from").text("server") }, to: f.addressee("to"), body: f.text("body") };
    case "undeliverable":
      return { type: f.type, id: f.text("id"), reason: f.text("reason") };
    default:
      return otherwise(f);
  }
}
