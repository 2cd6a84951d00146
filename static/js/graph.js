// The dependency graph: what waits for what, drawn or as a list, live, and changed where it stands.

import { button, element, icon, openSignIn } from "./actions.js";
import { Connect } from "./graphconnect.js";
import { Drawing } from "./graphdraw.js";
import { List } from "./graphlist.js";
import { Panel } from "./graphpanel.js";
import { View } from "./graphview.js";
import { count, hours } from "./graphwords.js";
import { follow } from "./live.js";

const page = document.getElementById("main");
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const SMALL = matchMedia("(max-width: 720px)");
const REST = 600; // ms
const INTENT = 140; // ms: a pointer that only passes by chooses nothing

class Graph {
  current = null; // key of the chosen ticket
  #timer = 0;
  #running = null;
  #waiting = false;

  constructor() {
    this.workflow = page.dataset.workflow;
    this.rules = read("board-data");
    // Of the graph: with a ticket over it, the address is the ticket's.
    this.query = new URLSearchParams(location.search);
    this.query.set("workflow", this.workflow);
    this.body = page.querySelector("[data-body]");
    this.says = page.querySelector("[data-says]");
    this.take(read("graph-data"));
    this.view = new View(page.querySelector("[data-view]"));
    this.drawing = new Drawing(this, this.view);
    this.list = new List(this, page.querySelector("[data-list]"));
    this.panel = new Panel(this, page.querySelector("[data-panel]"));
    this.connect = new Connect(this);
    this.#forms();
    this.#pointing();
    this.sum();
    follow(this.workflow, Number(page.dataset.seq), (events, isStale) => this.#told(events, isStale));
  }

  take(data) {
    this.data = data;
    this.nodes = new Map(data.nodes.map((node) => [node.key, node]));
    this.keys = new Map(data.nodes.map((node) => [node.id, node.key]));
  }

  // The key of a ticket named by key or id.
  keyOf(name) { return this.nodes.has(name) ? name : this.keys.get(name); }

  focus(key) { (this.isList ? this.list : this.drawing).focus(key); }

  get isList() { return !this.list.element.hidden; }

  // ── which ticket is meant ──

  choose(key, { scroll = false } = {}) {
    if (key !== this.current) {
      this.current = key;
      this.drawing.mark(key);
      this.panel.show(key);
    }
    if (key && scroll) this.drawing.reveal(key);
  }

  #pointing() {
    const world = this.drawing.world;
    let timer = 0;
    world.addEventListener("pointerover", ({ target, pointerType }) => {
      clearTimeout(timer);
      const key = target.closest?.(".node")?.dataset.key;
      if (!key || pointerType === "touch" || this.panel.isBusy || this.connect.isDragging) return;
      timer = setTimeout(() => this.choose(key), INTENT);
    });
    world.addEventListener("pointerleave", () => clearTimeout(timer));
    world.addEventListener("focusin", ({ target }) => {
      const key = target.closest(".node:focus-visible")?.dataset.key;
      if (key) this.choose(key, { scroll: true });
    });
    // Not as soon as a finger is down: the panel would come below it, and the tap would open nothing.
    world.addEventListener("click", ({ target }) => {
      const key = target.closest(".node")?.dataset.key;
      if (key) this.choose(key);
    });
  }

  // ── drawing or list ──

  #forms() {
    const asked = new URLSearchParams(location.search).get("view");
    if (SMALL.matches && !asked) this.#show("list");
    else this.#show(this.isList ? "list" : "drawing");
    for (const one of page.querySelectorAll("[data-form]")) {
      one.addEventListener("click", () => {
        this.#show(one.dataset.form);
        const address = new URL(location.href);
        address.searchParams.set("view", one.dataset.form);
        history.replaceState(history.state, "", address);
      });
    }
  }

  #show(form) {
    const isList = form === "list";
    this.list.element.hidden = !isList;
    this.view.element.hidden = isList;
    page.classList.toggle("is-list", isList);
    for (const one of page.querySelectorAll("[data-form]")) one.setAttribute("aria-pressed", String(one.dataset.form === form));
    if (isList) this.list.draw();
    else this.drawing.draw();
  }

  // ── what is told of the whole ──

  sum() {
    const { nodes, path, minutes, total, most } = this.data;
    const critical = path.length ? ` Critical path: ${count(path.length, "ticket")}${minutes ? `, about ${hours(minutes)}` : ""}.` : "";
    page.querySelector("[data-sum]").textContent = `${count(nodes.length, "ticket")}${total > nodes.length ? ` of ${total}` : ""}.${critical}`;
    page.querySelector("[data-narrow]")?.remove();
    if (total > most) {
      this.says.append(element("p", { class: "notice", "data-narrow": true }, icon("filter"), element("span", {},
        `${total} tickets are tied to others; these ${most} are the critical path and the longest chains. Narrow it by column, agent or tag, or show what is around one ticket.`)));
    }
    page.querySelector("[data-empty]")?.remove();
    if (!nodes.length) this.body.prepend(this.#empty());
  }

  #empty() {
    const isFiltered = [...new URLSearchParams(location.search).keys()].some((name) => !["workflow", "view", "depth"].includes(name));
    const all = `/graph?workflow=${encodeURIComponent(this.workflow)}`;
    const box = isFiltered
      ? [element("p", {}, element("b", {}, "Nothing fits these filters.")), element("p", {}, element("a", { href: all }, "Show everything that is tied"))]
      : [element("p", {}, element("b", {}, "Nothing waits for anything.")),
        element("p", {}, this.rules.writes ? "Connect two tickets, and what waits for what is drawn here. " : "", element("a", { href: `${all}&loose=1` }, "Show the tickets that are tied to nothing"))];
    return element("div", { class: "graph-empty", "data-empty": true }, ...box);
  }

  // A line over the drawing that stays until it is dismissed.
  say(kind, content, { close, again, undo } = {}) {
    const end = () => {
      const hadFocus = box.contains(document.activeElement);
      box.remove();
      close?.();
      if (hadFocus && this.current) this.focus(this.current);
    };
    const isStop = kind === "notice-stop";
    const box = element("div", { class: `notice ${kind}`, role: isStop ? "alert" : "status", "data-said": true }, icon(isStop ? "ban" : "check"), element("p", {}, ...content),
      element("span", { class: "btn-row" }, undo && button("Undo", () => { end(); undo(); }), again && button("Try again", () => { end(); again(); }), element("button", { type: "button", class: "btn-icon", "aria-label": "Dismiss", onclick: end }, icon("x"))));
    this.says.querySelector("[data-said]")?.remove();
    this.says.prepend(box);
    return end;
  }

  refused(what, refusal, again) {
    const out = refusal.code === "unauthenticated";
    this.say("notice-stop", [`${what} ${out ? "You are signed out." : refusal.message} `], { again: out ? openSignIn : refusal.retryable ? again : null });
  }

  // ── live ──

  async #told(events, isStale) {
    for (const event of events) document.dispatchEvent(new CustomEvent("hephaestus:event", { detail: event }));
    if (!isStale && !events.some((event) => event.type === "board_updated" || event.ticket_id)) return;
    await this.refresh();
    // However busy the agents are, the server is asked once in a while.
    await new Promise((done) => setTimeout(done, REST));
  }

  // What is in the hand is not redrawn below it.
  get isHeld() { return this.connect.isDragging || this.view.isHeld; }

  released() {
    if (this.#waiting) this.refresh();
  }

  refresh() {
    const run = (this.#running ?? Promise.resolve()).then(() => this.#fetch());
    this.#running = run.catch(() => {});
    return run;
  }

  async #fetch() {
    this.#waiting = this.isHeld;
    if (this.#waiting) return;
    const answer = await fetch(`/graph/data?${this.query}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) {
      clearTimeout(this.#timer);
      if (answer?.status === 401) return void this.say("notice-stop", ["You are signed out. What you see may be behind. "], { again: openSignIn });
      if (answer?.status === 404) return void this.say("notice-stop", ["This is no longer yours to see, or the ticket around which it was drawn is gone."]);
      this.#timer = setTimeout(() => this.refresh(), 3000);
      return;
    }
    const data = await answer.json();
    this.#waiting = this.isHeld;
    if (this.#waiting) return;
    this.take(data);
    this.drawing.update();
    this.list.update();
    this.panel.update();
    this.sum();
  }
}

const graph = new Graph();
const connect = (key) => graph.connect.start(key ?? graph.current);
page.querySelector("[data-connect]")?.addEventListener("click", () => connect());
page.addEventListener("keydown", (event) => {
  if (event.key !== "c" || localStorage.getItem("hephaestus-single-keys-off") || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !graph.rules.writes) return;
  if (event.target.closest("input, textarea, select, form, details[open]")) return;
  event.preventDefault();
  connect(event.target.closest("[data-key]")?.dataset.key);
});
