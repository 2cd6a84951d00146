// The board by keyboard: one tab stop for each list of cards, arrows between cards, Space lifts one.

import { tinykeys } from "../vendor/tinykeys-4.0.0/tinykeys.js";
import { announce, button, element, icon } from "./actions.js";
import { BUSY, keyOf } from "./cards.js";

const CONTROLS = "a[href], button";
const QUIET = "hephaestus-single-keys-off";

export class Keys {
  #lifted = null; // {card, from, dock}
  #moving = false;

  // shortcuts: key → function(card in focus or null); single ones wait where the person switched them off.
  constructor(board, mover, shortcuts) {
    this.board = board;
    this.mover = mover;
    board.element.addEventListener("keydown", (event) => this.#keydown(event));
    board.element.addEventListener("focusin", ({ target }) => {
      const card = target.closest(".card");
      if (card) this.#enter(card);
    });
    board.element.addEventListener("focusout", ({ target }) => {
      if (this.#lifted && !this.#moving && target.closest(".card") === this.#lifted.card) setTimeout(() => this.#left());
    });
    new MutationObserver((records) => {
      const lists = new Set(records.filter(({ target }) => target.matches(".cards")).map(({ target }) => target));
      for (const list of lists) this.#adopt(list);
    }).observe(board.element, { childList: true, subtree: true });
    this.watch();
    const single = (run) => (event) => {
      if ((event.key.length === 1 && localStorage.getItem(QUIET)) || event.defaultPrevented || event.target.closest("[popover], dialog, form")) return;
      event.preventDefault();
      run(document.activeElement.closest?.(".card") ?? null, event);
    };
    tinykeys(window, Object.fromEntries(Object.entries(shortcuts).map(([keys, run]) => [keys, single(run)])));
  }

  watch() {
    for (const list of this.board.lists) this.#adopt(list);
  }

  get isLifting() { return this.#lifted !== null; }

  // ── one tab stop a list ──

  #adopt(list) {
    const cards = [...list.querySelectorAll(":scope > .card")];
    const current = cards.find((card) => card.contains(document.activeElement)) ?? cards.find((card) => card.dataset.current !== undefined) ?? cards[0];
    for (const card of cards) this.#stop(card, card === current);
  }

  #enter(card) {
    const list = card.closest(".cards");
    for (const other of list.querySelectorAll(":scope > [data-current]")) if (other !== card) this.#stop(other, false);
    this.#stop(card, true);
  }

  #stop(card, here) {
    if (here === (card.dataset.current !== undefined) && card.dataset.adopted) return;
    card.dataset.adopted = "1";
    if (here) card.dataset.current = "";
    else delete card.dataset.current;
    for (const control of card.querySelectorAll(CONTROLS)) control.tabIndex = here ? 0 : -1;
  }

  // ── arrows ──

  #keydown(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const link = event.target.closest?.(".card-title a");
    if (!link) return;
    const card = link.closest(".card");
    const way = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right", k: "up", j: "down" }[event.key];
    if (this.#lifted) this.#carry(event, way);
    else if (event.key === " ") {
      event.preventDefault();
      this.#lift(card);
    } else if (way && !(event.shiftKey && (way === "up" || way === "down"))) {
      event.preventDefault();
      this.#go(this.#neighbour(card, way));
    } else if (event.key === "Home" || event.key === "End") {
      event.preventDefault();
      this.#go(card.closest(".cards").querySelector(`:scope > .card:${event.key === "Home" ? "first" : "last"}-child`));
    }
  }

  #go(card) {
    if (!card) return;
    card.querySelector(".card-title a").focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #neighbour(card, way) {
    const list = card.closest(".cards");
    if (way === "up" || way === "down") {
      const beside = way === "up" ? card.previousElementSibling : card.nextElementSibling;
      return beside ?? this.#edge(this.#across(list, way), way);
    }
    for (let other = this.#beside(list, way); other; other = this.#beside(other, way)) {
      if (other.firstElementChild?.checkVisibility()) return this.#level(other, card);
    }
    return null;
  }

  // In lanes, the list of the same column in the lane above or below.
  #across(list, way) {
    if (!list.dataset.lane) return null;
    const same = this.board.lists.filter((other) => other.dataset.status === list.dataset.status);
    const rest = way === "up" ? same.slice(0, same.indexOf(list)).reverse() : same.slice(same.indexOf(list) + 1);
    return rest.find((other) => other.children.length && other.checkVisibility());
  }

  #edge(list, way) { return list && (way === "up" ? list.lastElementChild : list.firstElementChild); }

  #beside(list, way) {
    const row = this.board.lists.filter((other) => other.dataset.lane === list.dataset.lane);
    return row[row.indexOf(list) + (way === "left" ? -1 : 1)] ?? null;
  }

  // The card at about the same height.
  #level(list, card) {
    const middle = (box) => box.top + box.height / 2;
    const at = middle(card.getBoundingClientRect());
    return [...list.children].reduce((best, other) =>
      (Math.abs(middle(other.getBoundingClientRect()) - at) < Math.abs(middle(best.getBoundingClientRect()) - at) ? other : best));
  }

  // ── a card in the hand ──

  #lift(card) {
    if (!this.board.rules.writes) return announce("You may look at this board, not change it.");
    if (card.matches(BUSY)) return announce(`${keyOf(card)} is about to move.`);
    this.board.hold(card, "keys");
    card.classList.add("is-lifted");
    const what = element("b", {});
    const where = element("span", {});
    const keys = [["←→", "column"], ["↑↓", "position"], ["Enter", "drop"], ["Esc", "put back"]].map(([key, word]) =>
      element("span", {}, element("kbd", {}, key), ` ${word}`));
    const dock = element("div", { class: "dock", "data-dock": "move" },
      element("p", { class: "dock-what" }, icon("move"), element("span", {}, what, where)),
      element("div", { class: "dock-keys", "aria-hidden": "true" }, ...keys),
      element("div", { class: "dock-acts" }, button("Put back", () => this.#end(false), "btn-quiet"), button("Drop here", () => this.#end(true), "btn-primary")));
    what.textContent = `Moving ${keyOf(card)}`;
    document.body.append(dock);
    this.#lifted = { card, from: this.board.placeOf(card), dock, where };
    this.#say("lifted");
  }

  #carry(event, way) {
    const { card } = this.#lifted;
    if (event.key === "Escape") this.#end(false);
    else if (event.key === " " || event.key === "Enter") this.#end(true);
    else if (way === "up" || way === "down") this.#shift(card, way);
    else if (way) this.#cross(card, way);
    else if (event.key !== "Tab") return;
    else this.#end(false);
    event.preventDefault();
    event.stopPropagation();
  }

  #shift(card, way) {
    const list = card.closest(".cards");
    if (!this.board.isRanked(list)) {
      return announce(this.board.columnOf(list).final ? "This column shows the latest first." : "The columns are sorted; choose the order by hand to place cards.");
    }
    const beside = way === "up" ? card.previousElementSibling : card.nextElementSibling;
    if (beside) this.#put(() => (way === "up" ? beside.before(card) : beside.after(card)));
  }

  #cross(card, way) {
    const list = card.closest(".cards");
    const other = this.#beside(list, way);
    if (!other) return;
    const level = other.children.length && this.board.isRanked(other) ? this.#level(other, card) : null;
    this.#put(() => (level ? level.before(card) : other.prepend(card)));
  }

  #put(place) {
    const { card } = this.#lifted;
    this.#moving = true;
    place();
    this.#go(card);
    this.#moving = false;
    for (const box of this.board.element.querySelectorAll(".is-target")) box.classList.remove("is-target");
    card.closest(".col, .cell").classList.add("is-target");
    this.#say("");
  }

  #say(verb) {
    const { card, where } = this.#lifted;
    const list = card.closest(".cards");
    const column = this.board.columnOf(list);
    const place = this.board.isRanked(list) ? `, position ${[...list.children].indexOf(card) + 1} of ${list.children.length}` : "";
    const limits = this.board.columns.get(this.#lifted.from.column).to;
    const barred = column.id !== this.#lifted.from.column && !limits.includes(column.id) ? " (not from here)" : "";
    where.textContent = ` to ${column.name}${place}${barred}`;
    announce(verb ? `${keyOf(card)} ${verb}. ${column.name}${place}. Arrows move it, Space drops it, Escape puts it back.` : `${column.name}${place}${barred}`);
  }

  #end(drop) {
    const { card, from, dock } = this.#lifted;
    this.#lifted = null;
    dock.remove();
    card.classList.remove("is-lifted");
    for (const box of this.board.element.querySelectorAll(".is-target")) box.classList.remove("is-target");
    if (drop) {
      this.board.unfold(card);
      this.mover.drop(card, from);
    } else {
      this.board.settle(card, from.list);
      announce(`${keyOf(card)} is back in ${this.board.columns.get(from.column).name}.`);
    }
    this.#go(card);
    this.board.release(card, "keys");
  }

  // The focus went elsewhere: to the dock it may; anywhere else the card goes back.
  #left() {
    if (!this.#lifted || this.#lifted.card.contains(document.activeElement) || this.#lifted.dock.contains(document.activeElement)) return;
    this.#end(false);
  }
}
