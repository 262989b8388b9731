// The map's drawing: a still layer (regions, grid, axes) kept as an image, and what moves above it.

import { coordinate, count } from "./format.js";
import { COLOURS } from "./palette.js";
import { PULSE_MS } from "./scene.js";

const FONT = '"Atlas Plex", system-ui, sans-serif';
/** Above these numbers of players trails are left out and dots get smaller. */
const TRAILS_MAX = 500;
/** With more transfers at once than this, each is marked by one ring instead of two. */
const CROWDED = 5;

export class Drawing {
  #canvas;
  #context;
  #still = document.createElement("canvas");
  #colours = null;
  #frame = null;
  #scale = 1;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
  }

  /** Reads the colours of the theme anew. */
  recolour() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    this.#colours = {
      servers: Array.from({ length: COLOURS }, (_, slot) => read(`--server-${slot}`)),
      unknown: read("--ink-soft"),
      ground: read("--map-ground"),
      grid: read("--map-grid"),
      ink: read("--ink"),
      soft: read("--ink-soft"),
      faint: read("--ink-faint"),
      halo: read("--map-halo"),
      bad: read("--bad"),
      focus: read("--focus"),
      tint: Number.parseFloat(read("--map-tint")) || 0.12,
    };
  }

  /** The height in pixels that shows these bounds best in a width. */
  static height(bounds, width, highest) {
    const aspect = bounds ? (bounds.maxZ - bounds.minZ) / (bounds.maxX - bounds.minX) : 0.7;
    const { left, right, top, bottom } = margins(width);
    return Math.round(Math.min(highest, Math.max(220, (width - left - right) * aspect + top + bottom)));
  }

  /** Fits the canvas to a size in CSS pixels and draws the still layer. */
  layout(scene, palette, width, height) {
    this.#scale = Math.min(3, window.devicePixelRatio || 1);
    for (const canvas of [this.#canvas, this.#still]) {
      const [wide, high] = [Math.round(width * this.#scale), Math.round(height * this.#scale)];
      if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
    }
    this.#frame = scene.bounds ? frame(scene.bounds, width, height) : null;
    const context = this.#still.getContext("2d");
    context.setTransform(this.#scale, 0, 0, this.#scale, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!this.#frame) return;
    const { x, y, left, top, right, bottom } = this.#frame;
    context.fillStyle = this.#colours.ground;
    context.fillRect(left, top, right - left, bottom - top);
    for (const region of scene.regions) this.#region(context, palette, region);
    this.#grid(context, scene.bounds);
    for (const region of scene.regions) {
      context.strokeStyle = this.#colour(palette, region.id);
      context.globalAlpha = 0.55;
      context.lineWidth = 1;
      const [x0, y0] = [Math.round(x(region.minX)), Math.round(y(region.minZ))];
      const [x1, y1] = [Math.round(x(region.maxX)), Math.round(y(region.maxZ))];
      context.strokeRect(x0 + 0.5, y0 + 0.5, x1 - x0 - 1, y1 - y0 - 1);
      context.globalAlpha = 1;
      this.#label(context, palette, region, x0, y0, x1 - x0);
    }
  }

  /** Draws a moment. `chosen` is a player or region under the keyboard or the pointer; `still` leaves motion out. */
  paint(scene, palette, now, { chosen, hovered, names, still }) {
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    context.drawImage(this.#still, 0, 0);
    if (!this.#frame) return;
    context.setTransform(this.#scale, 0, 0, this.#scale, 0, 0);
    const moment = scene.moment(now);
    const players = [...scene.players.values()];
    const places = new Map(players.map((player) => [player.id, this.#inside(scene.place(player, moment))]));
    if (!still && players.length <= TRAILS_MAX) this.#trails(context, scene, palette, players, places, moment);
    this.#dots(context, palette, players, places);
    const crowded = scene.pulses.length > CROWDED;
    for (const pulse of scene.pulses) {
      this.#pulse(context, scene, palette, pulse, places.get(pulse.id), now, { still, crowded });
    }
    if (chosen?.region) this.#chosenRegion(context, scene.region(chosen.region));
    for (const id of new Set([hovered, chosen?.player])) {
      const place = id && places.get(id);
      if (place) this.#callout(context, place, names.get(id) ?? id, id === chosen?.player);
    }
  }

  /** Where a player is drawn, in CSS pixels of the canvas. */
  position(scene, player, now) {
    return this.#frame ? this.#inside(scene.place(player, scene.moment(now))) : null;
  }

  /** The world's place under a pixel. */
  world(px, py) {
    return this.#frame && { x: this.#frame.toX(px), z: this.#frame.toZ(py) };
  }

  #colour(palette, id) {
    return this.#colours.servers[palette.slot(id)] ?? this.#colours.unknown;
  }

  /** Players beyond the map's edge stand at the edge. */
  #inside(place) {
    const { x, y, left, top, right, bottom } = this.#frame;
    const [px, py] = [x(place.x), y(place.z)];
    return { x: Math.min(right - 3, Math.max(left + 3, px)), y: Math.min(bottom - 3, Math.max(top + 3, py)) };
  }

  #region(context, palette, region) {
    const { x, y } = this.#frame;
    const [x0, y0, x1, y1] = [x(region.minX), y(region.minZ), x(region.maxX), y(region.maxZ)];
    context.fillStyle = this.#colour(palette, region.id);
    context.globalAlpha = this.#colours.tint;
    context.fillRect(x0, y0, x1 - x0, y1 - y0);
    context.globalAlpha = 1;
    if (region.state === "active" && region.health !== "down") return;
    // A region whose server takes nobody is hatched, so that it shows without colour.
    context.save();
    context.beginPath();
    context.rect(x0, y0, x1 - x0, y1 - y0);
    context.clip();
    context.strokeStyle = this.#colours.faint;
    context.globalAlpha = 0.45;
    context.beginPath();
    for (let at = x0 - (y1 - y0); at < x1; at += 9) {
      context.moveTo(at, y1);
      context.lineTo(at + (y1 - y0), y0);
    }
    context.stroke();
    context.restore();
  }

  #label(context, palette, region, x0, y0, width) {
    const narrow = width < 120;
    const [left, top] = [x0 + (narrow ? 7 : 12), y0 + (narrow ? 17 : 23)];
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    context.fillStyle = this.#colours.ink;
    context.font = `600 ${narrow ? 12 : 14}px ${FONT}`;
    context.fillText(region.id, left, top, width - 14);
    context.font = `400 ${narrow ? 11 : 12}px ${FONT}`;
    context.fillStyle = this.#colours.soft;
    const words = [count(region.sessions) + (narrow ? "" : region.sessions === 1 ? " session" : " sessions")];
    if (region.state !== "active") words.push(region.state);
    else if (region.health !== "healthy") words.push(region.health);
    context.fillText(words.join(", "), left, top + (narrow ? 14 : 17), width - 14);
  }

  #grid(context, bounds) {
    const { x, y, left, top, right, bottom } = this.#frame;
    const step = tickStep(Math.max(bounds.maxX - bounds.minX, bounds.maxZ - bounds.minZ), right - left);
    context.strokeStyle = this.#colours.grid;
    context.fillStyle = this.#colours.soft;
    context.font = `400 11px ${FONT}`;
    context.lineWidth = 1;
    context.beginPath();
    context.textBaseline = "top";
    context.textAlign = "center";
    for (const value of ticks(bounds.minX, bounds.maxX, step)) {
      const at = Math.round(x(value)) + 0.5;
      context.moveTo(at, top);
      context.lineTo(at, bottom + 4);
      // The last label gives way to the axis' name.
      if (at < right - 34) context.fillText(coordinate(value), at, bottom + 8);
    }
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const value of ticks(bounds.minZ, bounds.maxZ, step)) {
      const at = Math.round(y(value)) + 0.5;
      context.moveTo(left - 4, at);
      context.lineTo(right, at);
      if (at < bottom - 26) context.fillText(coordinate(value), left - 8, at);
    }
    context.stroke();
    // The axes' names with their directions, drawn rather than typed: fonts disagree about arrows.
    context.strokeStyle = context.fillStyle;
    context.font = `500 12px ${FONT}`;
    context.textBaseline = "top";
    context.fillText("x", right - 18, bottom + 7);
    arrow(context, right - 14, bottom + 14, 12, 0);
    context.fillText("z", left - 8, bottom - 24);
    arrow(context, left - 11, bottom - 11, 11, Math.PI / 2);
  }

  #trails(context, scene, palette, players, places, moment) {
    context.lineWidth = 1.5;
    // Round ends would overlap and show as beads in a line that fades.
    context.lineCap = "butt";
    for (const player of players) {
      const points = scene.trail(player, moment).map((sample) => this.#inside(sample));
      points.push(places.get(player.id));
      context.strokeStyle = this.#colour(palette, player.server);
      for (let index = 1; index < points.length; index += 1) {
        context.globalAlpha = 0.5 * (index / points.length) ** 1.5;
        context.beginPath();
        context.moveTo(points[index - 1].x, points[index - 1].y);
        context.lineTo(points[index].x, points[index].y);
        context.stroke();
      }
    }
    context.globalAlpha = 1;
  }

  #dots(context, palette, players, places) {
    const narrow = this.#frame.right - this.#frame.left < 420;
    const radius = players.length > 800 ? 2 : players.length > 250 || narrow ? 3 : 4;
    const byServer = Map.groupBy(players, (player) => player.server);
    context.strokeStyle = this.#colours.halo;
    context.lineWidth = 1.5;
    for (const [server, group] of byServer) {
      context.fillStyle = this.#colour(palette, server);
      context.beginPath();
      for (const player of group) {
        const { x, y } = places.get(player.id);
        context.moveTo(x + radius, y);
        context.arc(x, y, radius, 0, 2 * Math.PI);
      }
      if (radius > 2) context.stroke();
      context.fill();
    }
  }

  /** A ring that opens around the player, and an arc from the old server's side to the new one's. */
  #pulse(context, scene, palette, pulse, place, now, { still, crowded }) {
    const age = (now - pulse.began) / PULSE_MS;
    if (!place || age < 0 || age > 1) return;
    const failed = pulse.outcome !== "done";
    const colour = failed ? this.#colours.bad : this.#colour(palette, pulse.to);
    const fade = still ? 1 : 1 - age ** 2;
    context.save();
    context.translate(place.x, place.y);
    context.lineCap = "round";
    context.strokeStyle = colour;
    if (failed) context.setLineDash([3, 4]);
    for (const late of still || crowded ? [0] : [0, 0.22]) {
      const grown = still ? 0.55 : Math.max(0, age - late) / (1 - late);
      if (grown <= 0) continue;
      const eased = 1 - (1 - grown) ** 3;
      context.globalAlpha = still ? 0.9 : (1 - grown) * 0.9;
      context.lineWidth = 2;
      context.beginPath();
      context.arc(0, 0, 5 + 15 * eased, 0, 2 * Math.PI);
      context.stroke();
    }
    const [from, to] = [scene.region(pulse.from), scene.region(pulse.to)];
    if (from && to) {
      const across = { x: middle(to.minX, to.maxX) - middle(from.minX, from.maxX),
        z: middle(to.minZ, to.maxZ) - middle(from.minZ, from.maxZ) };
      const length = Math.hypot(across.x, across.z) || 1;
      context.rotate(Math.atan2(across.z / length, across.x / length));
      // Towards the left the arc would hang below: it is turned over, so that it always leaps.
      if (across.x < 0) context.scale(1, -1);
      context.globalAlpha = fade;
      context.lineWidth = 2.25;
      const ink = context.createLinearGradient(-28, 0, 28, 0);
      ink.addColorStop(0, this.#colour(palette, pulse.from));
      ink.addColorStop(1, colour);
      context.strokeStyle = ink;
      // Half an ellipse over the player, drawn from the old side to the new within the first quarter.
      const drawn = still ? 1 : Math.min(1, age * 4);
      const end = Math.PI + Math.PI * (1 - (1 - drawn) ** 2);
      context.beginPath();
      context.ellipse(0, 0, 28, 24, 0, Math.PI, end);
      context.stroke();
      if (drawn === 1) {
        context.fillStyle = colour;
        context.setLineDash([]);
        context.beginPath();
        context.moveTo(28, 6);
        context.lineTo(23.5, -2);
        context.lineTo(32.5, -2);
        context.fill();
      }
    }
    context.restore();
  }

  #chosenRegion(context, region) {
    if (!region) return;
    const { x, y } = this.#frame;
    const [x0, y0] = [x(region.minX), y(region.minZ)];
    context.strokeStyle = this.#colours.focus;
    context.lineWidth = 2.5;
    context.strokeRect(x0 + 2, y0 + 2, x(region.maxX) - x0 - 4, y(region.maxZ) - y0 - 4);
  }

  #callout(context, place, name, chosen) {
    if (chosen) {
      context.strokeStyle = this.#colours.focus;
      context.lineWidth = 2.5;
      context.beginPath();
      context.arc(place.x, place.y, 9, 0, 2 * Math.PI);
      context.stroke();
    }
    context.font = `500 12px ${FONT}`;
    context.textBaseline = "middle";
    const width = context.measureText(name).width;
    const right = place.x + 18 + width < this.#frame.right;
    context.textAlign = right ? "left" : "right";
    const at = place.x + (right ? 14 : -14);
    context.strokeStyle = this.#colours.halo;
    context.lineWidth = 4;
    context.lineJoin = "round";
    context.strokeText(name, at, place.y);
    context.fillStyle = this.#colours.ink;
    context.fillText(name, at, place.y);
  }
}

function margins(width) {
  return { left: width < 480 ? 43 : 46, right: 1, top: 7, bottom: 26 };
}

/** The rectangle of the plot and the way from the world's coordinates to pixels and back, with equal scales. */
function frame(bounds, width, height) {
  const margin = margins(width);
  const [wide, high] = [bounds.maxX - bounds.minX || 1, bounds.maxZ - bounds.minZ || 1];
  const scale = Math.min((width - margin.left - margin.right) / wide, (height - margin.top - margin.bottom) / high);
  const left = margin.left + (width - margin.left - margin.right - wide * scale) / 2;
  const top = margin.top;
  return {
    left,
    top,
    right: left + wide * scale,
    bottom: top + high * scale,
    x: (value) => left + (value - bounds.minX) * scale,
    y: (value) => top + (value - bounds.minZ) * scale,
    toX: (pixel) => bounds.minX + (pixel - left) / scale,
    toZ: (pixel) => bounds.minZ + (pixel - top) / scale,
  };
}

/** A step of 1, 2 or 5 times a power of ten, for about one line in 110 pixels. */
function tickStep(span, pixels) {
  const rough = span / Math.max(2, Math.floor(pixels / 110));
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
}

function ticks(from, to, step) {
  const found = [];
  for (let value = Math.ceil(from / step) * step; value <= to + step * 1e-6 && found.length < 50; value += step) {
    found.push(value);
  }
  return found;
}

function middle(low, high) {
  return (low + high) / 2;
}

function arrow(context, x, y, length, angle) {
  context.save();
  context.translate(x, y);
  context.rotate(angle);
  context.lineWidth = 1.25;
  context.beginPath();
  context.moveTo(0, 0);
  context.lineTo(length, 0);
  context.moveTo(length - 4, -3);
  context.lineTo(length, 0);
  context.lineTo(length - 4, 3);
  context.stroke();
  context.restore();
}
