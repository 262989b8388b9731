// The table of servers.

import { cell, coordinate, element, places, serverName } from "./format.js";

const $ = (id) => document.getElementById(id);

/** A region in words; y is left out where it does not divide anything on this map. */
export function regionText(region) {
  if (!region) return "none";
  const span = (axis) => `${coordinate(region.min[axis])} to ${coordinate(region.max[axis])}`;
  return `x ${span(0)}, z ${span(2)}`;
}

export class Servers {
  #palette;
  #shown = "";

  constructor(palette) {
    this.#palette = palette;
  }

  take(servers) {
    // Rows are rebuilt only when something changed, so that a selection of text survives.
    const fresh = JSON.stringify(servers);
    if (fresh === this.#shown) return;
    this.#shown = fresh;
    $("servers-empty").hidden = servers.length > 0;
    $("servers-empty").textContent = "This world has no servers. Add one under [[world.NAME.servers]] in atlas.toml.";
    $("servers-rows").replaceChildren(...servers.map((server) => this.#row(server)));
  }

  #row(server) {
    const fill = element("span", { className: "load-fill" });
    const share = server.capacity > 0 ? Math.min(1, server.sessions / server.capacity) : 0;
    fill.style.setProperty("--share", String(share));
    const load = element("span", { className: "load", "aria-hidden": "true", children: [fill] });
    load.style.setProperty("--server", this.#palette.variable(server.id));
    const figures = element("span", { text: places(server) });
    return element("tr", {
      role: "row",
      children: [
        cell(serverName(this.#palette, server.id), { header: true }),
        cell(element("span", { className: `state ${server.state}`, text: server.state }), { label: "State" }),
        cell(element("span", { className: `state ${server.health}`, text: server.health }), { label: "Health" }),
        cell(server.capacity > 0 ? [figures, load] : figures, { className: "sessions-of", label: "Sessions" }),
        cell(regionText(server.region), { label: "Region" }),
        cell(server.link, { label: "Link" }),
        cell(server.address, { className: "address", label: "Address" }),
      ],
    });
  }
}
