// The table of servers: their states, how far a drain is, and the button that begins one or takes it back.

import { cell, coordinate, count, counted, duration, element, places, serverName, setText } from "./format.js";

const $ = (id) => document.getElementById(id);

/** A region in words; y is left out where it does not divide anything on this map. */
export function regionText(region) {
  if (!region) return "none";
  const span = (axis) => `${coordinate(region.min[axis])} to ${coordinate(region.max[axis])}`;
  return `x ${span(0)}, z ${span(2)}`;
}

/** How far a drain is, or what became of the players; empty where there is none. */
export function drainText(drain) {
  if (!drain) return "";
  const fates = [
    [drain.moved, "moved"],
    [drain.resumed, "resumed"],
    [drain.dropped, "closed"],
    [drain.gone, "left"],
  ];
  const parts = fates.filter(([number]) => number > 0).map(([number, word]) => `${count(number)} ${word}`);
  if (drain.state === "draining") {
    parts.unshift(`${count(drain.left)} to go`);
    if (drain.waits) parts.push(`asked to wait ${duration(drain.waits.for_ms)}: ${drain.waits.reason}`);
    if (drain.left > 0 && drain.deadline_in_ms != null) parts.push(`closes the rest in ${duration(drain.deadline_in_ms)}`);
  } else {
    parts.unshift("empty");
  }
  return parts.join(", ");
}

export class Servers {
  #palette;
  #drain;
  #rows = new Map();

  /** `drain` is told which server's drain is to begin (`open`) or to be taken back (`takeBack`). */
  constructor(palette, drain) {
    this.#palette = palette;
    this.#drain = drain;
  }

  take(servers) {
    $("servers-empty").hidden = servers.length > 0;
    $("servers-empty").textContent = "This world has no servers. Add one under [[world.NAME.servers]] in atlas.toml.";
    // Rows are kept by server, so that a focused button and a selection of text survive.
    const kept = new Map();
    const rows = servers.map((server) => {
      const name = `${server.world}/${server.id}`;
      const row = this.#rows.get(name) ?? this.#row();
      kept.set(name, row);
      row.fill(server);
      return row.node;
    });
    this.#rows = kept;
    const body = $("servers-rows");
    if (rows.length !== body.children.length || rows.some((row, index) => row !== body.children[index])) {
      body.replaceChildren(...rows);
    }
  }

  #row() {
    const cells = {
      name: cell("", { header: true }),
      state: cell("", { label: "State", className: "server-state" }),
      health: cell("", { label: "Health" }),
      sessions: cell("", { label: "Sessions", className: "sessions-of" }),
      region: cell("", { label: "Region" }),
      link: cell("", { label: "Link" }),
      address: cell("", { className: "address", label: "Address" }),
    };
    const state = element("span");
    const progress = element("progress", { className: "drain-bar", max: "1", "aria-hidden": "true" });
    const words = element("span", { className: "drain-words" });
    cells.state.append(state, progress, words);
    const button = element("button", { className: "quiet", type: "button" });
    const node = element("tr", { role: "row", children: [...Object.values(cells), cell(button, { className: "action" })] });
    let shown = null;
    let before = "";
    button.addEventListener("click", () => (shown.drain ? this.#drain.takeBack(shown) : this.#drain.open(shown)));
    const fill = (server) => {
      const colour = this.#palette.variable(server.id);
      const fresh = JSON.stringify([server, colour]);
      if (fresh === before) return;
      before = fresh;
      shown = server;
      cells.name.replaceChildren(serverName(this.#palette, server.id));
      state.className = `state ${server.state}`;
      setText(state, server.state);
      const { drain } = server;
      setText(words, drainText(drain));
      progress.hidden = drain?.state !== "draining";
      if (!progress.hidden) {
        const away = drain.moved + drain.resumed + drain.dropped + drain.gone;
        progress.value = away / Math.max(1, away + drain.left);
      }
      cells.health.replaceChildren(element("span", { className: `state ${server.health}`, text: server.health }));
      cells.sessions.replaceChildren(...this.#load(server, colour));
      setText(cells.region, regionText(server.region));
      setText(cells.link, server.link);
      setText(cells.address, server.address);
      node.classList.toggle("is-down", server.state === "down");
      // Who is not told of any more leaves by itself; a shadow has nobody.
      button.hidden = !drain && ["draining", "drained", "shadow"].includes(server.state);
      setText(button, drain ? "Take back" : "Drain");
      const label = drain ? `Take the drain of ${server.id} back` : `Drain ${server.id}, ${counted(server.sessions, "player")}`;
      button.setAttribute("aria-label", label);
    };
    return { node, fill };
  }

  #load(server, colour) {
    const fill = element("span", { className: "load-fill" });
    const share = server.capacity > 0 ? Math.min(1, server.sessions / server.capacity) : 0;
    fill.style.setProperty("--share", String(share));
    const load = element("span", { className: "load", "aria-hidden": "true", children: [fill] });
    load.style.setProperty("--server", colour);
    const figures = element("span", { text: places(server) });
    return server.capacity > 0 ? [figures, load] : [figures];
  }
}
