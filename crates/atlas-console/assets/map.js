// The world map: when it is drawn, and what keys, pointer and readers of text get from it.

import { Drawing } from "./draw.js";
import { coordinate, counted, setText, shortId } from "./format.js";
import { PULSE_MS, Scene } from "./scene.js";
import { regionText } from "./servers.js";

const $ = (id) => document.getElementById(id);
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** With reduced motion players are moved by a step at a time, and markers stand still. */
const STILL_EVERY_MS = 1000;
const HOVER_PX = 14;
const HINT = matchMedia("(pointer: coarse)").matches
  ? "Touch a player or a region."
  : "Arrow keys move between players, with Shift between regions.";

export class WorldMap {
  scene = new Scene();
  #palette;
  #names;
  #describe;
  #open;
  #hold;
  #servers = [];
  #drawing = new Drawing($("map-canvas"));
  #reduced = matchMedia("(prefers-reduced-motion: reduce)");
  #chosen = null;
  #hovered = null;
  #paused = false;
  #visible = true;
  #queued = 0;
  #paintedAt = 0;
  #heldFrame = null;

  /**
   * `names`: player by short id. `describe(id)`: asks the node about a player. `open(id)`: the move dialog.
   * `hold(paused)`: what else moves stands still with the map.
   */
  constructor(palette, names, { describe, open, hold }) {
    this.#palette = palette;
    this.#names = names;
    this.#describe = describe;
    this.#open = open;
    this.#hold = hold;
    setText($("map-readout"), HINT);
    this.#drawing.recolour();
    const canvas = $("map-canvas");
    new ResizeObserver(() => this.relayout()).observe($("map"));
    new IntersectionObserver(([entry]) => {
      this.#visible = entry.isIntersecting;
      this.#queue();
    }).observe(canvas);
    document.addEventListener("visibilitychange", () => this.#queue());
    document.fonts.ready.then(() => this.relayout());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("pointermove", (event) => this.#hover(event));
    canvas.addEventListener("pointerleave", () => this.#over(null));
    canvas.addEventListener("click", (event) => this.#click(event));
    $("map-pause").addEventListener("click", () => this.#pause());
  }

  /** Takes the servers of the world shown. */
  takeServers(servers) {
    this.#servers = servers;
    this.scene.takeServers(servers);
    this.relayout();
    if (this.#chosen?.region) this.#tell(false);
    this.#name();
  }

  /** Takes a frame of players. */
  takePlayers(frame) {
    if (this.#paused) {
      this.#heldFrame = frame;
      return;
    }
    const unbounded = !this.scene.bounds;
    this.scene.takePlayers(frame, performance.now());
    if (unbounded || this.scene.regions.length === 0) this.relayout();
    this.#name();
    const player = this.#chosen?.player && this.scene.players.get(this.#chosen.player);
    if (player) {
      const moved = player.server !== this.#chosen.server;
      this.#chosen.server = player.server;
      this.#tell(moved);
    } else if (this.#chosen?.player) {
      this.#choose(null, "The chosen player has left.");
    }
    this.#queue();
  }

  /** Takes a transfer. */
  takeTransfer(transfer) {
    if (this.#paused) return;
    this.scene.takeTransfer(transfer, shortId(transfer.session), performance.now());
    this.#queue();
  }

  /** Forgets the players, for another world or after a lost stream. */
  clear() {
    this.scene.clear();
    this.#heldFrame = null;
    this.#queue();
  }

  /** The theme changed. */
  recolour() {
    this.#drawing.recolour();
    this.relayout();
  }

  /** Fits the drawing to its place. */
  relayout() {
    const width = $("map").clientWidth;
    if (width === 0) return;
    const height = Drawing.height(this.scene.bounds, width, Math.max(320, Math.min(900, innerHeight * 0.86)));
    $("map").style.setProperty("--height", `${height}px`);
    this.#drawing.layout(this.scene, this.#palette, width, height);
    const empty = $("map-empty");
    empty.hidden = Boolean(this.scene.bounds);
    setText(
      empty,
      this.#servers.length
        ? "No region and no position yet. Players appear here as soon as the world’s dialect reads where they are."
        : "Waiting for the node’s worlds.",
    );
    this.#paint();
    this.#queue();
  }

  /** The map's name says how much is on it. */
  #name() {
    const { regions, players } = this.scene;
    const name = `World map, ${counted(players.size, "player")}, ${counted(regions.length, "region")}`;
    const canvas = $("map-canvas");
    if (canvas.getAttribute("aria-label") !== name) canvas.setAttribute("aria-label", name);
  }

  #queue() {
    if (this.#queued || this.#paused || !this.#visible || document.hidden) return;
    this.#queued = requestAnimationFrame((now) => {
      this.#queued = 0;
      if (!this.#reduced.matches || now - this.#paintedAt >= STILL_EVERY_MS) this.#paint();
      if (this.scene.players.size > 0 || this.scene.pulses.length > 0) this.#queue();
    });
  }

  #paint() {
    const now = performance.now();
    this.#paintedAt = now;
    this.scene.pulses = this.scene.pulses.filter((pulse) => now - pulse.began < PULSE_MS);
    this.#drawing.paint(this.scene, this.#palette, now, {
      chosen: this.#chosen,
      hovered: this.#hovered,
      names: this.#names,
      still: this.#reduced.matches,
    });
  }

  #pause() {
    this.#paused = !this.#paused;
    const button = $("map-pause");
    button.setAttribute("aria-pressed", String(this.#paused));
    this.#hold(this.#paused);
    if (this.#paused) return;
    if (this.#heldFrame) {
      this.scene.clear();
      this.takePlayers(this.#heldFrame);
      this.#heldFrame = null;
    }
    this.#queue();
  }

  #key(event) {
    const direction = ARROWS[event.key];
    if (direction && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      if (event.shiftKey) this.#stepRegion(direction);
      else this.#stepPlayer(direction);
    } else if (event.key === "Escape" && this.#chosen) {
      event.preventDefault();
      this.#choose(null, "Nothing chosen.");
    } else if (event.key === "Enter" && this.#chosen?.player) {
      event.preventDefault();
      this.#open(this.#chosen.player);
    }
  }

  #stepPlayer([dx, dz]) {
    const spots = [...this.scene.players.values()].map((player) => ({ player, ...Scene.newest(player) }));
    const region = this.#chosen?.region && this.scene.region(this.#chosen.region);
    const from = region ? centre(region) : spots.find(({ player }) => player.id === this.#chosen?.player);
    const found = nearest(spots, from, dx, dz, ({ player }) => player.id === this.#chosen?.player);
    if (found) this.#choose({ player: found.player.id, server: found.player.server });
    else if (spots.length === 0) this.#choose(null, "No players on the map.");
  }

  #stepRegion([dx, dz]) {
    const spots = this.scene.regions.map((region) => ({ region, ...centre(region) }));
    const player = this.#chosen?.player && this.scene.players.get(this.#chosen.player);
    const home = this.#chosen?.region ?? player?.server;
    const from = spots.find(({ region }) => region.id === home);
    const found = nearest(spots, from, dx, dz, ({ region }) => region.id === home);
    if (found) this.#choose({ region: found.region.id });
  }

  #choose(chosen, words = "") {
    this.#chosen = chosen;
    if (chosen) {
      this.#tell(true);
      if (chosen.player) {
        const { player } = chosen;
        this.#describe(player).then((session) => {
          if (this.#chosen?.player !== player || !session) return;
          this.#chosen.session = session;
          this.#tell(true);
        });
      }
    } else {
      setText($("map-readout"), words && this.scene.players.size === 0 ? words : HINT);
      setText($("map-said"), words);
    }
    this.#paint();
  }

  /** Writes what is chosen; aloud only when it is something new. */
  #tell(aloud) {
    const words = this.#chosen.region ? this.#regionWords() : this.#playerWords();
    setText($("map-readout"), words);
    if (aloud) setText($("map-said"), words);
  }

  #regionWords() {
    const server = this.#servers.find(({ id }) => id === this.#chosen.region);
    if (!server) return "The chosen region is gone.";
    const state = server.state === "active" ? server.health : server.state;
    return `${server.id}: ${counted(server.sessions, "session")}, ${state}, ${regionText(server.region)}`;
  }

  #playerWords() {
    const { player: id, server, session } = this.#chosen;
    const player = this.scene.players.get(id);
    const place = player && Scene.newest(player);
    const name = this.#names.get(id) ?? session?.player ?? id;
    const parts = [`${name} on ${server}`];
    if (place) parts.push(`x ${coordinate(place.x)}, z ${coordinate(place.z)}`);
    if (session) parts.push(counted(session.transfers, "transfer"));
    return parts.join(", ");
  }

  #at(event) {
    const box = $("map-canvas").getBoundingClientRect();
    return { x: event.clientX - box.x, y: event.clientY - box.y };
  }

  #playerAt({ x, y }, reach) {
    const now = performance.now();
    let best = null;
    let least = reach;
    for (const player of this.scene.players.values()) {
      const place = this.#drawing.position(this.scene, player, now);
      const away = place ? Math.hypot(place.x - x, place.y - y) : Infinity;
      if (away < least) [best, least] = [player, away];
    }
    return best;
  }

  #hover(event) {
    if (event.pointerType === "touch") return;
    this.#over(this.#playerAt(this.#at(event), HOVER_PX)?.id ?? null);
  }

  #over(id) {
    $("map-canvas").classList.toggle("over", Boolean(id));
    if (this.#hovered === id) return;
    this.#hovered = id;
    if (id && !this.#names.has(id)) this.#describe(id);
    this.#paint();
  }

  #click(event) {
    const at = this.#at(event);
    const player = this.#playerAt(at, event.pointerType === "touch" ? 24 : HOVER_PX);
    if (player) {
      this.#choose({ player: player.id, server: player.server });
      return;
    }
    const place = this.#drawing.world(at.x, at.y);
    const region = place && this.scene.regions.find(
      ({ minX, maxX, minZ, maxZ }) => place.x >= minX && place.x < maxX && place.z >= minZ && place.z < maxZ,
    );
    this.#choose(region ? { region: region.id } : null);
  }
}

function centre({ minX, maxX, minZ, maxZ }) {
  return { x: (minX + maxX) / 2, z: (minZ + maxZ) / 2 };
}

/** The spot that lies nearest in a direction: what is beside the way counts twice. Without a start, the middle's. */
function nearest(spots, from, dx, dz, skip) {
  let best = null;
  let least = Infinity;
  const all = spots.filter((spot) => !skip(spot));
  const start = from ?? {
    x: spots.reduce((sum, spot) => sum + spot.x, 0) / spots.length,
    z: spots.reduce((sum, spot) => sum + spot.z, 0) / spots.length,
  };
  for (const spot of all) {
    const along = (spot.x - start.x) * dx + (spot.z - start.z) * dz;
    const beside = Math.abs((spot.x - start.x) * dz) + Math.abs((spot.z - start.z) * dx);
    const cost = from ? along + 2 * beside : Math.abs(along) + beside;
    if ((!from || along > 0) && cost < least) [best, least] = [spot, cost];
  }
  return best;
}
