// The dialog that begins to empty a server, and the order that takes that back.

import { post } from "./api.js";
import { counted, setText } from "./format.js";

const $ = (id) => document.getElementById(id);

const address = (server) => `/v1/servers/${encodeURIComponent(server.world)}/${encodeURIComponent(server.id)}/drain`;
const words = (problem) => (problem.status ? problem.message : "the node cannot be reached");

export class Drain {
  #servers = [];
  #server = null;
  #busy = false;
  #done;

  /** `done(words)` is told what came of an order. */
  constructor(done) {
    this.#done = done;
    $("drain-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#confirm();
    });
    $("drain-cancel").addEventListener("click", () => $("drain").close());
    // A click on the backdrop is a click on the dialog itself.
    $("drain").addEventListener("click", (event) => event.target === $("drain") && $("drain").close());
  }

  takeServers(servers) {
    this.#servers = servers;
  }

  /** Opens the dialog for a server object of the API. */
  open(server) {
    this.#server = server;
    const others = this.#servers.filter((other) => other.id !== server.id && other.state === "active");
    setText($("drain-title"), `Drain ${server.id}`);
    setText(
      $("drain-words"),
      `${server.id} has ${counted(server.sessions, "player")}. It gets nobody new, and its players are moved to other ` +
        "servers while their connections stay open. It stays closed to new players until you take the drain back." +
        (others.length ? "" : " No other server takes players now: whoever is left at the deadline is closed."),
    );
    $("drain-deadline").value = "";
    setText($("drain-notice"), "");
    $("drain").showModal();
    // Nothing is begun by the key that opened the dialog.
    $("drain-cancel").focus();
  }

  /** Takes a drain back: nobody is hurt by that, so nobody is asked. */
  async takeBack(server) {
    try {
      await post(address(server), { cancel: true });
      this.#done(`${server.id} gets players again.`);
    } catch (problem) {
      this.#done(`The drain of ${server.id} was not taken back: ${words(problem)}`);
    }
  }

  async #confirm() {
    if (this.#busy || !this.#server) return;
    const server = this.#server;
    const deadline = $("drain-deadline").value;
    this.#busy = true;
    $("drain-confirm").disabled = true;
    try {
      await post(address(server), deadline ? { deadline } : {});
      $("drain").close();
      this.#done(`${server.id} gets nobody new and is being emptied.`);
    } catch (problem) {
      setText($("drain-notice"), `Not drained: ${words(problem)}`);
    } finally {
      this.#busy = false;
      $("drain-confirm").disabled = false;
    }
  }
}
