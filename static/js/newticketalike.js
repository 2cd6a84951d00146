// Tickets that say about the same as what is being typed, beside it.

import { announce, call, csrf, element, later } from "./actions.js";

const PAUSE = 450; // ms without a stroke
const FEWEST = 8; // characters of a title that say something

export class Alike {
  #turn = 0;
  #asked = "";
  #told = "";
  #running = null; // one question at a time, however quickly one types

  // instead(): the values of the form that are given up for one of these
  constructor(data, { instead }) {
    this.data = data;
    this.values = instead;
    this.list = element("ul", { class: "candidates", "aria-labelledby": "alike-title" });
    this.hint = element("p", { class: "hint" }, "Type a title, and tickets that say about the same appear here.");
    this.element = element("section", { class: "group alike", "aria-labelledby": "alike-title" }, element("header", {}, element("h2", { id: "alike-title" }, "There already?")), this.hint, this.list);
    this.list.addEventListener("click", (event) => {
      const control = event.target.closest("[data-instead]");
      if (control) this.#go(control.dataset.instead);
    });
    this.ask = later(PAUSE, (values) => this.#ask(values));
  }

  async #ask({ title, description }) {
    const turn = ++this.#turn;
    const asked = JSON.stringify([title.trim(), description.trim()]);
    this.element.removeAttribute("aria-busy");
    if (asked === this.#asked) return;
    if (title.trim().length < FEWEST) {
      this.#asked = asked;
      return this.#show("", "Type a title, and tickets that say about the same appear here.");
    }
    this.element.setAttribute("aria-busy", "true");
    await this.#running;
    if (turn !== this.#turn) return;
    this.#running = fetch("/tickets/new/alike", {
      method: "POST", headers: { "Content-Type": "application/json", "X-CSRFToken": csrf() },
      body: JSON.stringify({ workflow_id: this.data.workflow, title: title.trim().slice(0, 500), description: description.slice(0, 250_000) }),
    }).catch(() => null);
    const answer = await this.#running;
    const html = answer?.ok ? await answer.text() : null;
    if (turn !== this.#turn) return;
    this.element.removeAttribute("aria-busy");
    // An answer that fails leaves what is there: it was true of nearly the same text.
    if (html === null) return;
    this.#asked = asked;
    this.#show(html, html.trim() ? "" : "Nothing says the same.");
  }

  #show(html, hint) {
    if (this.list.contains(document.activeElement)) return; // it is being used
    this.hint.textContent = hint;
    this.hint.hidden = !hint;
    this.list.innerHTML = html; // the server has escaped it
    const same = [...this.list.querySelectorAll('[data-relation="duplicate"]')].map((row) => row.dataset.candidate).join(", ");
    if (same && same !== this.#told) announce(`${same} says about the same.`);
    this.#told = same;
  }

  // Brings one into sight.
  show(key) {
    this.list.querySelector(`[data-candidate="${CSS.escape(key)}"]`)?.scrollIntoView({ block: "nearest" });
  }

  // The ticket is not created since there is one: search counts that it was told in time. The draft stays.
  async #go(key) {
    const { title, description } = this.values();
    const counted = call("tickets/similar", { workflow_id: this.data.workflow, title: title.trim(), description }).catch(() => {});
    await Promise.race([counted, new Promise((resolve) => { setTimeout(resolve, 1500); })]);
    const dialog = this.element.closest("dialog");
    if (dialog && !document.dispatchEvent(new CustomEvent("hephaestus:open", { cancelable: true, detail: key }))) return dialog.close();
    location.assign(`/tickets/${key}`);
  }
}
