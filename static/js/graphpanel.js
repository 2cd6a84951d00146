// What is to be known of the chosen ticket: what it waits for, what waits for it, what resolving it frees.

import { button, element, icon } from "./actions.js";
import { avatar, freed, glyphs, link } from "./graphparts.js";
import { count, depth, freeing } from "./graphwords.js";

const FIRST = 5;
const PATH = 9;

export class Panel {
  #said = "";

  constructor(graph, element_) {
    this.graph = graph;
    this.element = element_;
    this.show(null);
  }

  // Someone reads or uses it by keys: a passing pointer changes nothing then.
  get isBusy() { return this.element.contains(document.activeElement); }

  show(key) {
    this.#said = "";
    this.key = key;
    this.update();
  }

  update() {
    const node = this.graph.nodes.get(this.key);
    const said = JSON.stringify(node ?? [this.graph.data.nodes, this.graph.data.path]);
    if (said === this.#said) return;
    this.#said = said;
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.ref : null;
    this.element.replaceChildren(...(node ? this.#about(node) : this.#hint()));
    this.element.classList.toggle("is-empty", !node);
    if (focused) (this.element.querySelector(`[data-ref="${CSS.escape(focused)}"]`) ?? this.element.querySelector("a, button"))?.focus();
  }

  // Nothing is chosen: where to begin.
  #hint() {
    const { nodes, data } = this.graph;
    if (!nodes.size) return [];
    const most = [...nodes.values()].filter((node) => node.frees[0]).sort((a, b) => b.frees[0] - a.frees[0]).slice(0, FIRST);
    const path = data.path.filter((key) => nodes.has(key)).map((key) => nodes.get(key));
    return [
      ...this.#way("Frees the most", most, (node) => String(node.frees[0])),
      ...this.#way("Critical path", path.slice(0, PATH), () => "", path.length > PATH ? `and ${path.length - PATH} more` : ""),
      element("p", { class: "hint" }, "Point at a ticket, or move to it by Tab and the arrow keys: what it waits for and what waits for it is marked then, and stands here."),
    ];
  }

  #way(word, some, end, more) {
    if (!some.length) return [];
    const row = (node) => element("li", {}, element("button", { type: "button", class: "menu-item", "data-ref": `${word} ${node.key}`, onclick: () => this.graph.focus(node.key) },
      element("span", { class: "key" }, node.key), element("span", { class: "clip", dir: "auto" }, node.title), element("span", { class: "end" }, end(node))));
    return [element("div", {}, element("h3", {}, word), element("ul", {}, ...some.map(row)), more ? element("p", { class: "hint" }, more) : "")];
  }

  #about(node) {
    const { graph } = this;
    const column = graph.data.columns[node.column] ?? [node.column, "cat-queue", ""];
    return [
      element("header", {},
        element("p", { class: "panel-top" }, glyphs(graph.data.types[node.type]), link(node.key), element("span", { class: "end" }, element("button", { type: "button", class: "btn-icon panel-close", "aria-label": "Close", onclick: () => this.#close() }, icon("x")))),
        element("h2", { dir: "auto" }, node.title),
        element("p", { class: "panel-state" }, element("span", { class: "pill" }, icon(column[1], column[2]), element("bdi", {}, column[0])),
          node.blocked && element("span", { class: "pill pill-blocked" }, icon("lock"), node.by_hand ? "Blocked by hand" : "Blocked"),
          node.pending && element("span", { class: "pill pill-pending" }, icon("approve"), "Waits for approval"),
          node.path !== null && element("span", { class: "pill" }, icon("graph"), "Critical path")),
        element("p", { class: "panel-state" }, node.agent ? element("span", { class: `agent${node.lease ? ` agent-${node.lease[0]}` : ""}` }, avatar(node.agent), element("span", { class: "agent-name", dir: "auto" }, node.agent[0]),
          node.lease && element("span", { class: "agent-state" }, icon(node.lease[0]), node.lease[0])) : element("span", { class: "hint" }, "Nobody has it"),
        node.estimate && element("span", { class: "count" }, icon("clock"), element("span", { class: "vh" }, "estimate "), node.estimate))),
      element("p", { class: "panel-frees" }, icon("arrow"), element("span", {}, freeing(node), ...freed(node))),
      ...this.#ties("Waits for", node.waits, "waits", node),
      ...this.#ties("Blocks", node.blocks, "blocks", node),
      element("p", { class: "hint" }, `${depth(node)}.`),
      element("p", { class: "btn-row" }, element("a", { class: "btn btn-sm", href: `/tickets/${node.key}`, "data-ref": "open" }, "Open"),
        element("a", { class: "btn btn-sm btn-quiet", href: this.#around(node.key), "data-ref": "around" }, "Only what is around it")),
    ];
  }

  #ties(word, keys, way, node) {
    const { graph } = this;
    const rows = keys.map((key) => {
      const other = graph.nodes.get(key);
      const [blocker, ticket] = way === "waits" ? [key, node.key] : [node.key, key];
      return element("li", {}, element("a", { href: `/tickets/${key}`, "data-ref": `${way} ${key}` }, element("span", { class: "key" }, key), element("span", { class: "refs-text", dir: "auto" }, other?.title ?? "not shown here")),
        graph.rules.writes && element("button", { type: "button", class: "btn-icon", "data-ref": `part ${key}`, "aria-label": `Remove: ${ticket} waits for ${blocker}`, onclick: () => graph.connect.part(blocker, ticket) }, icon("x")));
    });
    const more = way === "blocks" && node.more ? element("li", { class: "hint" }, `and ${count(node.more, "more ticket")}`) : null;
    const add = graph.rules.writes && !node.done && element("button", { type: "button", class: "btn-icon", "data-ref": `add ${way}`, "aria-label": way === "waits" ? `Add what ${node.key} waits for` : `Add what waits for ${node.key}`, onclick: () => graph.connect.start(node.key, way) }, icon("plus"));
    return [element("div", { class: "panel-ties" }, element("h3", {}, word, element("span", { class: "badge" }, String(keys.length + (way === "blocks" ? node.more ?? 0 : 0))), add),
      keys.length ? element("ul", { class: "refs" }, ...rows, more ?? "") : element("p", { class: "hint" }, "Nothing"))];
  }

  #around(key) {
    const query = new URLSearchParams({ workflow: this.graph.workflow, around: key, depth: "2" });
    if (this.graph.isList) query.set("view", "list");
    return `/graph?${query}`;
  }

  #close() {
    const key = this.key;
    this.graph.choose(null);
    this.graph.focus(key);
  }
}
