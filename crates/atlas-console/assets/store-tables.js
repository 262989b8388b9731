// The store's tables: commands, the slow log, clients.

import { get, reason, remove } from "./api.js";
import { visible } from "./bytes.js";
import { byteSize, cell, count, counted, duration, element, microseconds, setText, timeOfDay } from "./format.js";

const $ = (id) => document.getElementById(id);
const COMMANDS_SHOWN = 12;
const CLIENTS_PAGE = 20;

/** Keeps rows by a name, so that what is focused or selected survives; the order is the list's. */
function fill(body, kept, items, name, make) {
  const next = new Map();
  const rows = items.map((item) => {
    const key = name(item);
    const row = kept.get(key) ?? make(item);
    next.set(key, row);
    row.fill(item);
    return row.node;
  });
  if (rows.length !== body.children.length || rows.some((row, index) => row !== body.children[index])) {
    body.replaceChildren(...rows);
  }
  return next;
}

/** A row whose cells are made once and filled again and again. */
function row(cells, fillCells) {
  return { node: element("tr", { role: "row", children: Object.values(cells) }), fill: (item) => fillCells(cells, item) };
}

/** Calls a second are of the last seconds, so that the order stands still for a moment. */
const SMOOTH = 0.7;

export class Commands {
  #rows = new Map();
  #before = null;
  #rates = new Map();
  #isAll = false;
  #latest = null;

  constructor() {
    $("commands-all").addEventListener("click", () => {
      this.#isAll = !this.#isAll;
      $("commands-all").setAttribute("aria-pressed", String(this.#isAll));
      if (this.#latest) this.#show(this.#latest);
    });
  }

  take(counts) {
    const before = this.#before;
    this.#before = { at_ms: counts.at_ms, calls: new Map(counts.items.map(({ name, calls }) => [name, calls])) };
    const seconds = before ? (counts.at_ms - before.at_ms) / 1000 : 0;
    if (seconds > 0) {
      for (const { name, calls } of counts.items) {
        const now = Math.max(0, calls - (before.calls.get(name) ?? 0)) / seconds;
        const smooth = this.#rates.has(name) ? this.#rates.get(name) * SMOOTH + now * (1 - SMOOTH) : now;
        this.#rates.set(name, smooth < 0.05 ? 0 : smooth);
      }
    }
    this.#latest = counts;
    this.#show(counts);
  }

  #show({ items }) {
    const rate = ({ name }) => this.#rates.get(name) ?? 0;
    const sorted = [...items].sort((one, other) => rate(other) - rate(one) || other.calls - one.calls);
    const shown = this.#isAll ? sorted : sorted.slice(0, COMMANDS_SHOWN);
    this.#rows = fill($("commands-rows"), this.#rows, shown, ({ name }) => name, () =>
      row(
        {
          name: cell("", { header: true }),
          rate: cell("", { label: "A second", className: "number" }),
          calls: cell("", { label: "Calls", className: "number" }),
          each: cell("", { label: "Each", className: "number" }),
          failed: cell("", { label: "Failed", className: "number" }),
        },
        (cells, item) => {
          const now = rate(item);
          setText(cells.name, item.name.replace("|", " "));
          setText(cells.rate, now >= 10 ? count(Math.round(now)) : now > 0 ? now.toFixed(1) : "0");
          setText(cells.calls, count(item.calls));
          setText(cells.each, item.calls ? microseconds(item.us / item.calls) : "–");
          setText(cells.failed, count(item.failed));
          cells.failed.classList.toggle("bad", item.failed > 0);
        },
      ),
    );
    $("commands-empty").hidden = items.length > 0;
    $("commands-all").hidden = items.length <= COMMANDS_SHOWN;
    setText($("commands-all"), this.#isAll ? "Fewer" : `All ${count(items.length)}`);
  }
}

export class SlowLog {
  #rows = new Map();

  constructor(ask) {
    $("slow-forget").addEventListener("click", () =>
      ask.open({
        title: "Forget the slow commands",
        words: "The list becomes empty, for every client that reads it too.",
        verb: "Forget them",
        danger: true,
        harmless: true,
        run: async () => {
          this.#show(await remove("/v1/store/slowlog"));
          setText($("slow-notice"), "The slow log is empty now.");
        },
      }),
    );
  }

  async load() {
    try {
      this.#show(await get("/v1/store/slowlog"));
    } catch (problem) {
      setText($("slow-notice"), `The slow log cannot be read: ${reason(problem)}`);
    }
  }

  #show(log) {
    const { longer_than_us: limit, items } = log;
    const off = limit < 0;
    const kept = off ? "nothing is kept" : `commands of ${limit === 0 ? "any length" : `${microseconds(limit)} and more`}, newest first`;
    setText($("slow-hint"), kept);
    $("slow-scroll").hidden = items.length === 0;
    $("slow-forget").hidden = items.length === 0;
    $("slow-empty").hidden = items.length > 0;
    setText($("slow-empty"), off ? "The slow log is off: slowlog-log-slower-than is negative." : "No command took that long.");
    this.#rows = fill($("slow-rows"), this.#rows, items, ({ id }) => id, (slow) =>
      row(
        {
          time: cell(timeOfDay(slow.at_ms), { className: "time" }),
          took: cell(microseconds(slow.took_us), { className: "number took" }),
          words: cell(slow.words.map((word) => visible(word)).join(" "), { className: "words" }),
          client: cell([slow.address, slow.client].filter(Boolean).join(" "), { className: "address" }),
        },
        () => {},
      ),
    );
  }
}

export class Clients {
  #rows = new Map();
  #before = [];
  #cursor = 0;
  #next = null;

  constructor() {
    $("clients-back").addEventListener("click", () => {
      this.#cursor = this.#before.pop();
      this.load();
    });
    $("clients-next").addEventListener("click", () => {
      this.#before.push(this.#cursor);
      this.#cursor = this.#next;
      this.load();
    });
  }

  async load() {
    try {
      const page = await get("/v1/store/clients", { after: this.#cursor, limit: CLIENTS_PAGE });
      if (page.items.length === 0 && this.#before.length > 0) {
        this.#cursor = this.#before.pop();
        return this.load();
      }
      this.#show(page);
    } catch (problem) {
      setText($("clients-hint"), `they cannot be read: ${reason(problem)}`);
    }
    return undefined;
  }

  #show(page) {
    this.#next = page.next;
    setText($("clients-hint"), `${counted(page.total, "connection")}, in the order in which they came`);
    this.#rows = fill($("clients-rows"), this.#rows, page.items, ({ id }) => id, () => {
      const address = element("span");
      const name = element("span", { className: "session-id" });
      return row(
        {
          who: cell([address, name], { header: true, className: "who" }),
          state: cell("", { label: "State" }),
          command: cell("", { label: "Last command" }),
          database: cell("", { label: "Database", className: "number" }),
          commands: cell("", { label: "Commands", className: "number" }),
          in: cell("", { label: "In", className: "number" }),
          out: cell("", { label: "Out", className: "number" }),
          idle: cell("", { label: "Silent for", className: "number" }),
          age: cell("", { label: "Age", className: "number" }),
        },
        (cells, client) => {
          setText(address, client.address);
          setText(name, visible([client.name, client.library].filter(Boolean).join(", ")));
          setText(cells.state, client.pending_bytes > 65_536 ? `${client.state}, reads slowly` : client.state);
          setText(cells.command, client.command === "NULL" ? "none" : client.command.replace("|", " "));
          setText(cells.database, String(client.database));
          setText(cells.commands, count(client.commands));
          setText(cells.in, byteSize(client.bytes_in));
          setText(cells.out, byteSize(client.bytes_out));
          setText(cells.idle, duration(client.idle_ms));
          setText(cells.age, duration(client.age_ms));
        },
      );
    });
    const pages = this.#before.length > 0 || page.next != null;
    $("clients-pages").hidden = !pages;
    $("clients-back").disabled = this.#before.length === 0;
    $("clients-next").disabled = page.next == null;
    const first = this.#before.length * CLIENTS_PAGE + 1;
    setText($("clients-range"), pages ? `${count(first)} to ${count(first + page.items.length - 1)} of ${count(page.total)}` : "");
  }
}
