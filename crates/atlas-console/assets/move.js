// The dialog that moves one player: choose a server, confirm, and hear what came of it.

import { post } from "./api.js";
import { element, milliseconds, places, setText, shortId } from "./format.js";

const $ = (id) => document.getElementById(id);

export class Move {
  #servers = [];
  #session = null;
  #busy = false;
  #done;

  /** `done(words)` is told after a player was moved. */
  constructor(done) {
    this.#done = done;
    $("move-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#confirm();
    });
    $("move-cancel").addEventListener("click", () => $("move").close());
    // A click on the backdrop is a click on the dialog itself.
    $("move").addEventListener("click", (event) => event.target === $("move") && $("move").close());
  }

  takeServers(servers) {
    this.#servers = servers;
  }

  /** Opens the dialog for a session object of the API. */
  open(session) {
    this.#session = session;
    const name = session.player ?? shortId(session.id);
    const others = this.#servers.filter((server) => server.id !== session.server);
    const fit = (server) => server.state === "active" && server.health !== "down";
    const options = others.map((server) => {
      const words = fit(server) ? places(server) : server.state;
      const option = element("option", { text: `${server.id} (${words})`, value: server.id });
      option.disabled = !fit(server);
      return option;
    });
    $("move-server").replaceChildren(...options);
    const first = others.find(fit);
    $("move-server").value = first?.id ?? "";
    $("move-confirm").disabled = !first;
    setText($("move-title"), `Move ${name}`);
    setText(
      $("move-words"),
      first
        ? `${name} plays on ${session.server}. The connection stays open and nothing is lost. Where regions decide, a ` +
            "player outside the chosen server’s region is soon moved back."
        : `${name} plays on ${session.server}, and no other server can take a player now.`,
    );
    setText($("move-notice"), "");
    $("move").showModal();
    (first ? $("move-server") : $("move-cancel")).focus();
  }

  async #confirm() {
    if (this.#busy || !this.#session) return;
    const session = this.#session;
    const name = session.player ?? shortId(session.id);
    const server = $("move-server").value;
    this.#busy = true;
    $("move-confirm").disabled = true;
    setText($("move-notice"), "Moving…");
    try {
      const result = await post(`/v1/sessions/${encodeURIComponent(session.id)}/transfer`, { server });
      if (result.outcome === "done") {
        $("move").close();
        this.#done(`${name} was moved from ${result.from} to ${result.to} in ${milliseconds(result.held_ms)}.`);
      } else {
        setText($("move-notice"), `Not moved: ${[result.outcome, result.why].filter(Boolean).join(", ")}.`);
      }
    } catch (problem) {
      const words = problem.status ? problem.message : "the node cannot be reached";
      setText($("move-notice"), `Not moved: ${words}`);
    } finally {
      this.#busy = false;
      $("move-confirm").disabled = false;
    }
  }
}
