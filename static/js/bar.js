// The bar above the columns: filters, order, lanes and views live in the address; columns fold for this browser.

import { announce, call, later, toast, toastRefusal } from "./actions.js";

export class Bar {
  // show(address): draws the board that an address arranges.
  constructor(board, show) {
    this.board = board;
    this.show = show;
    addEventListener("popstate", () => this.#draw(location.href));
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
    const collapse = target.closest("[data-collapse]");
    const column = collapse?.closest("[data-column]") ?? target.closest(".col.is-collapsed");
    if (column) this.#collapse(column, !column.classList.contains("is-collapsed"));
    const fold = target.closest("[data-fold]");
    if (fold) this.#lane(fold);
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
    await this.show(address);
    announce(document.querySelector("[data-summary]").textContent);
  }

  // ── folding: of this browser, not of the address ──

  get #store() { return `hephaestus-collapsed:${this.board.rules.workflow}`; }
  get #collapsed() { return new Set(JSON.parse(localStorage.getItem(this.#store) ?? "[]")); }

  fold() {
    if (this.board.rules.lanes) return;
    const collapsed = this.#collapsed;
    for (const column of this.board.element.querySelectorAll("[data-column]")) this.#mark(column, collapsed.has(column.dataset.column));
  }

  #collapse(column, closed) {
    const collapsed = this.#collapsed;
    if (closed) collapsed.add(column.dataset.column);
    else collapsed.delete(column.dataset.column);
    localStorage.setItem(this.#store, JSON.stringify([...collapsed]));
    this.#mark(column, closed);
  }

  #mark(column, closed) {
    const tool = column.querySelector("[data-collapse]");
    const name = column.querySelector("h2").textContent;
    column.classList.toggle("is-collapsed", closed);
    tool.setAttribute("aria-expanded", String(!closed));
    tool.setAttribute("aria-label", `${closed ? "Expand" : "Collapse"} ${name}`);
  }

  #lane(tool) {
    const folded = tool.closest(".lane").classList.toggle("is-folded");
    tool.setAttribute("aria-expanded", String(!folded));
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
      toastRefusal("The view is still there.", refusal);
    }
  }
}
