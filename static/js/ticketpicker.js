// A field that finds tickets as one types: a combobox whose list the server fills.

import { button, element, icon, later } from "./actions.js";
import { explained } from "./forms.js";
import { found } from "./found.js";

let count = 0;

// options: label, go (word), pick(key) → promise, cancel(), empty? [word, function]: to choose none
export class Picker {
  #rows = [];
  #at = -1;

  constructor(data, options) {
    Object.assign(this, options);
    this.data = data;
    const id = `picker-${++count}`;
    this.id = id;
    this.list = element("ul", { class: "picker-list", role: "listbox", id: `${id}-list`, "aria-label": options.label, hidden: true });
    this.field = element("input", {
      class: "input", id, role: "combobox", "aria-label": options.label, "aria-expanded": "false", "aria-controls": `${id}-list`, "aria-autocomplete": "list",
      autocomplete: "off", placeholder: "Key or words of the title", dir: "auto",
    });
    this.fault = element("div", { class: "editor-fault", role: "alert" });
    this.element = element("form", { class: "line-edit", "data-editing": true, novalidate: true },
      this.field, this.list,
      element("div", { class: "btn-row" }, element("button", { type: "submit", class: "btn btn-sm btn-primary" }, options.go),
        options.empty && button(options.empty[0], () => this.#run(() => options.empty[1]())), button("Cancel", () => options.cancel(), "btn-quiet")),
      this.fault);
    const search = later(120, () => this.#search());
    this.field.addEventListener("input", search);
    this.field.addEventListener("focus", () => { if (!this.#rows.length) search(); });
    this.element.addEventListener("keydown", (event) => this.#keydown(event));
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      const key = this.#rows[this.#at]?.id ?? this.field.value.trim();
      if (key) this.#run(() => this.pick(key));
    });
  }

  focus() { this.field.focus(); }

  async #search() {
    const text = this.field.value;
    const rows = (await found(this.data.workflow, "tickets", text)).filter((row) => row.id !== this.data.key);
    if (this.field.value !== text || !this.element.isConnected) return;
    this.#rows = rows;
    this.#at = -1;
    this.list.replaceChildren(...rows.map((row, place) => element("li", {
      class: "menu-item", role: "option", id: `${this.id}-${place}`, "aria-selected": "false",
      onmousedown: (event) => event.preventDefault(), onclick: () => this.#run(() => this.pick(row.id)),
    }, element("span", { class: "key" }, row.id), element("span", { class: "clip", dir: "auto" }, row.name), row.done && element("span", { class: "end" }, icon("check")))));
    this.#open(rows.length > 0);
  }

  #open(yes) {
    this.list.hidden = !yes;
    this.field.setAttribute("aria-expanded", String(yes));
    if (!yes) this.#select(-1);
  }

  #select(at) {
    this.list.children[this.#at]?.setAttribute("aria-selected", "false");
    this.#at = at;
    const row = this.list.children[at];
    row?.setAttribute("aria-selected", "true");
    row?.scrollIntoView({ block: "nearest" });
    if (row) this.field.setAttribute("aria-activedescendant", row.id);
    else this.field.removeAttribute("aria-activedescendant");
  }

  #keydown(event) {
    const steps = { ArrowDown: this.#at + 1, ArrowUp: this.#at - 1 };
    if (event.key in steps && event.target === this.field && this.#rows.length) {
      event.preventDefault();
      this.#open(true);
      this.#select((steps[event.key] + this.#rows.length) % this.#rows.length);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.cancel();
    }
  }

  async #run(what) {
    this.fault.replaceChildren();
    try {
      await what();
    } catch (refusal) {
      if (refusal.code === undefined) throw refusal;
      this.fault.replaceChildren(...explained(refusal, () => this.#run(what)));
      this.focus();
    }
  }
}
