// The graph as a list: the same for ears and for small screens. What can go on comes first, then what waits for it.

import { button, element, icon } from "./actions.js";
import { avatar, found, freed, glyphs, link } from "./graphparts.js";
import { depth, freeing } from "./graphwords.js";

export class List {
  #rows = new Map(); // key → {row, said}

  constructor(graph, element_) {
    this.graph = graph;
    this.element = element_;
  }

  draw() {
    if (!this.#rows.size) this.update();
  }

  update() {
    if (this.element.hidden) return this.#rows.clear();
    const { data, nodes } = this.graph;
    const levels = new Map();
    for (const node of [...nodes.values()].sort((a, b) => a.before - b.before || b.frees[0] - a.frees[0])) {
      const level = node.done ? -1 : node.before;
      if (!levels.has(level)) levels.set(level, []);
      levels.get(level).push(node);
    }
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    const again = focused && found(focused);
    const sections = [...levels].sort(([a], [b]) => (a < 0 ? 1 : b < 0 ? -1 : a - b)).map(([level, some]) => {
      const id = `level-${level}`;
      const known = document.getElementById(id)?.parentElement;
      const section = known ?? element("section", { "aria-labelledby": id }, element("h2", { id }), element("ul", { class: "graph-rows" }));
      const head = section.querySelector("h2");
      const word = level < 0 ? "Done" : level ? `${level} before ${some.length === 1 ? "it" : "them"}` : "Waits for nothing";
      const text = `${word} (${some.length})`;
      if (head.textContent !== text) head.textContent = text;
      const rows = some.map((node) => this.#row(node, data));
      const list = section.querySelector("ul");
      if (rows.length !== list.children.length || rows.some((row, place) => list.children[place] !== row)) list.replaceChildren(...rows);
      return section;
    });
    for (const key of [...this.#rows.keys()]) if (!nodes.has(key)) this.#rows.delete(key);
    if (sections.length !== this.element.children.length || sections.some((one, place) => this.element.children[place] !== one)) this.element.replaceChildren(...sections);
    if (focused && document.activeElement !== focused) (again() ?? this.element.querySelector("a"))?.focus({ preventScroll: true });
  }

  #row(node, data) {
    const said = JSON.stringify({ ...node, at: null });
    const known = this.#rows.get(node.key);
    if (known?.said === said) return known.row;
    const row = known?.row ?? element("li", { class: "graph-row", "data-key": node.key });
    const column = data.columns[node.column] ?? [node.column, "cat-queue", ""];
    row.classList.toggle("is-blocked", node.blocked);
    row.replaceChildren(
      element("p", { class: "row-head" }, glyphs(data.types[node.type]), element("a", { href: `/tickets/${node.key}`, "data-ref": "open" }, element("span", { class: "key" }, node.key), " ", element("span", { class: "row-title", dir: "auto" }, node.title))),
      element("p", { class: "row-state" }, element("span", { class: "pill" }, icon(column[1], column[2]), element("bdi", {}, column[0])),
        node.blocked && element("span", { class: "pill pill-blocked" }, icon("lock"), node.by_hand ? "Blocked by hand" : "Blocked"),
        node.pending && element("span", { class: "pill pill-pending" }, icon("approve"), "Waits for approval"),
        node.path !== null && element("span", { class: "pill" }, icon("graph"), "Critical path"),
        node.agent && element("span", { class: `agent${node.lease ? ` agent-${node.lease[0]}` : ""}` }, avatar(node.agent), element("span", { class: "agent-name", dir: "auto" }, node.agent[0]), node.lease && element("span", { class: "agent-state" }, icon(node.lease[0]), node.lease[0]))),
      element("dl", { class: "row-ties" }, ...this.#tie("Waits for", node.waits), ...this.#tie("Blocks", node.blocks, node.more),
        element("dt", {}, "Frees"), element("dd", {}, freeing(node), ...freed(node)), element("dt", {}, "Depth"), element("dd", {}, `${depth(node)}.`)),
      this.graph.rules.writes && !node.done ? element("p", { class: "btn-row" }, button("Connect", () => this.graph.connect.start(node.key), "", { "data-ref": "connect", "aria-label": `Connect ${node.key}` }),
        button("Change", () => this.#open(node.key), "btn-quiet", { "data-ref": "change", "aria-label": `Change the dependencies of ${node.key}` })) : "");
    this.#rows.set(node.key, { row, said });
    return row;
  }

  #tie(word, keys, more = 0) {
    return [element("dt", {}, word), element("dd", {}, ...(keys.length ? keys.flatMap((key, place) => [place ? " " : "", link(key)]) : ["nothing"]), more ? ` and ${more} more` : "")];
  }

  #open(key) {
    this.graph.choose(key);
    this.graph.panel.element.querySelector("a, button")?.focus();
  }

  focus(key) {
    const row = this.#rows.get(key)?.row;
    (row?.querySelector("[data-ref=change]") ?? row?.querySelector("a"))?.focus();
  }
}
