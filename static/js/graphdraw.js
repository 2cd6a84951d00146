// The drawing: cards in layers, lines between them, and the ways that lead to and from the chosen one.

import { element, icon } from "./actions.js";
import { avatar, glyphs } from "./graphparts.js";
import { count, spoken } from "./graphwords.js";

const PITCH = { x: 294, y: 98 };
const CARD = { width: 212, height: 84 };
const READABLE = 0.45; // a drawing that fits only when it is smaller is shown in part
const CLOSE = 0.85;
const SVG = "http://www.w3.org/2000/svg";
const URGENT = ["critical", "high"];
const ARROWS = { ArrowLeft: "waits", ArrowRight: "blocks" };

export class Drawing {
  cards = new Map(); // key → {box, node, said}
  lines = new Map(); // "blocker>ticket" → {path, bends, past}
  #at = new Map(); // key → where the card stands
  #drawn = false;
  #stop = null; // key of the one card that Tab stops at
  #timer = 0;

  constructor(graph, view) {
    this.graph = graph;
    this.view = view;
    this.world = view.world;
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("class", "graph-lines");
    this.svg.setAttribute("aria-hidden", "true");
    this.world.append(this.svg);
    this.view.element.addEventListener("keydown", (event) => this.#keydown(event));
    this.view.element.addEventListener("graph:released", () => graph.released());
    this.view.element.addEventListener("graph:moved", () => { this.#timer ||= requestAnimationFrame(() => this.#dressNear()); });
  }

  // The first time, once there is room to draw in.
  draw() {
    if (this.#drawn) return;
    this.#drawn = true;
    this.#place();
    // Before there are cards: only those in sight need ever be laid out.
    const start = this.#begin();
    this.update();
    this.#tabStop(start);
    if (this.graph.query.get("around")) this.graph.choose(start);
  }

  update() {
    if (!this.#drawn) return;
    const { nodes } = this.graph;
    if (this.#mustMove()) this.#replace();
    for (const [key, { box }] of this.cards) {
      if (nodes.has(key)) continue;
      if (box.contains(document.activeElement)) this.#focusBeside(key);
      box.remove();
      this.cards.delete(key);
      this.#at.delete(key);
    }
    const fresh = [];
    for (const node of nodes.values()) {
      const known = this.cards.get(node.key);
      const said = JSON.stringify({ ...node, at: null });
      if (known) {
        if (known.said !== said) this.#fill(known, node, said);
      } else {
        const card = { box: element("a", { class: "node", href: `/tickets/${node.key}`, draggable: "false", tabindex: "-1", "data-key": node.key, "data-id": node.id }) };
        this.#fill(card, node, said);
        this.cards.set(node.key, card);
        this.#put(node.key);
        fresh.push(card.box);
      }
    }
    this.#dressNear();
    this.world.append(...fresh);
    this.#draw();
    this.#tabStop(this.#stop);
    this.mark(this.graph.current);
  }

  // ── places ──

  #place() {
    for (const node of this.graph.nodes.values()) this.#at.set(node.key, { x: node.at[0] * PITCH.x, y: node.at[1] * PITCH.y });
  }

  // Cards stay where they are for as long as each new line still leads to the right and no card is new.
  #mustMove() {
    const { data, nodes } = this.graph;
    return [...nodes.keys()].some((key) => !this.#at.has(key))
      || data.edges.some(([from, to]) => this.#at.get(data.nodes[from].key).x >= this.#at.get(data.nodes[to].key).x);
  }

  // New places for all; what is looked at stays where it is on the screen.
  #replace() {
    const { middle } = this.view;
    const distance = ([, at]) => Math.hypot(at.x + CARD.width / 2 - middle.x, at.y + CARD.height / 2 - middle.y);
    const known = [...this.#at].filter(([key]) => this.graph.nodes.has(key));
    const key = this.#at.has(this.graph.current) && this.graph.nodes.has(this.graph.current) ? this.graph.current
      : known.sort((a, b) => distance(a) - distance(b))[0]?.[0];
    const before = this.#at.get(key);
    this.#place();
    const now = this.#at.get(key);
    if (before && now) this.view.pan((before.x - now.x) * this.view.k, (before.y - now.y) * this.view.k);
    for (const { path } of this.lines.values()) path.remove();
    this.lines.clear();
    for (const one of this.cards.keys()) if (this.graph.nodes.has(one)) this.#put(one);
    this.#size();
  }

  #put(key) {
    const { box } = this.cards.get(key);
    const { x, y } = this.#at.get(key);
    box.style.transform = `translate(${x}px, ${y}px)`;
  }

  #size() {
    const all = [...this.#at.values()];
    const width = Math.max(CARD.width, ...all.map(({ x }) => x + CARD.width));
    const height = Math.max(CARD.height, ...all.map(({ y }) => y + CARD.height));
    this.view.size(width, height);
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("height", height);
  }

  // At first all is shown, if it can be read so; else the beginning of the critical path. Returns where that is.
  #begin() {
    this.#size();
    this.view.fit();
    const around = this.graph.query.get("around");
    const center = around ? this.graph.keyOf(around) ?? this.graph.keyOf(around.toUpperCase()) : undefined;
    const start = center ?? this.graph.data.path.find((key) => this.#at.has(key)) ?? this.graph.nodes.keys().next().value;
    if (this.view.k < READABLE && start) this.view.show(this.#at.get(start), { ...CARD, k: CLOSE, isMiddle: Boolean(center) });
    return start;
  }

  reveal(key) {
    const at = this.#at.get(key);
    if (at && this.#drawn) this.view.reveal({ ...at, ...CARD });
  }

  centerOf(key) {
    const at = this.#at.get(key);
    return { x: at.x + CARD.width / 2, y: at.y + CARD.height / 2 };
  }

  // ── cards ──

  // The look of a card's state, its name for ears, its key. The rest comes when it is near enough to be read.
  #fill(card, node, said) {
    const { box } = card;
    box.className = ["node", node.blocked && "is-blocked", node.pending && "is-pending", node.done && "is-done", node.path !== null && "is-critical"].filter(Boolean).join(" ");
    box.setAttribute("aria-label", spoken(node, this.#columnOf(node)[0]));
    box.replaceChildren(element("span", { class: "key" }, node.key));
    Object.assign(card, { node, said, isDressed: false });
  }

  #dress(card) {
    const { box, node } = card;
    const [column, glyph, color] = this.#columnOf(node);
    card.isDressed = true;
    box.replaceChildren(
      element("span", { class: "node-top" }, glyphs(this.graph.data.types[node.type]), element("span", { class: "key" }, node.key),
        URGENT.includes(node.priority) && element("span", { class: `prio prio-${node.priority}` }, icon(`p-${node.priority}`)),
        node.frees[0] > 0 && element("span", { class: "node-frees", title: `Resolving it frees ${count(node.frees[0], "ticket")}` }, icon("arrow"), String(node.frees[0]))),
      element("span", { class: "node-title", dir: "auto" }, node.title),
      element("span", { class: "node-foot" }, icon(glyph, color), element("span", { class: "clip", dir: "auto" }, column),
        node.blocked && element("span", { class: "node-note" }, icon("lock")), node.pending && element("span", { class: "node-note is-wait" }, icon("approve")),
        node.agent && element("span", { class: `agent${node.lease ? ` agent-${node.lease[0]}` : ""}`, title: node.agent[0] }, avatar(node.agent), node.lease && element("span", { class: "agent-state" }, icon(node.lease[0])))));
  }

  // What is in sight and can be read.
  #dressNear() {
    this.#timer = 0;
    const { view } = this;
    if (view.element.dataset.level !== "near") return;
    const { left, top, right, bottom } = view.sight;
    for (const [key, card] of this.cards) {
      const at = this.#at.get(key);
      if (!card.isDressed && at.x < right && at.x + CARD.width > left && at.y < bottom && at.y + CARD.height > top) this.#dress(card);
    }
  }

  #columnOf({ column }) {
    return this.graph.data.columns[column] ?? [column, "cat-queue", ""];
  }

  // ── lines ──

  #draw() {
    const { data } = this.graph;
    const wanted = new Set();
    const fresh = [];
    for (const [from, to, bends, past] of data.edges) {
      const [blocker, ticket] = [data.nodes[from].key, data.nodes[to].key];
      const name = `${blocker}>${ticket}`;
      wanted.add(name);
      if (this.lines.has(name)) continue;
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", this.#curve(blocker, ticket, this.#kept ? [] : bends));
      path.setAttribute("class", past ? "line is-past" : "line");
      this.lines.set(name, { path, blocker, ticket, past });
      fresh.push(path);
    }
    this.svg.append(...fresh);
    for (const [name, { path }] of this.lines) {
      if (wanted.has(name)) continue;
      path.remove();
      this.lines.delete(name);
    }
    const critical = new Set(data.path.slice(1).map((key, place) => `${data.path[place]}>${key}`));
    for (const [name, { path }] of this.lines) path.classList.toggle("is-critical", critical.has(name));
  }

  // Whether cards stand elsewhere than the data says: the bends of its lines mean nothing then.
  get #kept() {
    return this.graph.data.nodes.some(({ key, at }) => this.#at.get(key).x !== at[0] * PITCH.x || this.#at.get(key).y !== at[1] * PITCH.y);
  }

  #curve(blocker, ticket, bends) {
    const [a, b] = [this.#at.get(blocker), this.#at.get(ticket)];
    const points = [[a.x + CARD.width, a.y + CARD.height / 2], ...bends.flatMap(([x, y]) => {
      const at = y * PITCH.y + CARD.height / 2;
      return [[x * PITCH.x, at], [x * PITCH.x + CARD.width, at]];
    }), [b.x - 5, b.y + CARD.height / 2]];
    return curve(points);
  }

  // ── the chosen one, and the ways to and from it ──

  mark(key) {
    const { nodes } = this.graph;
    const up = this.#reached(key, "waits");
    const down = this.#reached(key, "blocks");
    const freed = new Set(nodes.get(key)?.frees[2] ?? []);
    const isChosen = nodes.has(key);
    this.world.classList.toggle("has-chosen", isChosen);
    for (const [other, { box }] of this.cards) {
      const classes = box.classList;
      classes.toggle("is-current", other === key);
      classes.toggle("is-up", up.has(other));
      classes.toggle("is-down", down.has(other));
      classes.toggle("is-freed", freed.has(other));
    }
    for (const { path, blocker, ticket } of this.lines.values()) {
      const on = (set) => (set.has(blocker) || blocker === key) && (set.has(ticket) || ticket === key);
      path.classList.toggle("is-way", isChosen && (on(up) || on(down)));
    }
    this.graph.connect?.handles(isChosen ? key : null);
  }

  #reached(key, way) {
    const { nodes } = this.graph;
    const found = new Set();
    const stack = nodes.has(key) ? [key] : [];
    while (stack.length) {
      for (const other of nodes.get(stack.pop())[way]) {
        if (!nodes.has(other) || found.has(other)) continue;
        found.add(other);
        stack.push(other);
      }
    }
    return found;
  }

  // keys in a circle, each waits for the one after it; the first line is the one that was refused.
  cycle(keys) {
    for (const [key, { box }] of this.cards) box.classList.toggle("is-cycle", keys.includes(key));
    const pairs = new Set(keys.slice(1).map((key, place) => `${key}>${keys[place]}`));
    for (const [name, { path }] of this.lines) path.classList.toggle("is-cycle", pairs.has(name));
    this.svg.querySelector(".is-refused")?.remove();
    const [from, to] = [this.#at.get(keys[1]), this.#at.get(keys[0])];
    if (!from || !to) return;
    // Below the cards: it leads back, against all other lines.
    const [x1, x2, y1, y2] = [from.x + CARD.width / 2, to.x + CARD.width / 2, from.y + CARD.height, to.y + CARD.height];
    const low = Math.max(y1, y2) + PITCH.y / 2;
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", "line is-cycle is-refused");
    path.setAttribute("d", `M${x1},${y1}C${x1},${low} ${x2},${low} ${x2},${y2}`);
    this.svg.append(path);
  }

  line(from, to, classes) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", classes);
    path.setAttribute("d", curve([[from.x, from.y], [to.x, to.y]]));
    return path;
  }

  // ── keys ──

  focus(key) {
    const card = this.cards.get(key);
    if (!card) return;
    this.#tabStop(key);
    card.box.focus({ preventScroll: true });
    this.graph.choose(key, { scroll: true });
  }

  #tabStop(key) {
    const stop = this.cards.has(key) ? key : this.cards.keys().next().value;
    this.cards.get(this.#stop)?.box.setAttribute("tabindex", "-1");
    this.cards.get(stop)?.box.setAttribute("tabindex", "0");
    this.#stop = stop;
  }

  #keydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, form")) return;
    if (this.view.keydown(event)) return;
    const key = event.target.closest(".node")?.dataset.key;
    if (!key || !event.key.startsWith("Arrow")) return;
    event.preventDefault();
    const other = event.key in ARROWS ? this.#along(key, ARROWS[event.key]) : this.#beside(key, event.key === "ArrowUp" ? -1 : 1);
    if (other) this.focus(other);
  }

  // Along a line: on the critical path if it goes that way, else to the nearest.
  #along(key, way) {
    const { nodes } = this.graph;
    const here = this.#at.get(key);
    const rank = (other) => [nodes.get(other).path === null || nodes.get(key).path === null ? 1 : 0, Math.abs(this.#at.get(other).y - here.y)];
    return nodes.get(key)[way].filter((other) => nodes.has(other)).sort((a, b) => rank(a)[0] - rank(b)[0] || rank(a)[1] - rank(b)[1])[0];
  }

  // Up and down in the layer, then to the next one.
  #beside(key, step) {
    const order = [...this.#at].filter(([other]) => this.cards.has(other)).sort(([, a], [, b]) => a.x - b.x || a.y - b.y).map(([other]) => other);
    return order[order.indexOf(key) + step];
  }

  #focusBeside(key) {
    const next = this.#beside(key, 1) ?? this.#beside(key, -1);
    const to = [next, ...this.graph.nodes.keys()].find((other) => this.graph.nodes.has(other));
    if (to && this.cards.has(to)) this.focus(to);
  }
}

// Through the points: straight over cards that are passed, bent between the layers.
function curve(points) {
  let text = `M${points[0][0]},${points[0][1]}`;
  for (let at = 1; at < points.length; at += 1) {
    const [[ax, ay], [bx, by]] = [points[at - 1], points[at]];
    const bend = Math.max(Math.abs(bx - ax) / 2, 24);
    text += ay === by && bx > ax ? `H${bx}` : `C${ax + bend},${ay} ${bx - bend},${by} ${bx},${by}`;
  }
  return text;
}
