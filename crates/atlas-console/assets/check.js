// What the demo's players verified themselves; shown only on a node that runs the demo.

import { get } from "./api.js";
import { count, counted, element, milliseconds, setText } from "./format.js";

const $ = (id) => document.getElementById(id);
const EVERY_MS = 1000;
/** What may have gone wrong, as the players or the servers count it. */
const FAULTS = [
  ["lost", "answer lost", "answers lost"],
  ["doubled", "answer doubled", "answers doubled"],
  ["reordered", "answer out of order", "answers out of order"],
  ["server_gaps", "message missed by a server", "messages missed by servers"],
  ["server_doubles", "message doubled at a server", "messages doubled at servers"],
  ["state_breaks", "break in a player’s state", "breaks in players’ states"],
  ["closed", "connection closed", "connections closed"],
];
/** Without a demo the node has nothing to tell; look again only now and then (it may be started anew with one). */
const ABSENT_MS = 30_000;

export class Check {
  #timer = 0;

  /** Asks now, and goes on asking. */
  async start() {
    clearTimeout(this.#timer);
    let pause = EVERY_MS;
    try {
      const demo = document.hidden ? undefined : await get("/v1/demo");
      if (demo) this.#show(demo);
      else if (demo === null) {
        $("check").hidden = true;
        pause = ABSENT_MS;
      }
    } catch (problem) {
      if (problem.status) {
        $("check").hidden = true;
        pause = ABSENT_MS;
      }
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.start(), pause);
  }

  #show(demo) {
    $("check").hidden = false;
    const broken = FAULTS.filter(([key]) => demo[key] > 0).map(([key, one, many]) => counted(demo[key], one, many));

    const whole = broken.length === 0;
    const verdict = $("check-verdict");
    verdict.dataset.whole = String(whole);
    setText(verdict, whole ? "Nothing lost" : broken.join(", "));
    setText(
      $("check-words"),
      `${counted(demo.players, "player")} (${count(demo.connected)} connected) sent ${count(demo.sent)} messages and got ` +
        `${count(demo.answered)} answers across ${counted(demo.server_changes, "change")} of server` +
        (whole ? ", each once and in order, on connections that never closed." : ".") +
        (!whole && demo.first_error ? ` First: ${demo.first_error}` : ""),
    );
    const figures = [
      ["Lost", count(demo.lost), demo.lost > 0],
      ["Doubled", count(demo.doubled), demo.doubled > 0],
      ["Reordered", count(demo.reordered), demo.reordered > 0],
      ["Closed", count(demo.closed), demo.closed > 0],
      ["Answer p50", milliseconds(demo.answer_ms?.p50)],
      ["Answer p99", milliseconds(demo.answer_ms?.p99)],
    ];
    const list = $("check-figures");
    if (list.childElementCount !== figures.length) {
      list.replaceChildren(
        ...figures.map(([name]) => element("div", { children: [element("dt", { text: name }), element("dd")] })),
      );
    }
    figures.forEach(([, value, bad], index) => {
      const shown = list.children[index].lastElementChild;
      setText(shown, value);
      shown.classList.toggle("bad", Boolean(bad));
    });
  }
}
