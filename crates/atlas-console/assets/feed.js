// The transfers as they happen, newest first.

import { cell, count, counted, element, milliseconds, serverName, setText, shortId, timeOfDay } from "./format.js";

const $ = (id) => document.getElementById(id);
const ROWS_MAX = 100;
/** How often, at most, the feed speaks to a screen reader. */
const SAY_EVERY_MS = 15_000;

export class Feed {
  #palette;
  #unsaid = { done: 0, aborted: 0, failed: 0 };
  #saidAt = 0;
  #seen = 0;
  #waiting = [];
  #held = false;
  #frame = 0;

  constructor(palette) {
    this.#palette = palette;
    setInterval(() => this.#say(), 1000);
  }

  /** Takes a transfer; rows are drawn together, once a frame, however many came. */
  take(transfer) {
    this.#seen += 1;
    if (transfer.outcome in this.#unsaid) this.#unsaid[transfer.outcome] += 1;
    this.#waiting.push({ ...transfer, time: timeOfDay(transfer.at_ms) });
    if (this.#waiting.length > ROWS_MAX) this.#waiting.shift();
    this.#flush();
  }

  /** Holds the list still, or lets it go on. */
  hold(held) {
    this.#held = held;
    this.#flush();
  }

  #flush() {
    if (this.#frame || this.#held || this.#waiting.length === 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#held) return;
      $("feed-empty").hidden = true;
      const rows = $("feed-rows");
      const scroller = $("feed-scroll");
      const before = scroller.scrollHeight;
      rows.prepend(...this.#waiting.reverse().map((transfer) => this.#row(transfer)));
      this.#waiting = [];
      while (rows.childElementCount > ROWS_MAX) rows.lastElementChild.remove();
      // A reader who has scrolled down stays at the row they read.
      if (scroller.scrollTop > 0) scroller.scrollTop += scroller.scrollHeight - before;
      setText($("feed-hint"), `${count(this.#seen)} seen, newest first`);
    });
  }

  #row({ player, session, from, to, reason, outcome, why, held_ms, time }) {
    const way = [serverName(this.#palette, from), arrow(), serverName(this.#palette, to)];
    if (why && outcome !== "done") way.push(element("span", { className: "why", text: why }));
    const result = element("span", { className: `outcome ${outcome}`, text: outcome });
    return element("tr", {
      role: "row",
      children: [
        cell(time, { className: "time" }),
        cell(player ?? shortId(session), { className: "player" }),
        cell(way, { className: "way" }),
        cell(reason, { className: reason === "failover" ? "reason failover" : "reason" }),
        cell(result, { className: "result" }),
        cell(milliseconds(held_ms), { className: "number held" }),
      ],
    });
  }

  /** Politely, and in one sentence for many: a row each time would drown a screen reader. */
  #say() {
    const { done, aborted, failed } = this.#unsaid;
    const now = performance.now();
    if (done + aborted + failed === 0 || now - this.#saidAt < SAY_EVERY_MS) return;
    this.#saidAt = now;
    const parts = [];
    if (done) parts.push(`${counted(done, "transfer")} done`);
    if (aborted) parts.push(`${count(aborted)} aborted`);
    if (failed) parts.push(`${count(failed)} failed`);
    setText($("feed-said"), parts.join(", "));
    this.#unsaid = { done: 0, aborted: 0, failed: 0 };
  }
}

function arrow() {
  return element("span", {
    className: "arrow",
    children: [element("span", { className: "unseen", text: " to " })],
  });
}
