// Which colour a server has. Colours are tokens of the style sheet, tuned for light and dark; eight of them, kept
// apart for readers who see fewer hues (Okabe and Ito's order), and never the only sign: names stand beside them.

export const COLOURS = 8;

export class Palette {
  #slots = new Map();

  /** Gives each server its slot, in the order of the list; a server keeps its slot for as long as it is listed. */
  take(ids) {
    for (const id of [...this.#slots.keys()]) {
      if (!ids.includes(id)) this.#slots.delete(id);
    }
    for (const id of ids) {
      if (this.#slots.has(id)) continue;
      const taken = new Set(this.#slots.values());
      let slot = 0;
      while (taken.has(slot) && slot < COLOURS - 1) slot += 1;
      this.#slots.set(id, taken.has(slot) ? this.#slots.size % COLOURS : slot);
    }
  }

  /** The slot of a server, or -1 if it is not known. */
  slot(id) {
    return this.#slots.get(id) ?? -1;
  }

  /** The colour as a style value. */
  variable(id) {
    const slot = this.slot(id);
    return slot < 0 ? "var(--ink-soft)" : `var(--server-${slot})`;
  }
}
