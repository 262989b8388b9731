// The figures at the top: what is, and what moves in a second.

import { byteRate, count, counted, setText } from "./format.js";
import { Sparkline } from "./sparkline.js";

const $ = (id) => document.getElementById(id);

export class Overview {
  #last = null;
  #sparks = {
    sessions: new Sparkline($("sessions-spark")),
    transfers: new Sparkline($("transfers-spark")),
    in: new Sparkline($("in-spark")),
    out: new Sparkline($("out-spark")),
  };

  takeServers(servers) {
    const well = servers.filter((server) => server.health === "healthy" && server.state !== "down").length;
    setText($("servers-now"), count(servers.length));
    const others = [
      [servers.filter((server) => server.state === "down" || server.health === "down").length, "down"],
      [servers.filter((server) => server.state === "draining" || server.state === "drained").length, "draining"],
      [servers.filter((server) => server.health === "suspect").length, "suspect"],
    ];
    const words = others.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
    const all = servers.length > 0 && well === servers.length;
    $("servers-under").classList.toggle("bad", others[0][0] > 0);
    setText($("servers-under"), words.length ? words.join(" · ") : all ? "all healthy" : "none listed");
  }

  takeTotals(totals) {
    const { transfers } = totals;
    setText($("sessions-now"), count(totals.sessions));
    setText($("sessions-under"), counted(totals.connections_total, "connection") + " so far");
    setText($("transfers-now"), count(transfers.done));
    setText($("transfers-under"), `${count(transfers.aborted)} aborted · ${count(transfers.failed)} failed`);
    this.#sparks.sessions.add(totals.sessions);

    const last = this.#last;
    this.#last = totals;
    const seconds = last ? (totals.at_ms - last.at_ms) / 1000 : 0;
    // Counters that went back belong to a node that was started again.
    if (!(seconds > 0) || totals.messages_in_total < last.messages_in_total) return;
    const rate = (key) => Math.max(0, totals[key] - last[key]) / seconds;
    for (const way of ["in", "out"]) {
      const messages = rate(`messages_${way}_total`);
      setText($(`${way}-now`), `${count(Math.round(messages))}/s`);
      setText($(`${way}-under`), byteRate(rate(`bytes_${way}_total`)));
      this.#sparks[way].add(messages);
    }
    this.#sparks.transfers.add(Math.max(0, transfers.done - last.transfers.done) / seconds);
  }

  /** After a lost stream rates begin anew. */
  reset() {
    this.#last = null;
  }
}
