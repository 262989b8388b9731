// Bytes as the API writes them (a string, or {base64} where they are no text), made visible and made again from what a
// person types. Nothing here builds markup: what a key or a value holds only ever becomes text.

/** What is not seen, or moves what is around it: control characters, marks of direction, characters without width. */
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0" };

/** Whether these bytes are text. */
export function isText(data) {
  return typeof data === "string";
}

/** The bytes of what is no text. */
export function rawBytes(data) {
  const binary = atob(data.base64);
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

function escaped(letter) {
  return SHORT[letter] ?? `\\u${letter.codePointAt(0).toString(16).padStart(4, "0")}`;
}

/** One line that shows every byte; what cannot be seen is escaped. */
export function visible(data) {
  if (isText(data)) return data.replace(HIDDEN, escaped);
  const letter = (byte) => {
    if (byte === 0x5c) return "\\\\";
    return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  };
  return Array.from(rawBytes(data), letter).join("");
}

/** Text with its lines; what cannot be seen is escaped. */
export function visibleLines(text) {
  return text.replace(HIDDEN, (letter) => (letter === "\n" || letter === "\t" ? letter : escaped(letter)));
}

/** Sixteen bytes a line: where it begins, the bytes, and what of them is ASCII. */
export function hexLines(bytes, from = 0) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = Array.from(bytes.slice(at, at + 16));
    const hex = line.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const ascii = line.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${(from + at).toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${ascii}`);
  }
  return lines.join("\n");
}

/** Whether a text can be edited as text: a text field would change other line ends, and some characters are not seen. */
export function isEditableText(data) {
  return isText(data) && visibleLines(data) === data;
}

/** The bytes in hexadecimal, to be edited. */
export function toHex(data) {
  const bytes = isText(data) ? new TextEncoder().encode(data) : rawBytes(data);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** The bytes that somebody wrote in hexadecimal, as the API takes them; null if it is none. */
export function fromHex(written) {
  const digits = written.replace(/\s+/g, "");
  if (digits.length % 2 || /[^0-9a-f]/i.test(digits)) return null;
  const bytes = Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { base64: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")) };
  }
}

/** The parameters that name a key in a query. */
export function named(data) {
  return isText(data) ? { key: data } : { key64: data.base64 };
}

/** Whether two are the same bytes. */
export function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}
