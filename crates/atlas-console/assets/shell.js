// What every page has: the theme's button, and the way to the other pages.

import { get } from "./api.js";
import { setText } from "./format.js";

const $ = (id) => document.getElementById(id);
const THEMES = ["system", "light", "dark"];

/** The button that goes through the themes; `changed` is told when colours have. */
export class Theme {
  #theme = document.documentElement.dataset.theme ?? "system";
  #changed;

  constructor(changed = () => {}) {
    this.#changed = changed;
    $("theme").hidden = false;
    $("theme").addEventListener("click", () => {
      this.#theme = THEMES[(THEMES.indexOf(this.#theme) + 1) % THEMES.length];
      try {
        if (this.#theme === "system") localStorage.removeItem("atlas-theme");
        else localStorage.setItem("atlas-theme", this.#theme);
      } catch {
        // Storage may be forbidden: the choice lasts for this page.
      }
      this.#show();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#changed());
    this.#show();
  }

  #show() {
    if (this.#theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.#theme;
    setText($("theme"), `Theme: ${this.#theme}`);
    this.#changed();
  }
}

/** Shows the pages that this node has, if there are several; its roles, or `own` alone if it does not tell them. */
export async function places(own) {
  try {
    const { roles } = await get("/v1/node");
    const links = [...$("places").querySelectorAll("a")];
    for (const link of links) link.hidden = !roles.includes(link.dataset.role);
    $("places").hidden = links.filter((link) => !link.hidden).length < 2;
    return roles;
  } catch {
    // The page tells in its own way that the node is away, or wants a sign-in.
    return [own];
  }
}
