// The list of keys: searched by the store piece by piece, never all of them; one is chosen to be looked at.

import { get, reason } from "./api.js";
import { same, visible } from "./bytes.js";
import { byteSize, cell, count, counted, duration, element, setText } from "./format.js";

const $ = (id) => document.getElementById(id);
/** Fewer on a phone, where the value is shown below them. */
const PAGE = matchMedia("(max-width: 720px)").matches ? 10 : 25;
const TYPING_MS = 350;
/** A search that finds little asks so often before it waits for a person. */
const ROUNDS_MAX = 40;

const TYPES = { string: "string", hash: "hash", list: "list", set: "set", zset: "sorted set", stream: "stream" };

/** A type in words. */
export function typeName(type) {
  return TYPES[type] ?? type;
}

/** A value's size in words. */
export function sizeText({ type, size }) {
  if (type === "string") return byteSize(size);
  return counted(size, { hash: "field", zset: "member", set: "member" }[type] ?? "element");
}

export class Keys {
  #open;
  #chosen = null;
  #before = [];
  #cursor = "";
  #looked = 0;
  #next = null;
  #asked = 0;
  #isStopped = false;

  /** `open(key, database)` is told which key is chosen, as the API names it. */
  constructor(open) {
    this.#open = open;
    let typing = 0;
    $("keys-pattern").addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.restart(), TYPING_MS);
    });
    $("keys-tools").addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(typing);
      this.restart();
    });
    $("keys-type").addEventListener("change", () => this.restart());
    $("keys-database").addEventListener("change", () => this.restart());
    $("keys-refresh").addEventListener("click", () => this.load());
    $("keys-stop").addEventListener("click", () => (this.#isStopped = true));
    $("keys-back").addEventListener("click", () => {
      ({ cursor: this.#cursor, looked: this.#looked } = this.#before.pop());
      this.load();
    });
    $("keys-next").addEventListener("click", () => this.#onward());
  }

  /** The database that is looked at. */
  get database() {
    return Number($("keys-database").value);
  }

  /** The databases that hold keys; the chosen one stays. */
  takeDatabases(databases) {
    const select = $("keys-database");
    const numbers = new Map(databases.map(({ number, keys }) => [number, keys]));
    for (const number of [0, this.database]) if (!numbers.has(number)) numbers.set(number, 0);
    const sorted = [...numbers].sort(([one], [other]) => one - other);
    const shape = sorted.map(([number]) => number).join();
    if (select.dataset.shape !== shape) {
      const chosen = select.value;
      select.dataset.shape = shape;
      select.replaceChildren(...sorted.map(([number]) => element("option", { value: String(number) })));
      select.value = chosen;
    }
    sorted.forEach(([number, keys], index) => setText(select.options[index], `Database ${number} (${count(keys)})`));
  }

  /** Marks the key that is looked at; none with null. */
  mark(key) {
    this.#chosen = key;
    for (const row of $("keys-rows").children) row.dispatchEvent(new CustomEvent("mark"));
  }

  /** Searches anew, from the first page. */
  restart() {
    this.#before = [];
    this.#cursor = "";
    this.#looked = 0;
    this.load();
  }

  #onward() {
    this.#before.push({ cursor: this.#cursor, looked: this.#looked });
    this.#cursor = this.#next.cursor;
    this.#looked = this.#next.looked;
    this.load();
  }

  /** Loads the page: asks until there is a page of keys, all were looked at, or somebody stops it. */
  async load() {
    this.#asked += 1;
    const asked = this.#asked;
    this.#isStopped = false;
    const found = [];
    let cursor = this.#cursor;
    let looked = this.#looked;
    const question = {
      database: this.database,
      pattern: $("keys-pattern").value,
      type: $("keys-type").value,
    };
    try {
      for (let round = 0; round < ROUNDS_MAX; round += 1) {
        const page = await get("/v1/store/keys", { ...question, limit: PAGE - found.length, cursor });
        if (asked !== this.#asked) return;
        found.push(...page.items);
        cursor = page.next;
        looked = cursor ? looked + page.looked : page.total;
        const isOver = !cursor || found.length >= PAGE || this.#isStopped || round === ROUNDS_MAX - 1;
        this.#show(found, { cursor, looked, total: page.total, isOver, question });
        if (isOver) return;
      }
    } catch (problem) {
      if (asked === this.#asked) setText($("keys-notice"), `The keys cannot be read: ${reason(problem)}`);
      $("keys-stop").hidden = true;
    }
  }

  #show(found, { cursor, looked, total, isOver, question }) {
    setText($("keys-notice"), "");
    this.#next = cursor ? { cursor, looked } : null;
    const rows = found.map((view) => this.#row(view));
    $("keys-rows").replaceChildren(...rows);

    const isSearch = question.pattern !== "" || question.type !== "";
    const isWhole = question.pattern !== "" && !/[*?[\\]/.test(question.pattern);
    $("keys-empty").hidden = found.length > 0 || !isOver;
    const empty = $("keys-empty");
    if (isWhole) {
      const around = `*${question.pattern}*`;
      const button = element("button", { className: "quiet", type: "button", text: `Search for ${around}` });
      button.addEventListener("click", () => {
        $("keys-pattern").value = around;
        $("keys-pattern").focus();
        this.restart();
      });
      empty.replaceChildren("No key has exactly this name. ", button);
    } else if (isSearch) {
      setText(empty, cursor ? `Nothing found yet, after ${count(looked)} keys.` : "No key matches.");
    } else {
      setText(empty, "This database holds no keys.");
    }

    const parts = [];
    if (!isOver) parts.push(`searching, ${count(looked)} of ${count(total)} looked at`);
    else if (isSearch && !isWhole) parts.push(`${count(looked)} of ${count(total)} looked at`);
    else if (!isWhole && found.length) {
      const first = Math.min(this.#looked + 1, looked);
      parts.push(cursor ? `about ${count(first)} to ${count(looked)} of ${count(total)}` : `to the last of ${count(total)}`);
    }
    setText($("keys-range"), parts.join(""));
    $("keys-stop").hidden = isOver;
    const focused = document.activeElement;
    $("keys-back").disabled = this.#before.length === 0 || !isOver;
    $("keys-next").disabled = !cursor || !isOver;
    setText($("keys-next"), isSearch && found.length < PAGE && cursor ? "Search on" : "Next");
    // A button that goes out under the focus hands it to its neighbour.
    if (isOver && focused === $("keys-next") && $("keys-next").disabled) $("keys-back").focus();
    if (isOver && focused === $("keys-back") && $("keys-back").disabled) $("keys-next").focus();
  }

  #row(view) {
    const { data, is_cut: isCut } = view.key;
    const button = element("button", { className: "key-name", type: "button" });
    setText(button, isCut ? `${visible(data)}…` : visible(data) || "(the empty name)");
    button.disabled = isCut;
    if (isCut) button.title = `a name of ${byteSize(view.key.bytes)}: too long to be looked at here`;
    button.addEventListener("click", () => this.#open(data, this.database));
    const node = element("tr", {
      role: "row",
      children: [
        cell(button, { header: true }),
        cell(typeName(view.type), { className: "type" }),
        cell(sizeText(view), { className: "number size" }),
        cell(view.ttl_ms == null ? "never" : duration(view.ttl_ms), {
          className: view.ttl_ms == null ? "number ttl forever" : "number ttl",
        }),
      ],
    });
    const mark = () => {
      const isChosen = this.#chosen !== null && same(this.#chosen, data);
      node.classList.toggle("is-chosen", isChosen);
      if (isChosen) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    };
    node.addEventListener("mark", mark);
    mark();
    return node;
  }
}

