// The list of results: one tab stop, arrows between them, a preview beside them, and what an event changes in place.

import { call } from "./actions.js";
import { Preview } from "./searchpreview.js";

const QUIET = "hephaestus-single-keys-off";
const MAX_IDS = 50;
const COOL = 45_000; // --cool in tokens.css

export class Hits {
  #cooling = new WeakMap(); // row → timer

  constructor(workflow, root, field) {
    this.workflow = workflow;
    this.root = root;
    this.field = field;
    this.preview = new Preview();
    root.addEventListener("focusin", ({ target }) => this.#rest(target.closest(".hit"), true));
    root.addEventListener("pointerover", ({ target, pointerType }) => { if (pointerType === "mouse") this.#rest(target.closest(".hit"), false); });
    root.addEventListener("click", (event) => this.#clicked(event));
    root.addEventListener("auxclick", (event) => this.#clicked(event));
    document.addEventListener("keydown", (event) => this.#keydown(event));
    this.#rove();
  }

  get rows() { return [...this.root.querySelectorAll(".hit")]; }
  get ids() { return this.rows.map((row) => row.dataset.ticketId).slice(0, MAX_IDS); }
  has(id) { return Boolean(id && this.#row(id)); }

  #row(id) { return this.root.querySelector(`.hit[data-ticket-id="${CSS.escape(id)}"]`); }

  // New results; the focus stays with its ticket, else it goes to the field.
  replace(content) {
    const focused = this.root.contains(document.activeElement);
    const id = document.activeElement?.closest?.(".hit")?.dataset.ticketId;
    this.root.replaceChildren(content);
    this.#rove();
    if (focused) (id && this.#row(id)?.querySelector(".card-title a") || this.field).focus({ preventScroll: true });
    if (!this.has(this.preview.id)) this.preview.clear();
  }

  // ── live ──

  async refresh(ids, since) {
    const query = new URLSearchParams({ workflow: this.workflow, ids: ids.slice(0, MAX_IDS).join(",") });
    if (since !== null) query.set("since", since);
    const answer = await fetch(`/search/rows?${query}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) return;
    const fresh = new Map((await answer.json()).rows.map((row) => [row.id, row]));
    for (const id of ids) {
      const row = this.#row(id);
      if (!row) continue;
      const now = fresh.get(id);
      row.classList.toggle("is-gone", !now);
      if (now) this.#apply(row, now);
      this.preview.changed(id);
    }
  }

  #apply(row, now) {
    const facts = row.querySelector("[data-facts]");
    facts.innerHTML = now.facts;
    row.classList.toggle("is-blocked", Boolean(facts.querySelector(".is-stop")));
    if (facts.querySelector(".card-heat")) this.#warm(row);
    const link = row.querySelector(".card-title a");
    if (link.textContent !== now.title) link.textContent = now.title;
  }

  #warm(row) {
    row.classList.remove("is-warm");
    void row.offsetWidth; // the glow begins anew
    row.classList.add("is-warm");
    clearTimeout(this.#cooling.get(row));
    this.#cooling.set(row, setTimeout(() => {
      row.classList.remove("is-warm");
      row.querySelector(".card-heat")?.remove();
    }, COOL));
  }

  // ── focus and pointer ──

  #rove(to = null) {
    const links = this.rows.map((row) => row.querySelector(".card-title a"));
    const current = to ?? links[0];
    for (const link of links) link.tabIndex = link === current ? 0 : -1;
  }

  #rest(row, isFocus) {
    if (!row) return;
    if (isFocus) this.#rove(row.querySelector(".card-title a"));
    this.preview.show(row, isFocus);
  }

  // Which results were worth opening tells how good the search is.
  #clicked(event) {
    const row = event.target.closest(".card-title a")?.closest(".hit");
    if (!row || event.button > 1) return;
    const id = this.root.querySelector("[data-head]")?.dataset.searchId;
    this.root.dispatchEvent(new CustomEvent("search:opened"));
    call(`tickets/${row.dataset.key}?search_id=${encodeURIComponent(id)}`, {}, { method: "GET" }).catch(() => {});
  }

  #keydown(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target, key } = event;
    if (target.closest("dialog, [popover], .menu, select, textarea")) return;
    const isSingle = key.length === 1 && !localStorage.getItem(QUIET);
    if (key === "/" && isSingle && !target.matches("input")) {
      event.preventDefault();
      this.field.focus();
      this.field.select();
      return;
    }
    const rows = this.rows;
    const at = rows.indexOf(target.closest(".hit"));
    if (target === this.field) {
      if (key === "ArrowDown" && rows.length) this.#go(event, rows[0]);
      return;
    }
    // Where nothing has the focus, the arrows scroll.
    if (target.matches("input") || (at < 0 && (target !== document.body || key.length > 1))) return;
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, ...(isSingle && { j: at + 1, k: at - 1, J: at + 1, K: at - 1 }) };
    if (key === "Escape" && at >= 0) {
      event.preventDefault();
      return this.field.focus();
    }
    if (!(key in steps) || !rows.length) return;
    if (steps[key] < 0) {
      event.preventDefault();
      return this.field.focus();
    }
    this.#go(event, rows[Math.min(steps[key], rows.length - 1)]);
  }

  #go(event, row) {
    event.preventDefault();
    row.querySelector(".card-title a").focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }
}
