// The world stream, kept open: when it is lost, it says so, and tries again with growing pauses.

const EVENTS = ["world", "players", "transfer", "totals"];
/** The node sends totals each second; a stream that is silent for so long is lost, whatever the browser believes. */
const SILENCE_MS = 6000;
const PAUSES_MS = [500, 1000, 2000, 4000, 8000];

/**
 * Dispatches each event of the stream under its name with its data as `detail`, and `state` whenever the state
 * changes: `connecting`, `live`, `lost` (with `retryAt`) or `refused` (the node wants a sign-in).
 */
export class Stream extends EventTarget {
  #url;
  #source = null;
  #timer = 0;
  #failures = 0;
  #heardAt = 0;

  constructor(url) {
    super();
    this.#url = url;
    this.state = "connecting";
    setInterval(() => {
      if (this.state === "live" && performance.now() - this.#heardAt > SILENCE_MS) this.#lose();
    }, 1000);
  }

  /** Opens the stream now, whatever it did before. */
  open() {
    clearTimeout(this.#timer);
    this.#source?.close();
    const source = new EventSource(this.#url);
    this.#source = source;
    source.addEventListener("error", () => source === this.#source && this.#lose());
    for (const name of EVENTS) {
      source.addEventListener(name, (event) => {
        if (source !== this.#source) return;
        this.#heardAt = performance.now();
        if (this.state !== "live") {
          this.#failures = 0;
          this.#become("live");
        }
        this.dispatchEvent(new CustomEvent(name, { detail: JSON.parse(event.data) }));
      });
    }
  }

  async #lose() {
    this.#source?.close();
    this.#source = null;
    const pause = PAUSES_MS[Math.min(this.#failures, PAUSES_MS.length - 1)];
    this.#failures += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.open(), pause);
    this.#become("lost", Date.now() + pause);
    // An event source does not tell why it failed; a plain request does.
    try {
      const { status } = await fetch("/v1/servers", { credentials: "same-origin", cache: "no-store" });
      if ((status === 401 || status === 403) && this.state === "lost") this.#become("refused", Date.now() + pause);
    } catch {
      // The node is away: lost is the word.
    }
  }

  #become(state, retryAt = 0) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, retryAt } }));
  }
}
