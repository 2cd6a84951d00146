// What can be done with a card: its menu, and the keys that go straight to one of its lines.

import { announce, call, copy, openSignIn } from "./actions.js";
import { keyOf } from "./cards.js";
import { openMenu } from "./menu.js";
import { ask, draftsOf, refuse } from "./moves.js";

const KEYS_ALONE = /^\s*[A-Za-z][A-Za-z0-9]*-\d+(\s*,\s*[A-Za-z][A-Za-z0-9]*-\d+)*\s*$/;

// Lines of a menu: who may have a ticket. `now`: the name of who has it; undefined for many.
export function people({ me, members }, now, choose) {
  const mine = members.filter(([id]) => id === me).map(([id, name]) => [id, `${name} (you)`]);
  const others = members.filter(([id]) => id !== me);
  return [...mine, [null, "Nobody"], ...others].map(([id, name]) => ({
    word: name, glyph: "user", checked: now === undefined ? undefined : now === name, run: () => choose(id),
  }));
}

// Opens the ticket, to comment on it or to edit its description at once.
export const openAt = (card, act) => document.dispatchEvent(new CustomEvent("hephaestus:open", { cancelable: true, detail: { key: keyOf(card), act } }));

export class CardMenu {
  select = () => {}; // given by who keeps the selection

  constructor(board, mover, touch) {
    Object.assign(this, { board, mover, touch });
    board.element.addEventListener("click", ({ target }) => {
      const opener = target.closest(".card-menu");
      if (opener) this.open(opener.closest(".card"));
      if (target.closest("[data-release]")) this.#release(target.closest(".card"));
    });
  }

  open(card) { this.#show(card, `Actions for ${keyOf(card)}`, this.lines(card)); }

  lines(card) {
    const { writes } = this.board.rules;
    const key = keyOf(card);
    const blocked = card.classList.contains("is-blocked");
    const final = this.board.columnOf(card.closest(".cards")).final;
    const address = card.querySelector(".card-title a").href;
    const lines = [{ word: "Open", glyph: "expand", keys: "Enter", run: () => card.querySelector(".card-title a").click() }];
    if (writes) {
      lines.push(
        { word: "Move to…", glyph: "move", keys: "M", label: `Move ${key} to`, items: () => this.#columns(card) },
        { word: "Assign…", glyph: "user", keys: "A", label: `Assign ${key} to`, items: () => this.#people(card) },
        { word: "Priority…", glyph: "p-high", keys: "P", label: `Priority of ${key}`, items: () => this.#priorities(card) },
        { word: "Comment…", glyph: "comment", keys: "C", run: () => openAt(card, "comment") },
        { word: "Edit…", glyph: "edit", keys: "E", run: () => openAt(card, "edit") },
        blocked ? { word: "Unblock", glyph: "lock", keys: "B", run: () => this.unblock(card) } : { word: "Block…", glyph: "lock", keys: "B", run: () => this.block(card) },
      );
      if (card.classList.contains("is-pending")) {
        lines.push(
          { word: "Approve", glyph: "approve", run: () => this.#do(card, "Not approved.", "tickets/approve", {}, "approved") },
          { word: "Reject…", glyph: "ban", run: () => this.reject(card) },
        );
      }
      if (this.board.rules.maintains && card.querySelector(".note-stale")) lines.push({ word: "Release", glyph: "undo", run: () => this.#release(card) });
      const isTaken = blocked || final || card.matches(".is-pending") || card.querySelector(".card-foot .agent-name");
      if (!isTaken) lines.push({ word: "Claim", glyph: "user", run: () => this.#do(card, "Not claimed.", "tickets/claim", {}, "claimed") });
      if (!final) lines.push({ word: "Resolve…", glyph: "check", keys: "R", run: () => this.resolve(card) });
      lines.push({ word: "Select", glyph: "list", keys: "X", run: () => this.#back(card, this.select(card)) });
    }
    lines.push(
      { word: "Copy key", glyph: "copy", run: () => this.#back(card, copy(key, "Key")) },
      { word: "Copy link", glyph: "link", run: () => this.#back(card, copy(address, "Link")) },
    );
    return lines;
  }

  move(card) { this.#show(card, `Move ${keyOf(card)} to`, this.#columns(card)); }
  assign(card) { this.#show(card, `Assign ${keyOf(card)} to`, this.#people(card)); }
  prioritise(card) { this.#show(card, `Priority of ${keyOf(card)}`, this.#priorities(card)); }
  toggleBlock(card) { return card.classList.contains("is-blocked") ? this.unblock(card) : this.block(card); }

  async block(card) {
    const key = keyOf(card);
    const text = await ask(this.board, card, { name: "ask-block", label: `Why is ${key} blocked?`, least: 1, go: "Block", hint: "Or keys of what must come first" });
    if (text === null) return;
    const body = KEYS_ALONE.test(text) ? { blocked_by_ticket_ids: text.split(",").map((part) => part.trim()) } : { reason: text };
    this.#do(card, "Not blocked.", "tickets/block", body, "blocked", "ask-block");
  }

  unblock(card) {
    const blockers = [...card.querySelectorAll(".note-blocked a")].map((link) => link.textContent);
    this.#do(card, "Not unblocked.", "tickets/unblock", { blocked_by_ticket_ids: blockers }, "unblocked");
  }

  async resolve(card) {
    const text = await ask(this.board, card, { name: "ask-resolve", label: `How was ${keyOf(card)} resolved?`, least: 10, go: "Resolve" });
    if (text !== null) this.#do(card, "Not resolved.", "tickets/resolve", { resolution_comment: text }, "resolved", "ask-resolve");
  }

  async reject(card) {
    const text = await ask(this.board, card, { name: "ask-reject", label: `Why is ${keyOf(card)} rejected?`, go: "Reject" });
    if (text !== null) this.#do(card, "Not rejected.", "tickets/reject", { reason: text || undefined }, "rejected", "ask-reject");
  }

  // Lines of a menu, for one card or for many (`now` undefined).
  columns(from, choose) {
    return [...this.board.columns.values()].map((column, place) => ({
      word: column.name, glyph: column.glyph, color: column.color, keys: place < 9 && String(place + 1),
      end: column.id === from ? "now" : "", off: from && column.id !== from && !this.board.columns.get(from).to.includes(column.id) ? "not from here" : null,
      run: () => { if (column.id !== from) choose(column.id); },
    }));
  }

  people(now, choose) { return people(this.board.rules, now, choose); }

  priorities(now, choose) {
    return this.board.rules.priorities.map((name) => ({
      word: name[0].toUpperCase() + name.slice(1), glyph: `p-${name}`, checked: now === undefined ? undefined : now === name, run: () => choose(name),
    }));
  }

  #columns(card) { return this.columns(card.closest(".cards").dataset.status, (status) => {
    this.board.focus(card.dataset.ticketId);
    this.mover.to(card, status);
  }); }
  #people(card) {
    const now = card.querySelector(".card-foot .agent-name")?.textContent ?? "";
    return this.people(now, (agent) => this.#do(card, "Not assigned.", "tickets/assign", { assigned_agent_id: agent }, agent ? "assigned" : "unassigned"));
  }
  #priorities(card) {
    const now = card.querySelector(".prio-word")?.textContent.toLowerCase() ?? "";
    return this.priorities(now, (priority) => this.#do(card, "Not changed.", "tickets/update", { updates: { priority } }, `priority ${priority}`));
  }

  #show(card, label, lines) {
    this.board.hold(card, "menu");
    const anchor = card.querySelector(".card-menu");
    openMenu(anchor, label, lines, { onclose: (chosen) => {
      if (!chosen && document.activeElement === anchor) this.board.focus(card.dataset.ticketId);
      setTimeout(() => this.board.release(card, "menu"));
    } });
  }

  #back(card, result) {
    this.board.focus(card.dataset.ticketId);
    return result;
  }

  // Nobody hears from its agent: the ticket is free for others.
  #release(card) { this.#do(card, "Not released.", "tickets/release", {}, "released"); }

  // draft: the name of the one that is sent with it.
  async #do(card, fault, path, body, said, draft = null) {
    const id = card.dataset.ticketId;
    this.board.focus(id);
    try {
      await call(path, { ticket_id: id, ...body });
      if (draft) draftsOf(this.board, card).drop(draft);
      announce(`${keyOf(card)} ${said}.`);
    } catch (refusal) {
      const steps = refusal.code === "unauthenticated" ? [["Sign in", openSignIn]] : [];
      if (refusal.retryable || steps.length) steps.push(["Try again", () => this.#do(card, fault, path, body, said, draft)]);
      refuse(this.board.card(id) ?? card, fault, refusal.message, steps);
    }
    this.touch(id);
  }
}
