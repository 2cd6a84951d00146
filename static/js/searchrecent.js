// The searches that this browser made lately in a workflow, shown where none is typed.

import { element, icon } from "./actions.js";

const MOST = 8;

export class Recent {
  constructor(workflow, root) {
    this.root = root;
    this.name = `hephaestus-searches:${workflow}`;
    root.addEventListener("click", ({ target }) => {
      if (!target.closest("[data-forget-recent]")) return;
      localStorage.removeItem(this.name);
      this.draw();
      document.querySelector("[data-field]").focus();
    });
  }

  get #all() {
    try {
      const all = JSON.parse(localStorage.getItem(this.name) ?? "[]");
      return Array.isArray(all) ? all.filter((one) => typeof one?.text === "string" && typeof one?.query === "string") : [];
    } catch {
      return [];
    }
  }

  // A search by words; one of filters alone is not worth a name.
  keep(text, query) {
    const words = text.trim();
    if (!words) return;
    const others = this.#all.filter((one) => one.text !== words);
    localStorage.setItem(this.name, JSON.stringify([{ text: words.slice(0, 200), query }, ...others].slice(0, MOST)));
  }

  draw() {
    const place = this.root.querySelector("[data-recent]");
    if (!place) return;
    const all = this.#all;
    place.hidden = !all.length;
    place.querySelector("ul").replaceChildren(...all.map(({ text, query }) => element("li", {},
      element("a", { href: `/search${query}`, "data-go": true }, icon("clock"), element("span", { class: "clip", dir: "auto" }, text)))));
  }
}
