// A list of what waits for a person: each row acts in its place, and only rows that changed are drawn anew.

import { announce, element, icon, later, openSignIn, toast } from "./actions.js";
import { keyOf } from "./cards.js";
import { follow } from "./live.js";
import { ask, refuse } from "./moves.js";
import { parse } from "./ticketparts.js";

const EVERY = 20_000; // ms: leases run out and times pass without an event
const QUIET = "hephaestus-single-keys-off"; // as on the board
const LEAST = 500; // ms between two looks, however many events there are
const SHARE = 5; // nor more of them than a fifth of the time goes into

// options: acts (name → function(row, control)), drawn?() after each look, keys?(event, row) → true where it took the key
export class Rows {
  #holds = new Map(); // row's id → why it stays as it is
  #fresh = null; // what the server said last
  #gone = new Set(); // rows done with, which an answer from before may still hold
  #waiting = []; // who wants to know when the next look is over
  #looking = false;

  constructor(root, { acts, drawn, keys }) {
    this.root = root;
    this.acts = acts;
    this.drawn = drawn ?? (() => {});
    this.keys = keys ?? (() => false);
    this.lost = document.querySelector("[data-lost]");
    root.addEventListener("click", ({ target }) => {
      const control = target.closest("[data-act]");
      if (control) this.acts[control.dataset.act]?.(control.closest("[data-item]"), control);
    });
    root.addEventListener("keydown", (event) => this.#keydown(event));
    // What came while a row was in focus is shown once the focus has left it.
    root.addEventListener("focusout", () => setTimeout(() => this.#draw()));
    this.lost?.querySelector("[data-retry]").addEventListener("click", () => this.look());
    const soon = later(LEAST / 2, () => this.look());
    follow(document.querySelector("main").dataset.workflow, Number(document.querySelector("main").dataset.seq), soon);
    setInterval(() => { if (!document.hidden) this.look(); }, EVERY);
  }

  get all() { return [...this.root.querySelectorAll("[data-item]:not([hidden])")]; }
  row(id) { return this.root.querySelector(`[data-item="${CSS.escape(id)}"]`); }

  // ── what a person holds stays as it is ──

  hold(row, why) {
    const id = row.dataset.item;
    if (!this.#holds.has(id)) this.#holds.set(id, new Set());
    this.#holds.get(id).add(why);
  }

  release(row, why) {
    const id = row.dataset.item;
    const reasons = this.#holds.get(id);
    reasons?.delete(why);
    if (reasons && !reasons.size) this.#holds.delete(id);
    this.#draw();
  }

  // ── the server's word ──

  // A promise that is kept when a look that began after this is drawn, or has failed.
  look() {
    const looked = new Promise((resolve) => { this.#waiting.push(resolve); });
    if (!this.#looking) this.#loop();
    return looked;
  }

  async #loop() {
    this.#looking = true;
    while (this.#waiting.length) {
      const told = this.#waiting.splice(0);
      const done = [...this.#gone];
      const started = Date.now();
      const answer = await fetch(this.root.dataset.address, { headers: { Accept: "text/html" } }).catch(() => null);
      if (answer?.ok) {
        this.#fresh = parse(await answer.text());
        for (const id of done) this.#gone.delete(id);
        this.#draw();
      }
      if (this.lost) this.lost.hidden = Boolean(answer?.ok);
      for (const tell of told) tell();
      const took = Date.now() - started;
      await new Promise((resolve) => { setTimeout(resolve, Math.max(LEAST, took * (SHARE - 1))); });
    }
    this.#looking = false;
  }

  #draw() {
    if (!this.#fresh) return;
    for (const fresh of this.#fresh.querySelectorAll("[data-group]")) {
      const old = this.root.querySelector(`[data-group="${CSS.escape(fresh.dataset.group)}"]`);
      if (!old) continue;
      this.#parts(old, fresh);
      this.#list(old.querySelector(".rows"), fresh.querySelector(".rows"));
      old.hidden = fresh.hidden && !old.querySelector("[data-item]");
    }
    const nothing = this.root.querySelector("[data-nothing]");
    const wanted = this.#fresh.querySelector("[data-nothing]");
    if (nothing && wanted) {
      if (nothing.innerHTML !== wanted.innerHTML) nothing.innerHTML = wanted.innerHTML;
      nothing.hidden = wanted.hidden || this.all.length > 0;
    }
    this.drawn();
  }

  #list(list, fresh) {
    const wanted = new Map([...fresh.children].filter((row) => !this.#gone.has(row.dataset.item)).map((row) => [row.dataset.item, row]));
    for (const row of [...list.children]) {
      const next = wanted.get(row.dataset.item);
      if (next) this.#update(row, next);
      else if (this.#isHeld(row)) this.#settled(row);
      else row.remove();
    }
    let place = list.firstElementChild;
    for (const [id, row] of wanted) {
      const old = this.row(id);
      if (!old) list.insertBefore(row.cloneNode(true), place);
      else if (old === place) place = place.nextElementSibling;
      else if (!old.contains(document.activeElement)) list.insertBefore(old, place);
    }
  }

  #isHeld(row) { return this.#holds.has(row.dataset.item) || row.contains(document.activeElement); }

  #update(row, fresh) {
    row.querySelector(".row-settled")?.remove();
    this.#parts(row, fresh);
    for (const [name, value] of Object.entries(fresh.dataset)) row.dataset[name] = value;
  }

  // Parts that say the same stay the same nodes; one with the focus in it stays whatever it says.
  // A part that may come and go bears data-part.
  #parts(old, fresh) {
    const alike = (parent, part) => [...parent.children].find((child) => child.tagName === part.tagName && child.classList[0] === part.classList[0]);
    for (const part of old.querySelectorAll(":scope > [data-part]")) if (!alike(fresh, part) && !part.contains(document.activeElement)) part.remove();
    for (const part of [...fresh.children]) {
      if (part.matches(".rows")) continue;
      const now = alike(old, part);
      if (!now) {
        const after = part.previousElementSibling && alike(old, part.previousElementSibling);
        if (after) after.after(part.cloneNode(true));
        else old.prepend(part.cloneNode(true));
        continue;
      }
      if (now.contains(document.activeElement) || same(now, part)) continue;
      const next = part.cloneNode(true);
      // What a person opened stays open.
      for (const control of now.querySelectorAll("[data-act][aria-expanded=true]")) next.querySelector(`[data-act=${control.dataset.act}]`)?.setAttribute("aria-expanded", "true");
      now.replaceWith(next);
    }
  }

  #settled(row) {
    if (row.hidden || row.querySelector(".row-settled")) return;
    row.append(element("p", { class: "row-settled" }, icon("info"), "This no longer waits."));
    announce(`${keyOf(row)}: this no longer waits.`);
  }

  // ── what a person does ──

  focus(row) {
    const heading = document.querySelector(".page-head h1");
    heading.tabIndex = -1;
    (row?.querySelector(".card-title a") ?? heading).focus();
  }

  // Where the focus goes from rows that are taken away.
  #beside(taken) {
    const all = this.all;
    const at = all.indexOf(taken.at(-1));
    return all.find((row, place) => place > at && !taken.includes(row)) ?? all.findLast((row) => !taken.includes(row)) ?? null;
  }

  // Takes the row away at once; it comes back where it was, with the reason, when the server refuses.
  // options: run → promise, fault, said, undo? → promise, stays? for what keeps its row, also? other rows that go with it
  async act(row, options) {
    const { run, fault, said, undo, stays = false, also = [] } = options;
    const taken = stays ? [] : [...also, row];
    const inside = row.contains(document.activeElement) || document.activeElement === document.body;
    row.querySelector(".card-refusal")?.remove();
    this.hold(row, "acting");
    row.classList.toggle("is-saving", stays);
    if (taken.length && inside) this.focus(this.#beside(taken));
    this.#take(taken, true);
    try {
      await run();
      announce(said);
      if (undo) this.#offer(said, undo);
      for (const one of taken) {
        this.#gone.add(one.dataset.item);
        one.remove();
      }
      return true;
    } catch (refusal) {
      if (refusal.code === undefined) throw refusal;
      this.#take(taken, false);
      const steps = refusal.code === "unauthenticated" ? [["Sign in", openSignIn]] : [];
      if (refusal.retryable || steps.length) steps.push(["Try again", () => this.act(row, options)]);
      refuse(row, fault, refusal.code === "unauthenticated" ? "You are signed out." : refusal.message, steps);
      if (inside) this.focus(row);
      return false;
    } finally {
      row.classList.remove("is-saving");
      this.release(row, "acting");
      this.look();
    }
  }

  #take(taken, away) {
    for (const row of taken) {
      row.hidden = away;
      this.#count(row, away ? -1 : 1);
    }
  }

  #offer(said, undo) {
    toast(said, { action: ["Undo", async () => {
      try {
        await undo();
        announce("As before.");
      } catch (refusal) {
        if (refusal.code === undefined) throw refusal;
        toast(`Not undone. ${refusal.message}`, { glyph: "ban" });
      }
      this.look();
    }] });
  }

  // The number in the group's head, until the server says it.
  #count(row, by) {
    const badge = row.closest("[data-group]")?.querySelector("[data-total]");
    const number = badge && /^\d+$/.test(badge.textContent) ? Number(badge.textContent) + by : null;
    if (number !== null) badge.textContent = String(Math.max(number, 0));
  }

  ask(row, question) { return ask(this, row, question); }

  // What was done with a row that stays.
  note(row, text) {
    row.querySelector(".row-note")?.remove();
    row.append(element("p", { class: "row-note" }, icon("check"), text));
  }

  // Arrows go from row to row; a letter does what the button of that letter in the row does.
  #keydown(event) {
    const row = event.target.closest("[data-item]");
    if (!row || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select, form")) return;
    const isSingle = event.key.length === 1;
    if (isSingle && localStorage.getItem(QUIET)) return;
    if (this.keys(event, row)) return event.preventDefault();
    const all = this.all;
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 };
    if (event.key in steps) {
      event.preventDefault();
      const next = all[all.indexOf(row) + steps[event.key]];
      if (next) this.focus(next);
    } else if (isSingle && !event.shiftKey) {
      const control = row.querySelector(`[aria-keyshortcuts="${CSS.escape(event.key.toUpperCase())}"]`);
      if (!control) return;
      event.preventDefault();
      control.click();
    }
  }
}

function same(one, other) {
  const [a, b] = [one, other].map((node) => node.cloneNode(true));
  for (const node of [a, b]) {
    for (const time of node.querySelectorAll("time[data-age]")) time.textContent = "";
    for (const control of node.querySelectorAll("[aria-expanded]")) control.removeAttribute("aria-expanded");
  }
  return a.isEqualNode(b);
}
