// What a drop means: at once on the page, then on the server; refused, the card goes back and says why.

import { announce, button, call, element, icon, newKey, openSignIn, toast } from "./actions.js";
import { BUSY, keyOf } from "./cards.js";
import { Drafts } from "./ticketdrafts.js";

const LANE_FIELDS = { agent: "assigned_agent_id", type: "ticket_type", priority: "priority" };

export class Mover {
  // touch(id): fetches the card anew, whether or not an event comes.
  constructor(board, touch) {
    this.board = board;
    this.touch = touch;
  }

  // A card that stands where it was dropped, and where it came from.
  async drop(card, from) {
    const to = this.board.placeOf(card);
    if (to.list === from.list && to.next === from.next) return;
    const key = keyOf(card);
    const moves = to.column !== from.column;
    const back = (why) => {
      this.board.settle(this.board.card(card.dataset.ticketId) ?? card, from.list);
      announce(`${key} is back in ${this.#name(from.column)}${why ? `: ${why}` : "."}`);
    };
    if (to.lane !== from.lane && this.board.rules.lanes === "parent") {
      back();
      refuse(card, "Not moved to this lane.", "A ticket's parent is changed on the ticket.");
      return;
    }
    let comment;
    if (moves && this.board.rules.comment) {
      this.board.unfold(card);
      comment = await ask(this.board, card, {
        name: "ask-status", label: `Why does ${key} move to ${this.#name(to.column)}?`, least: this.board.rules.comment, go: "Move", stop: "Put back",
      });
      if (comment === null) return back();
    }
    await this.#send(card, from, to, back, { comment, version: Number(card.dataset.version) });
  }

  // By the menu: to the top of the column.
  to(shown, columnId) {
    const card = this.board.card(shown.dataset.ticketId) ?? shown;
    if (card.matches(BUSY)) return announce(`${keyOf(card)} is about to move.`);
    card.querySelector(".card-refusal")?.remove();
    const from = this.board.placeOf(card);
    const list = this.board.list(columnId, from.lane);
    if (!list) return;
    this.board.unfold(list);
    this.board.put(card, list, list.firstElementChild);
    this.#uncover(list, card);
    return this.drop(card, from);
  }

  #uncover(list, card) {
    list.scrollTop = 0;
    card.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  }

  #name(column) { return this.board.columns.get(column)?.name ?? column; }

  async #send(card, from, to, back, { comment, version, key = newKey() }) {
    const id = card.dataset.ticketId;
    const named = keyOf(card);
    const moves = to.column !== from.column;
    const goal = moves ? this.#name(to.column) : "its new place";
    const retry = (changes) => this.#send(this.board.card(id) ?? card, from, to, back, { comment, version, ...changes });
    // After it was put back: what stands on the board now may be another node.
    const again = (changes = {}) => {
      const now = this.board.card(id) ?? card;
      now.querySelector(".card-refusal")?.remove();
      const { next } = to;
      this.board.put(now, to.list.isConnected ? to.list : this.board.list(to.column, to.lane), next?.isConnected ? next : null);
      return retry(changes);
    };
    const saving = {}; // another try of the same may begin before this one ends
    this.board.hold(card, saving);
    card.classList.add("is-saving");
    try {
      if (to.lane !== from.lane) version = await this.#changeLane(id, to.lane, version);
      const answer = await call(moves ? "tickets/change-status" : "tickets/move", {
        ticket_id: id, expected_version: version, ...this.#beside(card, to), ...(moves && { new_status: to.column, comment }),
      }, { key });
      card.dataset.version = answer.version;
      if (comment) draftsOf(this.board, card).drop("ask-status");
      announce(`${named} moved to ${goal}. ${(answer.warnings ?? []).join(" ")}`);
      card.querySelector(".card-refusal")?.remove();
    } catch (refusal) {
      if (refusal.code === "conflict" && refusal.current_version) {
        const now = await this.#columnNow(id);
        // Whatever else changed does not stand in the way of the move.
        if (now === from.column) return retry({ version: refusal.current_version, key: newKey() });
        back("it was changed meanwhile");
        if (!now) toast(`${named} is not moved to ${goal}: it left the board meanwhile.`, { glyph: "ban" });
        else refuse(card, `Not moved to ${goal}.`, `It was moved to ${this.#name(now)} meanwhile.`, [["Move anyway", () => again({ version: refusal.current_version, key: newKey() })]]);
      } else if (refusal.field?.endsWith("_ticket_id") && refusal.field !== "ticket_id") {
        // The neighbour has gone: the column is still what was meant.
        if (moves && !to.anywhere) {
          to.anywhere = true;
          return retry({ key: newKey() });
        }
        back("the card beside it has moved");
      } else this.#explain(card, refusal, back, goal, again);
    } finally {
      card.classList.remove("is-saving");
      this.board.release(card, saving);
      this.touch(id);
    }
  }

  async #changeLane(id, lane, version) {
    const { lanes, nobody } = this.board.rules;
    const updates = { [LANE_FIELDS[lanes]]: lane === nobody ? null : lane };
    return (await call("tickets/update", { ticket_id: id, updates, expected_version: version })).version;
  }

  // Which card it stands under, else over; none in a column that is not in the order of ranks.
  #beside(card, to) {
    if (to.anywhere || !this.board.isRanked(to.list)) return {};
    const over = card.previousElementSibling;
    const under = card.nextElementSibling;
    if (over) return { after_ticket_id: over.dataset.ticketId };
    return under ? { before_ticket_id: under.dataset.ticketId } : {};
  }

  // Whatever the filters are.
  async #columnNow(id) {
    const asked = new URLSearchParams({ workflow: this.board.element.dataset.workflow, ids: id });
    const answer = await fetch(`/tickets/cards?${asked}`).then((found) => found.json()).catch(() => null);
    return answer?.cards?.[0]?.column ?? null;
  }

  #explain(card, refusal, back, goal, again) {
    back(refusal.message);
    const steps = [];
    let why = refusal.message;
    if (refusal.code === "blocked") {
      const known = [...card.querySelectorAll(".note-blocked a")].map((link) => link.textContent);
      const names = known.length ? known : refusal.blocking_ticket_ids.slice(0, 1);
      if (refusal.blocking_ticket_ids.length) {
        why = `${known.join(", ") || "Another ticket"} must be resolved first.`;
        for (const name of names.slice(0, 2)) steps.push([`Open ${known.length ? name : "it"}`, () => document.dispatchEvent(new CustomEvent("hephaestus:open", { detail: name }))]);
      } else why = `It is blocked by hand${card.querySelector(".note-blocked bdi") ? `: ${card.querySelector(".note-blocked bdi").textContent}` : "."}`;
    } else if (refusal.code === "transition_not_allowed" && refusal.allowed.length) {
      why = `From here it may go to ${refusal.allowed.map((column) => this.#name(column)).join(", ")}.`;
      for (const column of refusal.allowed.slice(0, 1)) steps.push([`Move to ${this.#name(column)}`, () => this.to(card, column)]);
    } else if (refusal.code === "pending_review") why = "It waits for approval.";
    else if (refusal.code === "unauthenticated") {
      why = "You are signed out.";
      steps.push(["Sign in", openSignIn]);
    }
    if (refusal.retryable || refusal.code === "unauthenticated") steps.push(["Try again", () => again()]);
    refuse(card, `Not moved to ${goal}.`, why, steps);
  }
}

// Says at the card what was refused, why, and the one step that helps.
export function refuse(card, what, why, steps = []) {
  card.querySelector(".card-refusal")?.remove();
  const acts = element("span", { class: "card-refusal-acts" });
  const box = element("div", { class: "card-refusal", role: "alert" }, icon("ban"), element("p", {}, element("b", {}, what), ` ${why}`), acts);
  for (const [word, run] of steps) acts.append(button(word, run));
  acts.append(button("Dismiss", () => {
    const inside = box.contains(document.activeElement);
    box.remove();
    if (inside) card.querySelector(".card-title a").focus({ preventScroll: true });
  }, "btn-quiet"));
  card.append(box);
  if (card.isConnected) box.scrollIntoView({ block: "nearest", inline: "nearest" });
  else toast(`${keyOf(card)}: ${what} ${why}`, { glyph: "ban" });
}

let forms = 0;

// What is typed in a card's place is kept where the ticket's own forms keep theirs.
export const draftsOf = (board, card) => new Drafts(board.rules.me, card.dataset.ticketId);

// Asks for a text in the card's place. Null where the person thinks better of it: Esc keeps what was typed for the
// next time, as leaving does; whoever asked drops it once it is sent. `name`: of the draft, where one is kept;
// `value`: what stands there at first.
export function ask(board, card, { name, label, least = 0, go, stop = "Cancel", hint = "", value = "" }) {
  return new Promise((resolve) => {
    card.querySelector(".card-form")?.dispatchEvent(new Event("cancel"));
    const drafts = name ? draftsOf(board, card) : null;
    const before = document.activeElement;
    const id = `card-form-${++forms}`;
    const count = element("span", { class: "hint", id: `${id}-hint` });
    const field = element("textarea", { class: "input", id, rows: "2", dir: "auto", "aria-describedby": `${id}-hint` });
    field.value = drafts?.get(name)?.text ?? value;
    const enough = () => field.value.trim().length >= least;
    const submit = element("button", { type: "submit", class: "btn btn-sm btn-primary" }, go);
    const paint = () => {
      count.replaceChildren(...(least > 1 ? [`${field.value.trim().length} of ${least}`, element("span", { class: "vh" }, " characters")] : [hint]));
      submit.setAttribute("aria-disabled", String(!enough()));
    };
    const end = (text) => {
      const inside = form.contains(document.activeElement);
      form.remove();
      if (inside) (before?.isConnected && card.contains(before) ? before : card.querySelector(".card-title a")).focus({ preventScroll: true });
      resolve(text);
      // Not before whoever asked has taken the card over.
      setTimeout(() => board.release(card, form));
    };
    const form = element("form", { class: "card-form", onsubmit: (event) => {
      event.preventDefault();
      if (enough()) end(field.value.trim());
    } }, element("label", { for: id }, label), field, element("footer", {}, count, button(stop, () => {
      drafts?.drop(name);
      end(null);
    }, "btn-quiet"), submit));
    board.hold(card, form);
    field.addEventListener("input", () => {
      drafts?.keep(name, field.value);
      paint();
    });
    form.addEventListener("cancel", () => end(null));
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.preventDefault();
        end(null);
      } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        if (enough()) end(field.value.trim());
      }
      event.stopPropagation();
    });
    card.append(form);
    paint();
    field.focus();
    form.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
}
