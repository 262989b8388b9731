// Numbers, times and small DOM pieces, the same in every panel.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** A count: in full up to 99,999, then shortened. */
export function count(value) {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) < 100_000 ? whole.format(value) : short.format(value);
}

/** A count with its noun: "1 player", "2 players". */
export function counted(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** How full a server is; a capacity of 0 is none. */
export function places({ sessions, capacity }) {
  return capacity > 0 ? `${count(sessions)} of ${count(capacity)}` : `${count(sessions)}, no limit`;
}

/** Milliseconds, with a decimal while it says something. */
export function milliseconds(value) {
  if (!Number.isFinite(value)) return "–";
  return `${value < 99.95 ? value.toFixed(1) : whole.format(value)} ms`;
}

/** A size in bytes. */
export function byteSize(value) {
  if (!Number.isFinite(value)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : whole.format(value)} ${units[unit]}`;
}

/** Bytes a second. */
export function byteRate(value) {
  return Number.isFinite(value) ? `${byteSize(value)}/s` : "–";
}

/** Microseconds, as milliseconds once there are many. */
export function microseconds(value) {
  if (!Number.isFinite(value)) return "–";
  if (value >= 1000) return milliseconds(value / 1000);
  return `${value < 9.95 ? value.toFixed(1) : whole.format(value)} µs`;
}

/** A coordinate, with a real minus sign. */
export function coordinate(value) {
  if (!Number.isFinite(value)) return "–";
  return whole.format(Math.round(value) || 0).replace("-", "−");
}

/** A duration in the two units that matter. */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** A time of day. Small stamps count from a node's start and say nothing about the day: then it is now. */
export function timeOfDay(atMs) {
  return clock.format(atMs > 1e12 ? new Date(atMs) : new Date());
}

/** The start of a session's id, as the map's frames carry it. */
export function shortId(session) {
  return String(session).slice(0, 8);
}

/** A new element with a class, text or children. */
export function element(name, { className, text, children, ...rest } = {}) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  if (children) made.append(...children);
  for (const [key, value] of Object.entries(rest)) made.setAttribute(key, value);
  return made;
}

/** Sets text only if it differs, so that live regions and selections are left alone. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The name of a server behind its colour. */
export function serverName(palette, id) {
  const swatch = element("span", { className: "swatch", "aria-hidden": "true" });
  swatch.style.setProperty("--server", palette.variable(id));
  return element("span", { className: "server", children: [swatch, id] });
}

/** A table cell; with a label for the narrow layout, where it stands alone. */
export function cell(content, { className, label, header } = {}) {
  const made = element(header ? "th" : "td", { className, role: header ? "rowheader" : "cell" });
  if (header) made.setAttribute("scope", "row");
  if (label) made.dataset.label = label;
  made.append(...(Array.isArray(content) ? content : [content]));
  return made;
}
