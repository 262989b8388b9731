// What stands in one WebSocket message of a link: its tag, and states that travel in parts.

/** The first byte of each message. */
export const Tag = { text: 0x00, binary: 0x01, control: 0x02, statePart: 0x04 } as const;

export const CONTROL_BYTES_MAX = 131_072;
export const STATE_BYTES_MAX = 16 * 1024 * 1024;
export const STATE_INLINE_BYTES_MAX = 65_536;
const PART_HEAD_BYTES = 24;

/** The other side broke the protocol: the link is closed with `code`. */
export class ProtocolError extends Error {
  constructor(readonly code: 1002 | 1007 | 1009, message: string) {
    super(message);
  }
}

export type Frame =
  | { kind: "text"; bytes: Buffer }
  | { kind: "binary"; bytes: Buffer }
  | { kind: "control"; bytes: Buffer }
  | { kind: "part"; id: string; part: number; parts: number; bytes: Buffer };

/** Reads one WebSocket message of a link. */
export function parseFrame(message: Buffer, isBinary: boolean): Frame {
  if (!isBinary) throw new ProtocolError(1002, "a text message on a link");
  if (message.length === 0) throw new ProtocolError(1002, "an empty message");
  const bytes = message.subarray(1);
  switch (message[0]) {
    case Tag.text:
      return { kind: "text", bytes };
    case Tag.binary:
      return { kind: "binary", bytes };
    case Tag.control:
      if (message.length > CONTROL_BYTES_MAX) throw new ProtocolError(1009, "control message too large");
      return { kind: "control", bytes };
    case Tag.statePart: {
      if (bytes.length <= PART_HEAD_BYTES) throw new ProtocolError(1002, "state part: too short");
      const part = bytes.readUInt32LE(16);
      const parts = bytes.readUInt32LE(20);
      if (part >= parts) throw new ProtocolError(1002, "state part: number out of range");
      const content = bytes.subarray(PART_HEAD_BYTES);
      if (content.length > STATE_INLINE_BYTES_MAX) throw new ProtocolError(1002, "state part: too long");
      return { kind: "part", id: uuidText(bytes.subarray(0, 16)), part, parts, bytes: content };
    }
    default:
      throw new ProtocolError(1002, `unknown tag ${message[0]}`);
  }
}

/** Puts the tag in front of a message of the game: text for a string, binary for bytes. */
export function tagged(message: string | Uint8Array): Buffer {
  const content = typeof message === "string" ? Buffer.from(message, "utf8") : message;
  const frame = Buffer.allocUnsafe(content.length + 1);
  frame[0] = typeof message === "string" ? Tag.text : Tag.binary;
  frame.set(content, 1);
  return frame;
}

/** A control message as it travels. */
export function controlFrame(message: object): Buffer {
  return Buffer.from("\u0002" + JSON.stringify(message), "utf8");
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 text, or undefined if the bytes are none. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** How a state stands in a control message: inline, or by the id of parts that are to be sent first. */
export function splitState(state: Uint8Array, id: string): { field: object; parts: Buffer[] } {
  if (state.length <= STATE_INLINE_BYTES_MAX) {
    return { field: { state: Buffer.from(state.buffer, state.byteOffset, state.length).toString("base64") }, parts: [] };
  }
  const count = Math.ceil(state.length / STATE_INLINE_BYTES_MAX);
  const parts: Buffer[] = [];
  for (let part = 0; part < count; part++) {
    const content = state.subarray(part * STATE_INLINE_BYTES_MAX, (part + 1) * STATE_INLINE_BYTES_MAX);
    const frame = Buffer.allocUnsafe(1 + PART_HEAD_BYTES + content.length);
    frame[0] = Tag.statePart;
    frame.write(id.replaceAll("-", ""), 1, "hex");
    frame.writeUInt32LE(part, 17);
    frame.writeUInt32LE(count, 21);
    frame.set(content, 1 + PART_HEAD_BYTES);
    parts.push(frame);
  }
  return { field: { state_id: id }, parts };
}

/** Puts states together that come in parts; one link's, one direction's. */
export class StateJoiner {
  #current: { id: string; parts: number; contents: Buffer[]; bytes: number } | undefined;

  /** Takes the next part. */
  add(frame: { id: string; part: number; parts: number; bytes: Buffer }): void {
    let current = this.#current;
    // Part 0 takes the place of a state that was begun and not named.
    if (frame.part === 0) {
      current = this.#current = { id: frame.id, parts: frame.parts, contents: [], bytes: 0 };
    }
    if (!current || current.id !== frame.id || current.parts !== frame.parts || current.contents.length !== frame.part) {
      throw new ProtocolError(1002, "state part: out of order");
    }
    current.bytes += frame.bytes.length;
    if (current.bytes > STATE_BYTES_MAX) throw new ProtocolError(1009, "state too large");
    current.contents.push(frame.bytes);
  }

  /** Hands out the whole state of that id, once. */
  take(id: string): Buffer {
    const current = this.#current;
    if (!current || current.id !== id || current.contents.length !== current.parts) {
      throw new ProtocolError(1002, "state_id: its parts did not all come");
    }
    this.#current = undefined;
    return Buffer.concat(current.contents);
  }
}

function uuidText(bytes: Buffer): string {
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
