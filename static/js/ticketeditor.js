// A field for Markdown: write and preview, a toolbar, names that complete, a draft that is kept, what went wrong below.

import "../vendor/markdown-toolbar-element-2.2.3/markdown-toolbar.js";
import "../vendor/text-expander-element-2.9.4/text-expander.js";
import { button, csrf, element, icon, newKey, remedies } from "./actions.js";
import { found } from "./found.js";

const TOOLS = [
  ["md-bold", "bold", "Bold"], ["md-italic", "italic", "Italic"], ["md-code", "code", "Code"],
  ["md-quote", "quote", "Quote"], ["md-unordered-list", "list", "List"], ["md-link", "link", "Link"],
];
let count = 0;

// options: label, go (word), save(text, attachments) → promise; done()?: all of it is saved; more(text)?: that much
// is, and more was typed meanwhile; cancel()?, escape()?; value, draft (Drafts.of), rows, least, placeholder,
// attach (whether addresses may be added), bar (whether there are tools)
export class Editor {
  // Of the request that sends the text: the same until the text changes, so that a second try does not say it twice.
  key = null;

  constructor(data, { value = "", ...options }) {
    const id = `editor-${++count}`;
    Object.assign(this, { data, ...options, id });
    this.field = element("textarea", {
      class: "input", id, rows: options.rows ?? 3, dir: "auto", "aria-label": options.label, placeholder: options.placeholder,
      "aria-describedby": `${id}-hint`, "data-draft": options.name,
    });
    this.view = element("div", { class: "md hl editor-preview", hidden: true, tabindex: "0", "aria-label": "Preview" });
    this.hint = element("span", { class: "hint", id: `${id}-hint` });
    this.fault = element("div", { class: "editor-fault", role: "alert" });
    this.submitter = element("button", { type: "submit", class: "btn btn-sm btn-primary" }, options.go);
    const expander = element("text-expander", { keys: "@ #" }, this.field);
    expander.addEventListener("text-expander-change", (event) => this.#complete(event));
    expander.addEventListener("text-expander-value", ({ detail }) => { detail.value = detail.key + detail.item.dataset.value; });
    expander.addEventListener("text-expander-committed", () => this.#typed());
    this.links = element("input", { class: "input", dir: "ltr", "aria-label": "Addresses or paths to attach, with spaces between", placeholder: "https://… or path/in/repository, with spaces between" });
    this.links.addEventListener("input", () => this.#typed());
    this.linksRow = element("div", { class: "editor-links", hidden: true }, this.links);
    this.element = element("form", { class: "editor", novalidate: true },
      options.bar !== false && this.#bar(id), expander, this.view, this.linksRow,
      element("footer", {},
        options.attach && element("button", { type: "button", class: "btn-icon", "aria-label": "Attach addresses", onclick: () => this.#toggleLinks() }, icon("clip")),
        this.hint,
        element("span", { class: "end" }, options.cancel && button(options.stop ?? "Cancel", () => options.cancel(), "btn-quiet"), this.submitter)),
      this.fault);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.field.addEventListener("input", () => this.#typed());
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.submit();
      } else if (event.key === "Escape" && options.escape && !event.defaultPrevented) {
        event.preventDefault();
        event.stopPropagation();
        options.escape();
      }
    });
    const kept = options.draft?.get();
    this.value = kept?.text ?? value;
    this.links.value = kept?.links ?? "";
    this.linksRow.hidden = !this.links.value;
    if (kept) this.#paint("Draft restored");
    this.draft?.watch(this.element, () => { if (this.isTyped) this.#keep(); });
  }

  get value() { return this.field.value; }
  set value(text) { this.field.value = text; this.#paint(); }

  focus() { this.field.focus(); }

  put(text) {
    this.value = text;
    this.#typed();
  }

  #typed() {
    this.isTyped = true;
    const kept = this.draft ? this.#keep() : null;
    this.key = null;
    this.#paint(kept === null || !this.value ? "" : kept ? "Draft kept" : "Not kept: this browser has no room");
  }

  #keep() { return this.draft.keep(this.value, this.links.value ? { links: this.links.value } : {}); }

  #paint(said = "") {
    const length = this.value.trim().length;
    const short = this.least && length < this.least;
    this.hint.textContent = short ? `${length} of ${this.least} characters` : said || "Markdown";
    this.submitter?.setAttribute("aria-disabled", String(Boolean(short) || !length));
  }

  async submit() {
    const text = this.value;
    if (this.submitter.getAttribute("aria-disabled") === "true" || this.isBusy) return;
    this.isBusy = true;
    this.fault.replaceChildren();
    this.element.classList.add("is-saving");
    this.hint.textContent = "Saving";
    this.key ??= newKey();
    try {
      await this.save(text, this.links.value.split(/\s+/).filter(Boolean), this);
      if (this.value === text) {
        this.draft?.drop();
        this.done?.();
      } else this.more?.(text);
    } catch (refusal) {
      if (refusal.code === undefined) throw refusal;
      this.#paint("Draft kept");
      if (!refusal.isShown) this.say(refusal);
    } finally {
      this.isBusy = false;
      this.element.classList.remove("is-saving");
    }
  }

  clear() {
    this.value = "";
    this.isTyped = false;
    this.links.value = "";
    this.linksRow.hidden = true;
    this.draft?.drop();
    this.#tab(false);
  }

  // Says at the field what went wrong and the step that helps. The text stays.
  say(refusal) {
    const out = refusal.code === "unauthenticated";
    const text = out ? "You are signed out. Your text is kept here." : `Not saved. ${refusal.message}`;
    const steps = remedies(refusal, () => this.submit()).map(([word, run]) => button(word, run));
    this.fault.replaceChildren(element("div", { class: "notice notice-stop" }, icon("ban"), element("p", {}, text), element("span", { class: "btn-row" }, ...steps)));
  }

  #bar(id) {
    const tab = (word, preview) => element("button", { type: "button", "aria-pressed": String(!preview), onclick: () => this.#tab(preview) }, word);
    this.tabs = [tab("Write", false), tab("Preview", true)];
    const tools = TOOLS.map(([name, glyph, word]) => element(name, { class: "btn-icon", role: "button", "aria-label": word }, icon(glyph)));
    return element("div", { class: "editor-bar" }, element("div", { class: "seg", role: "group", "aria-label": "Show" }, ...this.tabs),
      element("markdown-toolbar", { for: id, "aria-label": "Formatting" }, ...tools));
  }

  async #tab(preview) {
    if (!this.tabs) return;
    this.tabs[0].setAttribute("aria-pressed", String(!preview));
    this.tabs[1].setAttribute("aria-pressed", String(preview));
    this.field.parentElement.hidden = preview;
    this.view.hidden = !preview;
    if (!preview) return this.element.contains(document.activeElement) && this.focus();
    this.view.textContent = this.value.trim() ? "…" : "Nothing to preview.";
    if (!this.value.trim()) return;
    try {
      const answer = await fetch("/tickets/preview", {
        method: "POST", headers: { "Content-Type": "application/json", "X-CSRFToken": csrf() },
        body: JSON.stringify({ text: this.value, workflow: this.data.workflow }),
      });
      if (!answer.ok) throw new Error(`${answer.status}`);
      this.view.innerHTML = await answer.text(); // the server has cleaned it
    } catch {
      this.view.textContent = "No preview: the server did not answer. Your text is kept.";
    }
  }

  #toggleLinks() {
    this.linksRow.hidden = !this.linksRow.hidden;
    if (!this.linksRow.hidden) this.links.focus();
  }

  #complete({ detail }) {
    detail.provide(found(this.data.workflow, detail.key === "@" ? "agents" : "tickets", detail.text).then((rows) => ({
      matched: rows.length > 0,
      fragment: element("ul", { class: "menu suggestions", role: "listbox", "aria-label": "Suggestions" }, ...rows.map((row, place) =>
        element("li", { class: "menu-item", role: "option", id: `${this.id}-${place}`, "data-value": row.id },
          element("span", { class: "key" }, row.id), element("span", { class: "clip", dir: "auto" }, row.name === row.id ? "" : row.name)))),
    })));
  }
}
