// From where a ticket may go whereto: a grid of checkboxes, one tab stop in all; the arrow keys go through it.

import { element, icon } from "./actions.js";
import { columnGlyph } from "./editorrows.js";

export class Moves {
  #focus = null; // [from, to] of the box that the tab key reaches

  constructor(page, host, limited) {
    Object.assign(this, { page, host, limited });
    limited.disabled = !page.data.maintains;
    limited.addEventListener("change", () => {
      page.draft.change((draft) => {
        // As it is without limits, to begin with.
        draft.transitions = limited.checked ? Object.fromEntries(draft.columns.map(({ uid }) => [uid, draft.columns.map((each) => each.uid).filter((other) => other !== uid)])) : null;
      }, { source: "moves" });
      this.draw();
    });
    host.addEventListener("keydown", (event) => this.#steer(event));
    host.addEventListener("focusin", ({ target }) => { if (target.matches("input[data-from]")) this.#point(target); });
  }

  draw() {
    const { columns, transitions } = this.page.draft.now;
    const held = this.host.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.limited.checked = transitions !== null;
    if (!transitions) return this.host.replaceChildren();
    const head = (column, scope) => element("th", { scope, role: scope === "row" ? "rowheader" : "columnheader" },
      element("span", { class: "be-way", title: column.name }, icon(columnGlyph(columns, column), column.color), element("span", { class: "clip", dir: "auto" }, column.name || column.id)));
    const table = element("table", { class: "be-grid", role: "grid", "aria-label": "Allowed moves: from the row’s column to that of the column" },
      element("thead", {}, element("tr", {}, element("td", {}, element("span", { class: "hint" }, "From ↓ to →")), ...columns.map((column) => head(column, "col")))),
      element("tbody", {}, ...columns.map((from) => element("tr", {}, head(from, "row"), ...columns.map((to) => this.#cell(from, to, transitions))))));
    this.host.replaceChildren(
      element("div", { class: "table-scroll be-grid-scroll" }, table),
      element("p", { class: "hint", "data-dead": true }));
    this.#point(this.#box(...(this.#focus ?? [])) ?? this.host.querySelector("input"));
    this.#warn();
    if (held) this.host.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  }

  #cell(from, to, transitions) {
    if (from === to) return element("td", { class: "be-same", role: "gridcell" }, element("span", { "aria-hidden": "true" }, "·"), element("span", { class: "vh" }, "the same column"));
    const box = element("input", {
      type: "checkbox", tabindex: "-1", "data-from": from.uid, "data-to": to.uid, "data-key": `move.${from.uid}.${to.uid}`,
      checked: Boolean(transitions[from.uid]?.includes(to.uid)), disabled: !this.page.data.maintains,
      "aria-label": `From ${from.name || from.id} to ${to.name || to.id}`,
      onchange: () => {
        this.page.draft.change((draft) => {
          const rest = (draft.transitions[from.uid] ?? []).filter((uid) => uid !== to.uid);
          draft.transitions[from.uid] = box.checked ? [...rest, to.uid] : rest;
        }, { source: "moves" });
        this.#warn();
      },
    });
    return element("td", { role: "gridcell" }, element("label", {}, box));
  }

  // A column out of which no ticket finds.
  #warn() {
    const { columns, transitions } = this.page.draft.now;
    const dead = columns.filter(({ uid, category }) => category !== "final" && !transitions[uid]?.some((to) => columns.some((other) => other.uid === to && to !== uid)));
    this.host.querySelector("[data-dead]").textContent = dead.length ? `No move leads out of ${dead.map(({ name, id }) => name || id).join(", ")}: only resolving does.` : "";
  }

  #box(from, to) {
    return [...this.host.querySelectorAll("input[data-from]")].find((box) => box.dataset.from === from && box.dataset.to === to);
  }

  #point(box) {
    if (!box) return;
    for (const other of this.host.querySelectorAll("input[tabindex='0']")) other.tabIndex = -1;
    box.tabIndex = 0;
    this.#focus = [box.dataset.from, box.dataset.to];
  }

  #steer(event) {
    const cell = event.target.closest("td");
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -99], End: [0, 99] }[event.key];
    if (!cell || !step) return;
    event.preventDefault();
    const rows = [...this.host.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("td")].map((each) => each.querySelector("input")));
    let y = rows.findIndex((row) => row.includes(event.target));
    let x = rows[y].indexOf(event.target);
    const most = rows.length - 1;
    const held = (value) => Math.max(0, Math.min(most, value));
    if (Math.abs(step[1]) > 1) x = step[1] < 0 ? -1 : most + 1;
    const [dy, dx] = Math.abs(step[1]) > 1 ? [0, -Math.sign(step[1])] : step;
    // The diagonal has no box: one step further.
    for (let tries = 0; tries <= 2; tries += 1) {
      [y, x] = [held(y + dy), held(x + dx)];
      if (rows[y][x]) break;
      if ([0, most].includes(y) && dy || [0, most].includes(x) && dx) return;
    }
    rows[y][x]?.focus();
  }
}
