// Puts cards where they belong. Only nodes whose ticket changed are touched, and none that a person holds.

import { announce, button, element } from "./actions.js";

const COOL = 45_000; // --cool in tokens.css
// A card that waits for its person, or for the server: it cannot be taken up again.
export const BUSY = ".is-saving, :has(.card-form)";

const number = new Intl.NumberFormat("en").format; // as the template writes it
const parse = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
};

export class Board {
  #holds = new Map(); // ticket id → why its card stays as it is: drag, keys, menu, palette; a form, a try to save
  #waiting = new Map(); // ticket id → what came for it meanwhile
  #drawn = new WeakMap(); // card → what it was made of

  constructor(board) {
    this.element = board;
    this.readRules();
    this.address = (name, parameters) =>
      `/tickets/${name}?${new URLSearchParams({ workflow: board.dataset.workflow, ...parameters })}${this.rules.query && `&${this.rules.query}`}`;
    board.addEventListener("focusout", ({ target, relatedTarget }) => {
      const card = target.closest?.(".card");
      if (card && !card.contains(relatedTarget)) queueMicrotask(() => this.#catchUp(card.dataset.ticketId));
    });
  }

  // The board anew, as the server draws it.
  replace(fresh) {
    this.#waiting.clear();
    this.element.className = fresh.className;
    this.element.replaceChildren(...fresh.children);
    Object.assign(this.element.dataset, fresh.dataset);
    this.readRules();
  }

  // What the server says of the board: columns, where tickets may go, who there is, what the address arranges.
  readRules() {
    this.rules = JSON.parse(this.element.querySelector("#board-data").textContent);
    this.columns = new Map(this.rules.columns.map((column) => [column.id, column]));
  }

  get seq() { return Number(this.element.dataset.seq); }
  set seq(value) { if (value > this.seq) this.element.dataset.seq = value; }

  column(id) { return this.element.querySelector(`[data-column="${CSS.escape(id)}"]`); }
  card(id) { return this.element.querySelector(`[data-ticket-id="${CSS.escape(id)}"]`); }
  list(column, lane = "") {
    const within = lane ? `[data-lane="${CSS.escape(lane)}"]` : ":not([data-lane])";
    return this.element.querySelector(`.cards[data-status="${CSS.escape(column)}"]${within}`);
  }

  get lists() { return [...this.element.querySelectorAll(".cards")]; }
  columnOf(list) { return this.columns.get(list.dataset.status); }
  // Whether a card may be put between two others there.
  isRanked(list) { return this.rules.sort === "rank" && !this.columnOf(list).final; }
  // A card that is to be seen there.
  unfold(list) { list.closest(".is-collapsed")?.querySelector("[data-collapse]").click(); }
  #descends(list) { return this.column(list.dataset.status).hasAttribute("data-latest"); }

  // ── what a person holds stays as it is ──

  hold(card, why) {
    const id = card.dataset.ticketId;
    if (!this.#holds.has(id)) this.#holds.set(id, new Set());
    this.#holds.get(id).add(why);
  }

  release(card, why) {
    const id = card.dataset.ticketId;
    const reasons = this.#holds.get(id);
    reasons?.delete(why);
    if (reasons && !reasons.size) this.#holds.delete(id);
    this.#catchUp(id);
  }

  // Something is in hand that drawing the whole board anew would lose.
  get isBusy() { return this.#holds.size > 0; }

  // Shows what waited. Without `now`, only once the focus has left as well.
  #catchUp(id, now = false) {
    const next = this.#waiting.get(id);
    const card = this.card(id);
    if (!next || this.#holds.has(id) || (!now && card?.contains(document.activeElement))) return;
    this.#waiting.delete(id);
    if (next.gone) card?.remove();
    else this.place(id, next);
  }

  #wait(card, next) {
    const id = card.dataset.ticketId;
    this.#waiting.set(id, next);
    const said = next.gone ? null : parse(next.html).querySelector(".card-heat");
    said?.querySelector("time")?.parentElement.remove();
    const text = next.gone ? "It left this view" : said?.textContent.trim() || "It changed";
    const line = element("p", { class: "card-heat card-waits" }, element("span", { dir: "auto" }, text));
    line.append(button("View", () => {
      this.#catchUp(id, true);
      this.focus(id);
    }, "", { "aria-label": `View what changed: ${text}` }));
    card.querySelector(".card-heat")?.remove();
    card.append(line);
    card.classList.add("is-warm");
    announce(`${keyOf(card)}: ${text}.`);
  }

  focus(id) { this.card(id)?.querySelector(".card-title a").focus({ preventScroll: true }); }

  // ── places ──

  placeOf(card) {
    const list = card.closest(".cards");
    return { list, next: card.nextElementSibling, column: list.dataset.status, lane: list.dataset.lane ?? "" };
  }

  // Puts a card back into a list, where its rank says.
  settle(card, list) {
    this.put(card, list, this.#successor(list, card, card.dataset.ticketId) ?? null);
  }

  // A node that moves loses the focus: it gets it back.
  put(card, list, next) {
    const focused = card.contains(document.activeElement) ? document.activeElement : null;
    list?.insertBefore(card, next?.parentElement === list ? next : null);
    focused?.focus({ preventScroll: true });
  }

  // ids: those asked for; answer: what /tickets/cards said of them; own: those that nobody else has changed.
  // False where there is a lane that the page lacks.
  apply(ids, answer, own = new Set()) {
    const found = new Map(answer.cards.map((card) => [card.id, card]));
    for (const id of ids) {
      const next = found.get(id) ?? { gone: true };
      const card = this.card(id);
      const focused = card?.contains(document.activeElement) && !own.has(id);
      if (card && (this.#holds.has(id) || focused)) {
        if (!own.has(id)) this.#wait(card, next);
        else this.#waiting.set(id, next);
      } else if (next.gone) card?.remove();
      else this.place(id, next);
    }
    for (const head of answer.columns) this.count(head);
    for (const name of ["summary", "fleet"]) this.#swap(name, answer[name]);
    if (answer.columns.some((head) => head.total)) document.querySelector("[data-nothing]")?.remove();
    return this.#countLanes(new Map(answer.lanes.map((lane) => [lane.id, lane])));
  }

  #swap(name, html) {
    const old = document.querySelector(`[data-${name}]`);
    const fresh = parse(html).firstElementChild;
    if (old && fresh && !old.isEqualNode(fresh)) old.replaceWith(fresh);
  }

  place(id, { column, lane, html }) {
    const old = this.card(id);
    const fresh = parse(html).querySelector("li");
    if (old && Number(old.dataset.version) > Number(fresh.dataset.version)) return;
    this.#waiting.delete(id);
    const list = this.list(column, lane);
    const focus = old?.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const next = list && this.#successor(list, fresh, id);
    if (!list || next === undefined) {
      old?.remove(); // below what is loaded: the column's foot counts it
      return;
    }
    const stays = old && old.parentElement === list && old.nextElementSibling === next;
    if (stays && this.#drawn.get(old) === html) return; // one change may be fetched twice: by its maker and by its event
    this.#drawn.set(fresh, html);
    const refusal = old?.querySelector(".card-refusal"); // it stays until it is dismissed
    if (refusal) fresh.append(refusal);
    // A card that keeps its place is replaced where it stands, so that nothing around it is laid out anew.
    if (stays) old.replaceWith(fresh);
    else {
      old?.remove();
      list.insertBefore(fresh, next);
    }
    if (focus !== null) {
      const link = [...fresh.querySelectorAll("a")].find((a) => a.getAttribute("href") === focus);
      (link ?? fresh.querySelector("a")).focus({ preventScroll: true });
    }
    if (fresh.classList.contains("is-warm")) setTimeout(() => cool(fresh), COOL);
  }

  // Who is at work on a card, and what it says of a lost one: that changes without an event. The rest of it stays.
  refresh(answer) {
    for (const { id, html } of answer.cards) {
      const old = this.card(id);
      const fresh = parse(html).querySelector("li");
      if (!old || old.dataset.version !== fresh.dataset.version) continue; // its event brings the rest
      const [foot, note] = [".card-foot > .agent", ".note-stale"].map((part) => [old.querySelector(part), fresh.querySelector(part)]);
      if (foot[0] && foot[1] && !foot[0].isEqualNode(foot[1])) foot[0].replaceWith(foot[1]);
      for (const control of note[1]?.querySelectorAll("button") ?? []) control.tabIndex = "current" in old.dataset ? 0 : -1;
      if (!note[0] && note[1]) (old.querySelector(":scope > .tags") ?? old.querySelector(".card-foot")).before(note[1]);
      else if (note[0] && !note[1] && !note[0].contains(document.activeElement)) note[0].remove();
      old.toggleAttribute("data-lease", fresh.hasAttribute("data-lease"));
    }
    this.#swap("fleet", answer.fleet);
  }

  // Returns the ids of the cards that are new: one of them may have come by an event meanwhile.
  append(list, html, next) {
    const cards = [...parse(html).querySelectorAll("li.card")].filter((card) => !this.card(card.dataset.ticketId));
    list.append(...cards);
    if (next) list.dataset.next = next;
    else delete list.dataset.next;
    this.foot(list);
    return cards.map((card) => card.dataset.ticketId);
  }

  count({ id, total, over, count }) {
    const column = this.column(id);
    if (!column) return;
    const fresh = parse(count).firstElementChild;
    const old = column.querySelector(".col-count");
    if (!old.isEqualNode(fresh)) {
      column.dataset.total = total;
      old.replaceWith(fresh);
      const limit = fresh.querySelector(".limit")?.textContent ?? "";
      document.querySelector(`[data-tab="${CSS.escape(id)}"] b`).textContent = `${number(total)}${limit}`;
      column.classList.toggle("is-over", over > 0);
      toggle(column, "col-warn", over > 0 && `${over} over limit`);
      toggle(column, "col-empty", total === 0 && column.dataset.empty);
    }
    for (const list of this.lists) if (list.dataset.status === id && !list.dataset.lane) this.foot(list);
  }

  // lanes: id → {count, cells: column → number of tickets} of those that hold any.
  #countLanes(lanes) {
    for (const lane of this.element.querySelectorAll(".lane")) {
      const now = lanes.get(lane.dataset.lane);
      lanes.delete(lane.dataset.lane);
      if (!now) {
        if (!this.isBusy && !lane.querySelector(".card")) lane.remove();
        continue;
      }
      const [old, fresh] = [lane.querySelector(".lane-count"), parse(now.count).firstElementChild];
      if (!old.isEqualNode(fresh)) old.replaceWith(fresh);
      for (const list of lane.querySelectorAll(".cards")) {
        list.parentElement.dataset.total = now.cells[list.dataset.status] ?? 0;
        this.foot(list);
      }
    }
    return !lanes.size;
  }

  foot(list) {
    const column = list.parentElement;
    const foot = column.querySelector(":scope > .col-more");
    if (!foot) return;
    if (!list.dataset.next) {
      foot.remove();
      return;
    }
    write(foot.querySelector("[data-shown]"), number(list.children.length));
    if (column.dataset.total) write(foot.querySelector("[data-of]"), number(Number(column.dataset.total)));
    const link = foot.querySelector("a[data-more]");
    if (!link) return;
    const address = new URL(link.href);
    address.searchParams.set("after", list.dataset.next);
    if (link.href !== address.href) link.href = address.href;
  }

  // The card before which `fresh` stands; null at the end; undefined where the column is not loaded so far.
  #successor(list, fresh, id) {
    const latest = this.#descends(list);
    for (const other of list.children) {
      if (other.dataset.ticketId !== id && !this.#holds.has(other.dataset.ticketId) && compare(fresh.dataset.rank, other.dataset.rank, latest) < 0) {
        if (other === list.firstElementChild && list.hasAttribute("data-continued")) return undefined;
        return other;
      }
    }
    const { next } = list.dataset;
    return next && compare(fresh.dataset.rank, next, latest) > 0 ? undefined : null;
  }
}

export const keyOf = (card) => card.querySelector(".key").textContent;

// A rank is text that sorts by code unit, then the ticket's number; final columns show the latest first.
function compare(a, b, latest) {
  const cutA = a.lastIndexOf("~");
  const cutB = b.lastIndexOf("~");
  const headA = a.slice(0, cutA);
  const headB = b.slice(0, cutB);
  const order = headA === headB ? Number(a.slice(cutA + 1)) - Number(b.slice(cutB + 1)) : headA < headB ? -1 : 1;
  return latest ? -order : order;
}

function toggle(column, name, text) {
  const old = column.querySelector(`:scope > .${name}`);
  if (!text) {
    old?.remove();
    return;
  }
  const line = old ?? document.createElement("p");
  line.className = name;
  write(line, text);
  if (!old) column.querySelector(".col-head").after(line);
}

function write(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

// The line goes when the card is cold, but never from under the pointer or the focus: the cards below it would move.
function cool(card) {
  if (!card.isConnected) return;
  if (card.querySelector(".card-waits")) return;
  if (card.closest(".col, .cell").matches(":hover, :focus-within")) {
    setTimeout(() => cool(card), 2000);
    return;
  }
  card.classList.remove("is-warm");
  card.querySelector(".card-heat")?.remove();
}
