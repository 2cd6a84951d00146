// The bar above the columns: filters, order, lanes and views live in the address; columns fold for this browser.

import { announce, call, later, toast, toastRefusal } from "./actions.js";

// An address without the place in its page.
const plain = (address) => address.split("#", 1)[0];

export class Bar {
  #shown = plain(location.href);

  // show(address): draws the board that an address arranges; false where it does not come.
  constructor(board, show) {
    this.board = board;
    this.show = show;
    addEventListener("popstate", () => {
      if (plain(location.href) !== this.#shown) this.#draw(location.href); // else only the place in the page is another
    });
    document.addEventListener("click", (event) => this.#click(event));
    document.addEventListener("submit", (event) => this.#submit(event));
    const typed = later(200, (form) => this.#go(form, true));
    document.addEventListener("input", ({ target }) => {
      if (target.matches("[data-find], [data-live-form] input[name=tag]")) typed(target.form);
    });
    document.addEventListener("change", ({ target }) => {
      if (target.closest("[data-live-form]") && !target.matches("input[name=tag]")) this.#go(target.form, true);
    });
    document.querySelector("[data-find]").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      if (event.target.value) {
        event.target.value = "";
        this.#go(event.target.form, true);
      } else this.board.element.querySelector("[data-current] .card-title a")?.focus();
    });
    this.fold();
  }

  find() {
    const field = document.querySelector("[data-find]");
    field.focus();
    field.select();
  }

  filter() {
    const drop = document.querySelector("[data-swap=filter]");
    drop.open = true;
    drop.querySelector("form input:not([type=hidden])").focus();
  }

  // The parts of the bar that say what the address arranges. One that is being used stays.
  swap(page) {
    for (const old of document.querySelectorAll("[data-swap]")) {
      const fresh = page.querySelector(`[data-swap="${old.dataset.swap}"]`);
      if (!fresh || old.isEqualNode(fresh)) continue;
      if (old.matches("details") && old.open && old.contains(document.activeElement) && old.dataset.swap === "filter") continue;
      const focused = old.contains(document.activeElement);
      old.replaceWith(fresh);
      if (focused) (fresh.querySelector("summary, a") ?? document.querySelector("[data-swap=filter] summary")).focus();
    }
    const field = document.querySelector("[data-find]");
    if (field !== document.activeElement) field.value = page.querySelector("[data-find]").value;
  }

  #click(event) {
    const { target } = event;
    const link = target.closest("a[data-go]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.button) {
      event.preventDefault();
      const drop = link.closest("details");
      if (drop) {
        drop.querySelector("summary").focus();
        drop.open = false;
      }
      history.pushState(null, "", link.href);
      this.#draw(link.href);
    }
    const folded = target.closest("[data-collapse]")?.closest("[data-column], .lane") ?? target.closest(".col.is-collapsed");
    if (folded) this.#collapse(folded, !folded.classList.contains("is-collapsed"));
    const forget = target.closest("[data-forget]");
    if (forget) this.#forget(forget);
  }

  #submit(event) {
    if (event.target.matches("[data-arrange]")) {
      event.preventDefault();
      this.#go(event.target, false);
      const drop = event.target.closest("details");
      if (drop) {
        drop.querySelector("summary").focus();
        drop.open = false;
      }
    } else if (event.target.matches("[data-save-view]")) {
      event.preventDefault();
      this.#save(event.target);
    }
  }

  // One form's fields over what the address says besides.
  #go(form, typing) {
    const address = new URL("/tickets", location.href);
    const given = new FormData(form);
    const own = new Set([...form.elements].map((field) => field.name).filter(Boolean));
    for (const [name, value] of new URL(location.href).searchParams) {
      if (!own.has(name) && !["column", "after"].includes(name)) address.searchParams.append(name, value);
    }
    for (const [name, value] of given) if (value.trim()) address.searchParams.append(name, value.trim());
    if (address.href === location.href) return;
    history[typing ? "replaceState" : "pushState"](null, "", address);
    this.#draw(address.href);
  }

  async #draw(address) {
    this.#shown = plain(address);
    if (await this.show(address)) announce(document.querySelector("[data-summary]").textContent);
  }

  // ── columns and lanes that are folded: of this browser, not of the address ──

  get #store() { return `hephaestus-collapsed:${this.board.rules.workflow}`; }
  get #collapsed() { return new Set(JSON.parse(localStorage.getItem(this.#store) ?? "[]")); }

  #nameOf(part) { return part.dataset.column ?? `${this.board.rules.lanes}/${part.dataset.lane}`; }

  fold() {
    const collapsed = this.#collapsed;
    const parts = this.board.element.querySelectorAll(this.board.rules.lanes ? ".lane" : "[data-column]");
    for (const part of parts) this.#mark(part, collapsed.has(this.#nameOf(part)));
  }

  #collapse(part, closed) {
    const collapsed = this.#collapsed;
    if (closed) collapsed.add(this.#nameOf(part));
    else collapsed.delete(this.#nameOf(part));
    localStorage.setItem(this.#store, JSON.stringify([...collapsed]));
    this.#mark(part, closed);
  }

  #mark(part, closed) {
    const tool = part.querySelector("[data-collapse]");
    part.classList.toggle("is-collapsed", closed);
    tool.setAttribute("aria-expanded", String(!closed));
    const name = part.querySelector("h2")?.textContent; // a lane's tool is its name
    if (name) tool.setAttribute("aria-label", `${closed ? "Expand" : "Collapse"} ${name}`);
  }

  // ── views ──

  async #save(form) {
    const fault = form.querySelector("[data-fault]");
    fault.hidden = true;
    try {
      const { workflow, query } = this.board.rules;
      const { view } = await call(`workflows/${encodeURIComponent(workflow)}/views`, {
        name: form.elements.name.value, is_shared: form.elements.is_shared.checked, query,
      });
      toast(view.is_shared ? `The view ${view.name} is kept and shared` : `The view ${view.name} is kept`);
      this.#draw(location.href);
    } catch (refusal) {
      fault.textContent = refusal.message;
      fault.hidden = false;
    }
  }

  async #forget(tool) {
    try {
      await call(`views/${tool.dataset.forget}`, {}, { method: "DELETE" });
      this.#draw(location.href);
    } catch (refusal) {
      toastRefusal("The view is still there.", refusal, () => this.#forget(tool));
    }
  }
}
