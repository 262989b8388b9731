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

  constructor(palette) {
    this.#palette = palette;
    setInterval(() => this.#say(), 1000);
  }

  take(transfer) {
    const { at_ms, player, session, from, to, reason, outcome, why, held_ms } = transfer;
    $("feed-empty").hidden = true;
    const way = [serverName(this.#palette, from), arrow(), serverName(this.#palette, to)];
    if (why && outcome !== "done") way.push(element("span", { className: "why", text: why }));
    const result = element("span", { className: `outcome ${outcome}`, text: outcome });
    const row = element("tr", {
      role: "row",
      children: [
        cell(timeOfDay(at_ms), { className: "time" }),
        cell(player ?? shortId(session), { className: "player" }),
        cell(way, { className: "way" }),
        cell(reason, { className: "reason" }),
        cell(result, { className: "result" }),
        cell(milliseconds(held_ms), { className: "number held" }),
      ],
    });
    const rows = $("feed-rows");
    const scroller = $("feed-scroll");
    const before = scroller.scrollHeight;
    rows.prepend(row);
    while (rows.childElementCount > ROWS_MAX) rows.lastElementChild.remove();
    // A reader who has scrolled down stays at the row they read.
    if (scroller.scrollTop > 0) scroller.scrollTop += scroller.scrollHeight - before;
    this.#seen += 1;
    setText($("feed-hint"), `${count(this.#seen)} seen, newest first`);
    if (outcome in this.#unsaid) this.#unsaid[outcome] += 1;
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
