// A minute of a figure as a line; decoration beside the number, so hidden from readers of text.

const SAMPLES = 60;
const WIDTH = 88;
const HEIGHT = 28;
const SVG = "http://www.w3.org/2000/svg";

export class Sparkline {
  #values = [];
  #area;
  #line;

  constructor(holder) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("focusable", "false");
    this.#area = document.createElementNS(SVG, "path");
    this.#area.setAttribute("class", "spark-area");
    this.#line = document.createElementNS(SVG, "path");
    this.#line.setAttribute("class", "spark-line");
    svg.append(this.#area, this.#line);
    holder.append(svg);
  }

  add(value) {
    this.#values.push(value);
    if (this.#values.length > SAMPLES) this.#values.shift();
    if (this.#values.length < 2) return;
    // From zero, so that a small change looks small; a little air above.
    const top = Math.max(...this.#values) * 1.15 || 1;
    const step = WIDTH / (SAMPLES - 1);
    const left = WIDTH - (this.#values.length - 1) * step;
    const at = (sample, index) =>
      `${(left + index * step).toFixed(1)} ${(HEIGHT - 1 - (sample / top) * (HEIGHT - 2)).toFixed(1)}`;
    const path = this.#values.map(at).join("L");
    this.#line.setAttribute("d", `M${path}`);
    this.#area.setAttribute("d", `M${left.toFixed(1)} ${HEIGHT}L${path}L${WIDTH} ${HEIGHT}Z`);
  }
}
