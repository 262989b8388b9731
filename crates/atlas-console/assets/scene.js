// What the map shows, without drawing it: bounds, regions, players between two frames, transfers that fade.

/** Players are drawn this far behind the newest frame, so that there is always a frame to walk towards. */
const BEHIND_MS = 300;
const TRAIL_MS = 2400;
export const PULSE_MS = 1500;
const PULSES_MAX = 64;
/** A step of more than this share of the world's width is a jump, not a walk. */
const JUMP = 0.1;

export class Scene {
  regions = [];
  players = new Map();
  pulses = [];
  bounds = null;
  #offset = null;

  /** Takes the servers of the world shown. */
  takeServers(servers) {
    this.regions = servers
      .filter((server) => server.region)
      .map((server) => ({
        id: server.id,
        sessions: server.sessions,
        state: server.state,
        health: server.health,
        minX: server.region.min[0],
        maxX: server.region.max[0],
        minZ: server.region.min[2],
        maxZ: server.region.max[2],
      }));
    this.#rebound();
  }

  /** Takes a frame of players: `[id, x, y, z, server]` each. `now` is this page's clock in milliseconds. */
  takePlayers(frame, now) {
    // The node's clock against ours: the fastest frame counts, and slow drift is followed.
    const offset = now - frame.at_ms;
    const last = this.#offset;
    this.#offset = last === null || Math.abs(offset - last) > 2000 ? offset : Math.min(offset, last + 1);
    const wide = this.bounds ? (this.bounds.maxX - this.bounds.minX) * JUMP : Infinity;
    for (const [id, x, y, z, server] of frame.players) {
      let player = this.players.get(id);
      if (!player) {
        player = { id, server, samples: [] };
        this.players.set(id, player);
      }
      const before = player.samples.at(-1);
      if (before && (before.t >= frame.at_ms || Math.hypot(x - before.x, z - before.z) > wide)) player.samples = [];
      player.samples.push({ t: frame.at_ms, x, y, z });
      player.server = server;
      player.seen = frame.at_ms;
      const old = frame.at_ms - TRAIL_MS - BEHIND_MS - 400;
      while (player.samples.length > 2 && player.samples[1].t < old) player.samples.shift();
    }
    for (const player of this.players.values()) {
      if (player.seen !== frame.at_ms) this.players.delete(player.id);
    }
    if (this.regions.length === 0) this.#rebound();
  }

  /** Takes a transfer, to be shown where its player is. */
  takeTransfer(transfer, id, now) {
    this.pulses.push({ id, from: transfer.from, to: transfer.to, outcome: transfer.outcome, began: now });
    if (this.pulses.length > PULSES_MAX) this.pulses.shift();
  }

  /** Forgets the players, after a lost stream or for another world. */
  clear() {
    this.players.clear();
    this.pulses = [];
    this.#offset = null;
  }

  /** The moment, on the node's clock, that is drawn at `now`. */
  moment(now) {
    return this.#offset === null ? 0 : now - this.#offset - BEHIND_MS;
  }

  /** Where a player is at a moment. */
  place(player, moment) {
    const { samples } = player;
    let after = samples.length - 1;
    while (after > 0 && samples[after - 1].t > moment) after -= 1;
    const next = samples[after];
    const previous = samples[after - 1];
    if (!previous || moment >= next.t) return next;
    const share = Math.max(0, (moment - previous.t) / (next.t - previous.t));
    return { x: previous.x + (next.x - previous.x) * share, z: previous.z + (next.z - previous.z) * share };
  }

  /** The way a player came lately, oldest first, without the present place. */
  trail(player, moment) {
    return player.samples.filter((sample) => sample.t <= moment && sample.t > moment - TRAIL_MS);
  }

  /** The newest place of a player, as the node said it. */
  static newest(player) {
    return player.samples.at(-1);
  }

  /** The region of a server. */
  region(id) {
    return this.regions.find((region) => region.id === id) ?? null;
  }

  #rebound() {
    const points = this.regions.length
      ? this.regions
      : [...this.players.values()].map((player) => {
          const { x, z } = Scene.newest(player);
          return { minX: x, maxX: x, minZ: z, maxZ: z };
        });
    if (points.length === 0) {
      this.bounds = null;
      return;
    }
    const bounds = {
      minX: Math.min(...points.map((point) => point.minX)),
      maxX: Math.max(...points.map((point) => point.maxX)),
      minZ: Math.min(...points.map((point) => point.minZ)),
      maxZ: Math.max(...points.map((point) => point.maxZ)),
    };
    if (this.regions.length === 0) {
      // Without regions the players make the world: it only grows, so that the map does not shake.
      const air = Math.max(50, (bounds.maxX - bounds.minX) * 0.1, (bounds.maxZ - bounds.minZ) * 0.1);
      bounds.minX -= air;
      bounds.maxX += air;
      bounds.minZ -= air;
      bounds.maxZ += air;
      const old = this.bounds;
      if (old && old.minX <= bounds.minX + air && old.maxX >= bounds.maxX - air &&
          old.minZ <= bounds.minZ + air && old.maxZ >= bounds.maxZ - air) return;
    }
    this.bounds = bounds;
  }
}
