// Several cards at once: selected by X, Shift and Ctrl with a click, changed by one operation.

import { announce, button, call, element, icon, toast, toastRefusal } from "./actions.js";
import { keyOf } from "./cards.js";
import { openMenu } from "./menu.js";
import { ask, draftsOf, refuse } from "./moves.js";

const MOST = 50; // tickets of one bulk update

export class Selection {
  #ids = new Set();
  #last = null;
  #dock = null;

  constructor(board, choices, touch) {
    this.board = board;
    this.choices = choices;
    this.touch = touch;
    choices.select = (card) => this.toggle(card);
    board.element.addEventListener("click", (event) => this.#click(event), { capture: true });
    board.element.addEventListener("keydown", (event) => this.#keydown(event));
    // A card that was replaced or comes back is still selected.
    new MutationObserver(() => this.#paint()).observe(board.element, { childList: true, subtree: true });
  }

  toggle(card, on = !this.#ids.has(card.dataset.ticketId)) {
    if (!this.board.rules.writes) return;
    if (on) this.#ids.add(card.dataset.ticketId);
    else this.#ids.delete(card.dataset.ticketId);
    this.#last = card.dataset.ticketId;
    this.#paint();
    announce(`${keyOf(card)} ${on ? "selected" : "not selected"}, ${this.#ids.size} in all.`);
  }

  clear() {
    if (!this.#ids.size) return;
    this.#ids.clear();
    this.#paint();
    announce("Nothing selected.");
  }

  #click(event) {
    const card = event.target.closest(".card");
    if (!card || event.button || !(event.ctrlKey || event.metaKey || event.shiftKey) || event.target.closest("button, .card-form")) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.shiftKey && this.#last) this.#range(card);
    else this.toggle(card);
    card.querySelector(".card-title a").focus({ preventScroll: true });
    getSelection()?.removeAllRanges();
  }

  #range(card) {
    const start = this.board.card(this.#last);
    const list = card.closest(".cards");
    if (start?.closest(".cards") !== list) return this.toggle(card, true);
    const cards = [...list.children];
    const [from, to] = [cards.indexOf(start), cards.indexOf(card)].sort((a, b) => a - b);
    for (const one of cards.slice(from, to + 1)) this.#ids.add(one.dataset.ticketId);
    this.#paint();
    announce(`${this.#ids.size} selected.`);
  }

  #keydown(event) {
    const card = event.target.closest?.(".card-title a")?.closest(".card");
    if (!card || !event.shiftKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const next = event.key === "ArrowUp" ? card.previousElementSibling : card.nextElementSibling;
    event.preventDefault();
    this.toggle(card, true);
    if (!next) return;
    this.toggle(next, true);
    next.querySelector(".card-title a").focus();
  }

  #paint() {
    for (const card of this.board.element.querySelectorAll(".card.is-selected")) {
      if (this.#ids.has(card.dataset.ticketId)) continue;
      card.classList.remove("is-selected");
      card.querySelector("[data-selected]")?.remove();
    }
    let hidden = 0;
    for (const id of this.#ids) {
      const card = this.board.card(id);
      if (!card) hidden += 1;
      if (!card || card.classList.contains("is-selected")) continue;
      card.classList.add("is-selected");
      card.querySelector(".card-top").prepend(element("span", { class: "vh", "data-selected": true }, "Selected. "));
    }
    if (!this.#ids.size) {
      this.#dock?.remove();
      this.#dock = null;
    } else {
      if (!this.#dock) document.body.append(this.#dock = this.#bar());
      const said = `${this.#ids.size} selected${hidden ? `, ${hidden} not in sight` : ""}`;
      const line = this.#dock.querySelector("b");
      if (line.textContent !== said) line.textContent = said;
    }
  }

  #bar() {
    const { choices } = this;
    const menu = (word, items) => button(word, ({ currentTarget }) => openMenu(currentTarget, word.replace("…", ""), items()), "", { "aria-haspopup": "menu" });
    return element("div", { class: "dock", "data-dock": "bulk", role: "region", "aria-label": "Selected cards" },
      element("p", { class: "dock-what" }, icon("check"), element("b", {}, "")),
      element("div", { class: "dock-acts" },
        menu("Move to…", () => choices.columns(null, (status) => this.#move(status))),
        menu("Assign…", () => choices.people(undefined, (agent) => this.#change({ assigned_agent_id: agent }))),
        menu("Priority…", () => choices.priorities(undefined, (priority) => this.#change({ priority }))),
        button("Tag…", () => this.#tag()),
        button("Clear", () => this.clear(), "btn-quiet")));
  }

  async #move(status) {
    const { rules, columns } = this.board;
    if (!rules.comment) return this.#change({ status });
    const name = "ask-status";
    const asked = await this.#ask(name, { label: `Why do ${this.#ids.size} tickets move to ${columns.get(status).name}?`, least: rules.comment, go: "Move all" });
    if (asked) this.#change({ status }, asked.text, asked.sent);
  }

  async #tag() {
    const asked = await this.#ask("ask-tags", { label: `Tag ${this.#ids.size} tickets`, least: 1, go: "Tag", hint: "Separate tags by commas" });
    const tags = asked?.text.split(",").map((tag) => tag.trim()).filter(Boolean);
    if (tags?.length) this.#change({ tags_add: tags }, undefined, asked.sent);
  }

  // At the first selected card in sight: {text, sent}, sent() once it is; null where there is nothing to send.
  async #ask(name, form) {
    const card = [...this.#ids].map((id) => this.board.card(id)).find(Boolean);
    if (!card) {
      toast("The selected cards are not in sight. Remove the filters to go on.", { glyph: "warn" });
      return null;
    }
    const text = await ask(this.board, card, { name, ...form });
    return text === null ? null : { text, sent: () => draftsOf(this.board, card).drop(name) };
  }

  async #change(updates, comment, sent = () => {}) {
    const ids = [...this.#ids];
    const refused = [];
    let updated = 0;
    try {
      for (let start = 0; start < ids.length; start += MOST) {
        const answer = await call("tickets/bulk-update", { ticket_ids: ids.slice(start, start + MOST), updates, comment });
        updated += answer.updated;
        refused.push(...answer.results.filter((result) => !result.success));
      }
    } catch (refusal) {
      toastRefusal(`${ids.length - updated} of ${ids.length} tickets are not changed.`, refusal, () => this.#change(updates, comment, sent));
      return;
    } finally {
      this.touch(...ids);
    }
    sent();
    // What was refused stays selected, with the reason at its card.
    this.#ids = new Set(refused.map((result) => result.ticket_id));
    this.#paint();
    for (const { ticket_id: id, error } of refused) {
      const card = this.board.card(id);
      if (card) refuse(card, "Not changed.", error.message);
    }
    toast(`${updated} ticket${updated === 1 ? "" : "s"} changed${refused.length ? `, ${refused.length} refused` : ""}`, { glyph: refused.length ? "warn" : "check" });
  }
}
