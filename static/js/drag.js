// Cards carried by mouse, pen or finger.

import "../vendor/sortablejs-1.15.7/Sortable.min.js";
import { BUSY } from "./cards.js";

const { Sortable } = globalThis;
const NOT_A_HANDLE = "button, input, textarea, select, .card-form, .card-refusal, .card-waits, .card-note a";

export class Drag {
  #lists = new Map();
  #started = null;

  // board: holds cards; mover: decides what a drop means.
  constructor(board, mover) {
    this.board = board;
    this.mover = mover;
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.#started) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      this.#started.cancelled = true;
      document.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
    }, { capture: true });
    this.watch();
  }

  // After the lists were drawn anew.
  watch() {
    const lists = this.board.rules.writes ? [...this.board.element.querySelectorAll(".cards")] : [];
    for (const [list, sortable] of this.#lists) {
      if (list.isConnected && lists.includes(list)) continue;
      sortable.destroy();
      this.#lists.delete(list);
    }
    this.board.element.classList.toggle("is-movable", this.board.rules.writes);
    for (const list of lists) if (!this.#lists.has(list)) this.#lists.set(list, this.#sortable(list));
  }

  #sortable(list) {
    return new Sortable(list, {
      group: "cards",
      draggable: ".card",
      filter: ({ target }, card) => target.closest(NOT_A_HANDLE) || card?.matches(BUSY),
      preventOnFilter: false,
      // Pointer events alone: the same by mouse and finger, and Esc can end it.
      forceFallback: true,
      fallbackOnBody: true,
      fallbackTolerance: 5,
      fallbackClass: "is-lifted",
      ghostClass: "is-ghost",
      delay: 220,
      delayOnTouchOnly: true,
      touchStartThreshold: 6,
      sort: this.board.isRanked(list),
      animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 120,
      scrollSensitivity: 60,
      scrollSpeed: 14,
      bubbleScroll: true,
      emptyInsertThreshold: 24,
      onStart: ({ item }) => {
        this.#started = { place: this.board.placeOf(item), cancelled: false };
        this.board.hold(item, "drag");
        if (Sortable.ghost) Sortable.ghost.style.opacity = "1"; // what is in the hand is no shade
        document.documentElement.classList.add("is-dragging");
      },
      onChange: ({ to }) => this.#target(to),
      onEnd: ({ item }) => {
        const { place, cancelled } = this.#started;
        this.#started = null;
        this.#target(null);
        document.documentElement.classList.remove("is-dragging");
        if (cancelled) this.board.settle(item, place.list);
        else this.mover.drop(item, place);
        this.board.release(item, "drag");
      },
    });
  }

  #target(list) {
    const box = list?.closest(".col, .cell");
    for (const other of this.board.element.querySelectorAll(".is-target")) if (other !== box) other.classList.remove("is-target");
    box?.classList.add("is-target");
  }
}
