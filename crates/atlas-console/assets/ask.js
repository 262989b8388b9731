// The one dialog of the store's page: it asks for what is needed, shows what will be done, and does it only then.

import { reason } from "./api.js";
import { element, setText } from "./format.js";

const $ = (id) => document.getElementById(id);

export class Ask {
  #order = null;
  #isReview = false;
  #busy = false;
  #trouble = "";
  /** Shows or hides the fields that only some choices want. */
  #looks = [];

  constructor() {
    $("ask-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#confirm();
    });
    $("ask-fields").addEventListener("input", () => this.#look());
    $("ask-cancel").addEventListener("click", () => (this.#isReview ? this.#back() : $("ask").close()));
    // A click on the backdrop is a click on the dialog itself; what was typed is not lost by it.
    $("ask").addEventListener("click", (event) => {
      if (event.target === $("ask") && !this.#order?.fields?.length) $("ask").close();
    });
  }

  /** Why the store refuses writes, if it does: then nothing is offered that would be refused. */
  takeTrouble(trouble) {
    this.#trouble = trouble ?? "";
    this.#showTrouble();
  }

  /**
   * Opens the dialog. `title`, `words`, `verb` (the button's), `danger` if something is lost by it; `fields`: each with
   * `name`, `label`, `value`, `kind` (text, lines, number or a list of options), `hint`; `review(values)`: a sentence of
   * what will be done, or an Error whose message says what is wrong; `run(values)`: does it.
   */
  open(order) {
    this.#order = order;
    this.#looks = [];
    setText($("ask-title"), order.title);
    $("ask").classList.toggle("wide", Boolean(order.fields?.some(({ kind }) => kind === "lines")));
    $("ask-confirm").classList.toggle("danger", Boolean(order.danger));
    $("ask-fields").replaceChildren(...(order.fields ?? []).map((field) => this.#field(field)));
    this.#look();
    this.#back();
    $("ask").showModal();
    // Nothing that is lost for good is done by the key that opened the dialog.
    const first = $("ask-fields").querySelector("input, textarea, select");
    (first ?? $("ask-cancel")).focus();
  }

  #field({ name, label, value, kind = "text", hint, wanted }) {
    const id = `ask-field-${name}`;
    let control;
    if (Array.isArray(kind)) {
      control = element("select", { children: kind.map(([key, text]) => element("option", { text, value: key })) });
    } else if (kind === "lines") {
      control = element("textarea", { rows: "8", spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
    } else {
      const type = kind === "check" ? "checkbox" : "text";
      control = element("input", { type, spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
    }
    control.id = id;
    control.name = name;
    if (kind === "check") control.checked = Boolean(value);
    else if (value !== undefined) control.value = value;
    const words = element("label", { for: id, text: label });
    const block = element("div", { className: kind === "check" ? "field check-field" : "field", children: [words, control] });
    if (wanted) this.#looks.push((values) => (block.hidden = !wanted(values)));
    if (hint) {
      const under = element("p", { className: "hint", text: hint, id: `${id}-hint` });
      control.setAttribute("aria-describedby", under.id);
      block.append(under);
    }
    return block;
  }

  #look() {
    const values = this.#values();
    for (const look of this.#looks) look(values);
  }

  #values() {
    const values = {};
    for (const control of $("ask-fields").querySelectorAll("input, textarea, select")) {
      values[control.name] = control.type === "checkbox" ? control.checked : control.value;
    }
    return values;
  }

  /** To the first step: what is asked for. */
  #back() {
    const order = this.#order;
    const asks = Boolean(order.fields?.length);
    this.#isReview = false;
    setText($("ask-words"), order.words ?? "");
    $("ask-words").hidden = !order.words;
    $("ask-fields").hidden = !asks;
    setText($("ask-confirm"), asks ? "Continue" : order.verb);
    setText($("ask-cancel"), "Cancel");
    setText($("ask-notice"), "");
    this.#showTrouble();
  }

  #showTrouble() {
    const refuses = this.#trouble !== "" && !this.#order?.harmless;
    $("ask-confirm").disabled = refuses;
    if (refuses) setText($("ask-notice"), `The store refuses writes now: ${this.#trouble}`);
  }

  async #confirm() {
    if (this.#busy || !this.#order) return;
    const order = this.#order;
    const values = this.#values();
    if (order.fields?.length && !this.#isReview) {
      const sentence = order.review(values);
      if (sentence instanceof Error) {
        setText($("ask-notice"), sentence.message);
        return;
      }
      this.#isReview = true;
      setText($("ask-notice"), "");
      setText($("ask-words"), sentence);
      $("ask-words").hidden = false;
      $("ask-fields").hidden = true;
      setText($("ask-confirm"), order.verb);
      setText($("ask-cancel"), "Back");
      $("ask-confirm").focus();
      return;
    }
    this.#busy = true;
    $("ask-confirm").disabled = true;
    setText($("ask-notice"), "");
    try {
      await order.run(values);
      $("ask").close();
    } catch (problem) {
      setText($("ask-notice"), `Not done: ${reason(problem)}`);
    } finally {
      this.#busy = false;
      $("ask-confirm").disabled = false;
    }
  }
}
