// What one key holds, page by page, and the orders that change it.

import { get, post, put, reason, remove } from "./api.js";
import { fromHex, hexLines, isEditableText, isText, named, rawBytes, same, toHex, visible, visibleLines } from "./bytes.js";
import { byteSize, cell, count, duration, element, setText } from "./format.js";
import { sizeText, typeName } from "./keys.js";

const $ = (id) => document.getElementById(id);
const PAGE = 50;
/** Names in titles and sentences are cut to so many characters. */
const NAME_MAX = 60;

const COLUMNS = {
  hash: ["Field", "Value"],
  list: ["Position", "Element"],
  set: ["Member"],
  zset: ["Member", "Score"],
};
const ADDS = { hash: "Set a field", list: "Add an element", set: "Add a member", zset: "Add a member" };
const UNITS = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** A name or a value in a sentence. */
function short(data) {
  const text = visible(data);
  return text.length > NAME_MAX ? `${text.slice(0, NAME_MAX)}…` : text;
}

function quoted(data) {
  return `“${short(data)}”`;
}

/** A value in a sentence, with its size: two long ones may begin alike. */
function weighed(data) {
  const size = isText(data) ? new TextEncoder().encode(data).length : rawBytes(data).length;
  return `${quoted(data)}, ${byteSize(size)}`;
}

/** A number of milliseconds from what somebody wrote: 90s, 5 min, 1d. */
export function milliseconds(written) {
  const found = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)\s*$/.exec(written);
  const value = found ? Math.round(Number(found[1]) * UNITS[found[2]]) : NaN;
  return value >= 1 ? value : null;
}

export class Value {
  #ask;
  #changed;
  #key = null;
  #database = 0;
  #view = null;
  #before = [];
  #cursor = "";
  #next = null;
  #asked = 0;

  /** `changed(key)` is told after an order, with the key to look at, or null if it is gone. */
  constructor(ask, changed) {
    this.#ask = ask;
    this.#changed = changed;
    $("value-refresh").addEventListener("click", () => this.load());
    $("value-add").addEventListener("click", () => this.#editItem(null));
    $("value-ttl").addEventListener("click", () => this.#editTtl());
    $("value-rename").addEventListener("click", () => this.#rename());
    $("value-delete").addEventListener("click", () => this.#delete());
    $("value-back").addEventListener("click", () => {
      this.#cursor = this.#before.pop();
      this.load();
    });
    $("value-next").addEventListener("click", () => {
      this.#before.push(this.#cursor);
      this.#cursor = this.#next;
      this.load();
    });
    $("keys-new").addEventListener("click", () => this.#create());
  }

  /** Shows a key of a database. */
  open(key, database) {
    this.#key = key;
    this.#database = database;
    this.#before = [];
    this.#cursor = "";
    setText($("value-notice"), "");
    return this.load();
  }

  /** Shows no key. */
  close(words = "Choose a key to see what it holds.") {
    this.#key = null;
    this.#asked += 1;
    setText($("value-title"), "No key chosen");
    setText($("value-about"), words);
    setText($("value-notice"), "");
    $("value-actions").hidden = true;
    $("value-pages").hidden = true;
    $("value-body").replaceChildren();
  }

  /** Reads the page again. */
  async load() {
    if (this.#key === null) return;
    this.#asked += 1;
    const asked = this.#asked;
    const question = { database: this.#database, ...named(this.#key), cursor: this.#cursor, limit: PAGE };
    try {
      // An empty name is a name: it is not left out.
      const path = `/v1/store/key?${new URLSearchParams(question)}`.replace("cursor=&", "");
      const page = await get(path);
      if (asked === this.#asked) this.#show(page);
    } catch (problem) {
      if (asked !== this.#asked) return;
      if (problem.status === 404) {
        const gone = `${quoted(this.#key)} is gone: it expired or was deleted.`;
        this.close(gone);
        this.#changed(null);
      } else {
        setText($("value-notice"), `It cannot be read: ${reason(problem)}`);
      }
    }
  }

  #show(page) {
    const { key: view, items } = page;
    this.#view = view;
    this.#next = page.next;
    setText($("value-title"), visible(this.#key) || "(the empty name)");
    const about = [
      typeName(view.type),
      sizeText(view),
      `${byteSize(view.memory_bytes)} of memory`,
      view.encoding,
      view.ttl_ms == null ? "does not expire" : `expires in ${duration(view.ttl_ms)}`,
    ];
    if (this.#database !== 0) about.push(`database ${this.#database}`);
    setText($("value-about"), about.join(" · "));
    $("value-actions").hidden = false;
    $("value-add").hidden = !ADDS[view.type];
    setText($("value-add"), ADDS[view.type] ?? "");
    $("value-body").replaceChildren(...this.#body(view, items));
    const pages = this.#before.length > 0 || page.next != null;
    $("value-pages").hidden = !pages;
    $("value-back").disabled = this.#before.length === 0;
    $("value-next").disabled = page.next == null;
    setText($("value-range"), pages ? this.#range(view, items) : "");
  }

  #range(view, items) {
    if (items.length === 0) return "";
    if (view.type === "string") {
      const from = items[0].index;
      const to = this.#next == null ? view.size : Number(this.#next);
      return `bytes ${count(from)} to ${count(to)} of ${count(view.size)}`;
    }
    if (view.type === "list" || view.type === "zset") {
      const from = Number(this.#cursor || 0);
      return `${count(from + 1)} to ${count(from + items.length)} of ${count(view.size)}`;
    }
    return `page ${count(this.#before.length + 1)}, ${count(view.size)} in all`;
  }

  #body(view, items) {
    if (view.type === "string") return this.#string(items[0]);
    const columns = COLUMNS[view.type];
    if (!columns) {
      const words = `A ${typeName(view.type)} is not shown here yet; the store’s clients read it.`;
      return [element("p", { className: "empty", text: words })];
    }
    const header = (text) => element("th", { role: "columnheader", scope: "col", text });
    const heads = columns.map((text) => header(text));
    heads.push(element("th", {
      role: "columnheader",
      scope: "col",
      children: [element("span", { className: "unseen", text: "Actions" })],
    }));
    const head = element("thead", { role: "rowgroup", children: [element("tr", { role: "row", children: heads })] });
    const rows = items.map((item) => this.#item(view, item));
    const body = element("tbody", { role: "rowgroup", children: rows });
    return [
      element("table", {
        className: `items of-${view.type}`,
        role: "table",
        "aria-labelledby": "value-title",
        children: [head, body],
      }),
    ];
  }

  #string(item) {
    const { data, is_cut: isCut, bytes } = item.value;
    const text = isText(data) ? visibleLines(data) : hexLines(rawBytes(data), item.index);
    const shown = element("pre", { className: isText(data) ? "text" : "hex", tabindex: "0", role: "region", text });
    shown.setAttribute("aria-label", "Value");
    const parts = [];
    if (!isText(data)) parts.push(element("p", { className: "hint", text: "Not text: its bytes in hexadecimal." }));
    parts.push(bytes === 0 ? element("p", { className: "empty", text: "An empty string." }) : shown);
    const button = element("button", { type: "button", className: "quiet", text: "Edit value" });
    button.disabled = isCut;
    if (isCut) button.title = "too long to be edited here";
    button.addEventListener("click", () => this.#editItem(item));
    parts.push(element("div", { className: "actions", children: [button] }));
    return parts;
  }

  #item(view, item) {
    const part = (shown, className) => {
      const text = isText(shown.data) ? visible(shown.data) : visible(shown.data);
      const made = element("span", { className: isText(shown.data) ? className : `${className} binary`, text });
      if (!isText(shown.data)) made.title = "not text: bytes that are not ASCII are escaped";
      const rest = shown.is_cut ? element("span", { className: "hint", text: ` … ${byteSize(shown.bytes)} in all` }) : "";
      return [made, rest];
    };
    const cells = [];
    if (view.type === "list") cells.push(cell(count(item.index), { header: true, className: "position" }));
    else cells.push(cell(part(item.name, "name"), { header: true, className: "item-name" }));
    if (item.value) cells.push(cell(part(item.value, "data"), { className: "item-value" }));
    if (item.score != null) cells.push(cell(item.score, { className: "score" }));
    const what = view.type === "list" ? `element ${count(item.index)}` : short(item.name.data);
    const isCut = Boolean(item.value?.is_cut || item.name?.is_cut);
    const buttons = [];
    if (view.type !== "set") {
      const edit = element("button", { className: "quiet", type: "button", text: "Edit", "aria-label": `Edit ${what}` });
      edit.addEventListener("click", () => this.#editItem(item));
      buttons.push(edit);
    }
    const drop = element("button", { className: "quiet", type: "button", text: "Remove", "aria-label": `Remove ${what}` });
    drop.addEventListener("click", () => this.#removeItem(item));
    buttons.push(drop);
    for (const button of buttons) {
      button.disabled = isCut;
      if (isCut) button.title = "too long to be changed here";
    }
    cells.push(cell(element("span", { className: "buttons-in-row", children: buttons }), { className: "action" }));
    return element("tr", { role: "row", children: cells });
  }

  // ── Orders ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #order(more) {
    return { database: this.#database, key: this.#key, type: this.#view.type, ...more };
  }

  /** After an order: says what was done, and shows what is now. */
  async #done(words, key) {
    this.#changed(key === undefined ? this.#key : key);
    if (key === null) this.close(words);
    else {
      if (key !== undefined) this.#key = key;
      await this.load();
      setText($("value-notice"), words);
    }
    $("value").focus({ preventScroll: true });
  }

  /** Asks for an element's new value, or for a new element with null. */
  #editItem(item) {
    const { type } = this.#view;
    const isNew = item === null;
    const old = item?.value?.data;
    // What a text field would change, or does not show, is edited as bytes.
    const isHex = old !== undefined && !isEditableText(old);
    const fields = [];
    if (isNew && type !== "list") {
      fields.push({ name: "name", label: type === "hash" ? "Field" : "Member" });
    }
    if (type === "zset") fields.push({ name: "score", label: "Score", value: item?.score ?? "0", hint: "A number, inf or -inf." });
    if (type !== "set" && type !== "zset") {
      fields.push({
        name: "value",
        label: isHex ? "Value, in hexadecimal" : "Value",
        kind: "lines",
        value: old === undefined ? "" : isHex ? toHex(old) : old,
        hint: isHex ? "Not all of it is plain text, so its bytes are edited." : undefined,
      });
    }
    const where = type === "string" ? quoted(this.#key) : `${this.#itemWords(item)} of ${quoted(this.#key)}`;
    const value = (values) => (isHex ? fromHex(values.value) : values.value);
    this.#ask.open({
      title: isNew ? ADDS[type] : type === "string" ? "Edit the value" : `Edit ${this.#itemWords(item)}`,
      verb: "Save change",
      fields,
      review: (values) => {
        if (values.value !== undefined && value(values) === null) return new Error("These are no bytes in hexadecimal: two digits each.");
        if (isNew) {
          const added = values.name === undefined ? value(values) : values.name;
          const replaces = type === "list" ? "" : " One that is there already is replaced.";
          return `${quoted(added)} is added to ${quoted(this.#key)}.${replaces} Every client sees it at once.`;
        }
        if (type === "zset") {
          if (values.score === item.score) return new Error("Nothing is changed.");
          return `The score of ${where} becomes ${values.score}; it was ${item.score}. Every client sees it at once.`;
        }
        if (same(value(values), old)) return new Error("Nothing is changed.");
        return `The value of ${where} becomes ${weighed(value(values))}; it was ${weighed(old)}. Every client sees it at once.`;
      },
      run: async (values) => {
        const order = this.#order({});
        if (type === "list" && !isNew) order.index = item.index;
        if (type !== "list" && type !== "string") order.name = isNew ? values.name : item.name.data;
        if (values.value !== undefined) order.value = value(values);
        if (values.score !== undefined) order.score = values.score.trim();
        if (old !== undefined) order.was = old;
        await put("/v1/store/key/item", order);
        await this.#done("Saved.");
      },
    });
  }

  #itemWords(item) {
    const { type } = this.#view;
    if (item === null) return "a new element";
    if (type === "list") return `element ${count(item.index)}`;
    return `${type === "hash" ? "field" : "member"} ${item.name ? quoted(item.name.data) : ""}`;
  }

  #removeItem(item) {
    const what = this.#itemWords(item);
    const last = this.#view.size === 1 ? " It is the last one: the key goes with it." : "";
    this.#ask.open({
      title: `Remove ${what}`,
      words: `It is removed from ${quoted(this.#key)} for good.${last}`,
      verb: "Remove it",
      danger: true,
      run: async () => {
        const order = this.#order({});
        if (item.index != null) order.index = item.index;
        if (item.name) order.name = item.name.data;
        if (item.value) order.was = item.value.data;
        const { key } = await post("/v1/store/key/item/remove", order);
        const words = `${what[0].toUpperCase()}${what.slice(1)} is removed.`;
        await this.#done(key ? words : `${words} ${quoted(this.#key)} is gone with it.`, key ? undefined : null);
      },
    });
  }

  #editTtl() {
    const { ttl_ms: left } = this.#view;
    this.#ask.open({
      title: "Change expiry",
      verb: "Change expiry",
      words: left == null ? "It does not expire now." : `It expires in ${duration(left)} now.`,
      fields: [
        {
          name: "ttl",
          label: "Expires in",
          value: left == null ? "1 h" : `${Math.max(1, Math.round(left / 1000))} s`,
          hint: "A number and its unit: 500 ms, 90 s, 5 min, 12 h, 7 d. Nothing: it does not expire.",
        },
      ],
      review: ({ ttl }) => {
        if (ttl.trim() === "") return `${quoted(this.#key)} will not expire any more.`;
        const ms = milliseconds(ttl);
        if (ms === null) return new Error("Write a number and its unit, such as 90 s, or nothing.");
        return `${quoted(this.#key)} expires in ${ms < 1000 ? `${ms} ms` : duration(ms)}, and is gone then.`;
      },
      run: async ({ ttl }) => {
        const order = { database: this.#database, key: this.#key };
        if (ttl.trim() !== "") order.ttl_ms = milliseconds(ttl);
        await put("/v1/store/key/ttl", order);
        await this.#done("The expiry is changed.");
      },
    });
  }

  #rename() {
    const isHex = !isEditableText(this.#key) || this.#key.includes("\n");
    const name = (values) => (isHex ? fromHex(values.to) : values.to);
    this.#ask.open({
      title: "Rename the key",
      verb: "Rename",
      fields: [
        { name: "to", label: isHex ? "New name, in hexadecimal" : "New name", value: isHex ? toHex(this.#key) : this.#key },
        { name: "replace", label: "Replace a key that has this name", kind: "check" },
      ],
      review: (values) => {
        const to = name(values);
        if (to === null) return new Error("These are no bytes in hexadecimal: two digits each.");
        if (same(to, this.#key)) return new Error("That is its name already.");
        const replaces = values.replace ? " If there is a key of that name, it is lost." : "";
        return `${quoted(this.#key)} becomes ${quoted(to)}.${replaces}`;
      },
      run: async (values) => {
        const to = name(values);
        await post("/v1/store/key/rename", { database: this.#database, key: this.#key, to, replace: values.replace });
        await this.#done("Renamed.", to);
      },
    });
  }

  #delete() {
    const view = this.#view;
    this.#ask.open({
      title: "Delete the key",
      words: `${quoted(this.#key)}, a ${typeName(view.type)} of ${sizeText(view)}, is deleted for good. Every client sees it at once.`,
      verb: "Delete key",
      danger: true,
      run: async () => {
        const name = quoted(this.#key);
        await remove("/v1/store/key", { database: this.#database, ...named(this.#key) });
        await this.#done(`${name} is deleted.`, null);
      },
    });
  }

  #create() {
    const database = Number($("keys-database").value);
    const has = (...types) => ({ type }) => types.includes(type);
    this.#ask.open({
      title: "New key",
      verb: "Make key",
      fields: [
        { name: "key", label: "Key" },
        { name: "type", label: "Type", kind: ["string", "hash", "list", "set", "zset"].map((type) => [type, typeName(type)]) },
        { name: "name", label: "First field or member", wanted: has("hash", "set", "zset") },
        { name: "score", label: "Score", value: "0", wanted: has("zset") },
        { name: "value", label: "Value", kind: "lines", wanted: has("string", "hash", "list") },
      ],
      review: ({ key, type }) =>
        key === "" ? new Error("A key needs a name.") : `${quoted(key)} is made, a ${typeName(type)}, in database ${database}.`,
      run: async ({ key, type, name, score, value }) => {
        const order = { database, key, type, create: true };
        if (["hash", "set", "zset"].includes(type)) order.name = name;
        if (type === "zset") order.score = score.trim();
        if (["string", "hash", "list"].includes(type)) order.value = value;
        await put("/v1/store/key/item", order);
        [this.#key, this.#database, this.#before, this.#cursor] = [key, database, [], ""];
        await this.#done("The key is made.");
      },
    });
  }
}
