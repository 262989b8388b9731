// The table of sessions: searched and paged by the node, refreshed while it is looked at.

import { get } from "./api.js";
import { cell, coordinate, count, duration, element, serverName, setText, shortId } from "./format.js";

const $ = (id) => document.getElementById(id);
/** Fewer on a phone, where each takes the place of three. */
const PAGE = matchMedia("(max-width: 720px)").matches ? 8 : 20;
const REFRESH_MS = 2000;
const TYPING_MS = 250;

export class Sessions {
  #palette;
  #move;
  #names;
  #world = "";
  /** The cursors of the pages before this one; the first page has none. */
  #before = [];
  #cursor = "";
  #next = null;
  #asked = 0;
  #timer = 0;
  #rows = new Map();

  /** `names` is told each session's player; `move(session)` opens the dialog. */
  constructor(palette, names, move) {
    this.#palette = palette;
    this.#names = names;
    this.#move = move;
    let typing = 0;
    $("sessions-search").addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.#restart(), TYPING_MS);
    });
    $("sessions-tools").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#restart();
    });
    $("sessions-server").addEventListener("change", () => this.#restart());
    $("sessions-back").addEventListener("click", () => {
      this.#cursor = this.#before.pop() ?? "";
      this.load();
    });
    $("sessions-next").addEventListener("click", () => {
      this.#before.push(this.#cursor);
      this.#cursor = this.#next;
      this.load();
    });
    document.addEventListener("visibilitychange", () => document.hidden || this.load());
  }

  takeWorld(world, servers) {
    const select = $("sessions-server");
    const ids = servers.map((server) => server.id);
    if ([...select.options].slice(1).map((option) => option.value).join() !== ids.join()) {
      const chosen = select.value;
      const options = ids.map((id) => element("option", { text: id, value: id }));
      select.replaceChildren(select.options[0], ...options);
      select.value = ids.includes(chosen) ? chosen : "";
    }
    if (this.#world !== world) {
      this.#world = world;
      this.#restart();
    }
  }

  #restart() {
    this.#before = [];
    this.#cursor = "";
    this.load();
  }

  /** Loads the page now, and again every two seconds. */
  async load() {
    clearTimeout(this.#timer);
    this.#asked += 1;
    const asked = this.#asked;
    try {
      const page = await get("/v1/sessions", {
        world: this.#world,
        server: $("sessions-server").value,
        search: $("sessions-search").value.trim(),
        limit: PAGE,
        after: this.#cursor,
      });
      if (asked !== this.#asked) return;
      this.#show(page);
    } catch (problem) {
      if (asked !== this.#asked) return;
      if (problem.status) setText($("sessions-notice"), `The list cannot be read: ${problem.message}`);
    }
    this.#timer = setTimeout(() => document.hidden || this.load(), REFRESH_MS);
  }

  #show(page) {
    if (page.items.length === 0 && this.#before.length > 0) {
      // The page emptied while it was looked at.
      this.#cursor = this.#before.pop();
      this.load();
      return;
    }
    this.#next = page.next;
    for (const session of page.items) {
      if (session.player) this.#names.set(shortId(session.id), session.player);
    }
    const searched = $("sessions-search").value.trim() !== "" || $("sessions-server").value !== "";
    $("sessions-empty").hidden = page.items.length > 0;
    setText($("sessions-empty"), searched ? "No session matches." : "Nobody is connected.");

    // Rows are kept by session, so that a focused button stays focused when the list is refreshed.
    const kept = new Map();
    const rows = page.items.map((session) => {
      const row = this.#rows.get(session.id) ?? this.#row(session.id);
      kept.set(session.id, row);
      row.fill(session);
      return row.node;
    });
    this.#rows = kept;
    const body = $("sessions-rows");
    if (rows.length !== body.children.length || rows.some((row, index) => row !== body.children[index])) {
      const focused = document.activeElement;
      body.replaceChildren(...rows);
      if (focused?.isConnected && body.contains(focused)) focused.focus({ preventScroll: true });
    }

    const first = this.#before.length * PAGE + 1;
    const last = first + page.items.length - 1;
    const range = page.items.length ? `${count(first)} to ${count(last)} of ${count(page.total)}` : "";
    setText($("sessions-range"), range);
    this.#turn($("sessions-back"), this.#before.length === 0, $("sessions-next"));
    this.#turn($("sessions-next"), page.next == null, $("sessions-back"));
  }

  /** A button that goes out under the focus hands it to its neighbour. */
  #turn(button, off, neighbour) {
    const focused = document.activeElement === button;
    button.disabled = off;
    if (off && focused) neighbour.focus();
  }

  #row(id) {
    const player = element("span", { className: "player" });
    const short = element("span", { className: "session-id", text: shortId(id), title: id });
    const cells = {
      player: cell([player, short], { header: true, className: "who" }),
      server: cell("", { label: "Server", className: "at" }),
      phase: cell("", { label: "Phase", className: "phase" }),
      x: cell("", { label: "x", className: "number" }),
      z: cell("", { label: "z", className: "number" }),
      transfers: cell("", { label: "Transfers", className: "number" }),
      in: cell("", { label: "In", className: "number" }),
      out: cell("", { label: "Out", className: "number" }),
      age: cell("", { label: "Age", className: "number age" }),
    };
    const button = element("button", { className: "quiet", type: "button" });
    const action = cell(button, { className: "action" });
    let shown = null;
    let shownColour = "";
    button.addEventListener("click", () => this.#move(shown));
    const fill = (session) => {
      const colour = this.#palette.variable(session.server);
      if (shown?.server !== session.server || shownColour !== colour) {
        cells.server.replaceChildren(serverName(this.#palette, session.server));
      }
      [shown, shownColour] = [session, colour];
      setText(player, session.player ?? "unnamed");
      setText(cells.phase, session.phase);
      cells.phase.dataset.phase = session.phase;
      setText(cells.x, coordinate(session.position?.x));
      setText(cells.z, coordinate(session.position?.z));
      setText(cells.transfers, count(session.transfers));
      setText(cells.in, count(session.messages_in));
      setText(cells.out, count(session.messages_out));
      setText(cells.age, duration(session.age_ms));
      setText(button, "Move");
      button.setAttribute("aria-label", `Move ${session.player ?? shortId(session.id)} to another server`);
    };
    return { node: element("tr", { role: "row", children: [...Object.values(cells), action] }), fill };
  }
}
