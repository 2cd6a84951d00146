// The palette: every ticket of the workflow and everything that can be done, by a few letters.

import { announce, button, call, copy, element, icon, later } from "./actions.js";
import { choices, found } from "./found.js";
import { offered } from "./offers.js";
import { actions } from "./paletteactions.js";
import { here, recent } from "./recent.js";
import { styles } from "./styles.js";

const NAMES_AFTER = 60; // ms without a stroke
const MEANING_AFTER = 220;
const MOST_TICKETS = 12;
const MOST_ACTIONS = 4; // beside tickets; alone there are as many as fit the words

let current = null;

export async function open() {
  if (current) return current.close();
  // What is in focus now is what the palette's actions are about.
  const palette = current = new Palette(offered());
  await styles("board", "palette");
  if (current === palette) palette.show();
}

class Palette {
  #rows = []; // of what is shown, in order
  #at = 0;
  #turn = 0;
  #tickets = [];
  #levels = []; // of lines within lines: {label, lines}
  #state = ""; // what is to be said of the search
  #choices = null;
  #held = [];
  #isSearching = false;
  #running = null; // the search under way: there is one at a time, however quickly one types

  constructor(about) {
    this.about = about;
    this.where = here();
    if (about) this.#held.push(about);
    this.field = element("input", {
      class: "input", role: "combobox", "aria-label": "Search or run a command", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list",
      placeholder: this.#placeholder, autocomplete: "off", autocapitalize: "off", spellcheck: "false", enterkeyhint: "go", dir: "auto", maxlength: "500",
    });
    this.list = element("div", { class: "palette-list", role: "listbox", id: "palette-list", "aria-label": "Results" });
    this.crumb = element("p", { class: "palette-crumb", hidden: true });
    this.foot = element("footer", {});
    this.dialog = element("dialog", { class: "menu palette", "aria-label": "Search or run a command", onclose: () => this.#closed() },
      element("div", { class: "palette-head" }, icon("search"), this.crumb, this.field, button("Close", () => this.close(), "btn-quiet palette-close")), this.list, this.foot,
      element("p", { class: "vh", role: "status", "data-announcer": true }));
    const search = later(NAMES_AFTER, (text) => this.#find(text));
    this.field.addEventListener("input", () => {
      this.#turn += 1;
      this.#at = 0;
      if (!this.#levels.length) {
        this.#isSearching = this.#words.length > 0 && Boolean(this.where.workflow);
        if (!this.#isSearching) this.#tickets = [];
        search(this.#words);
      }
      this.#draw();
    });
    this.dialog.addEventListener("keydown", (event) => this.#keydown(event));
    let outside = false;
    this.dialog.addEventListener("pointerdown", ({ target }) => { outside = target === this.dialog; });
    this.dialog.addEventListener("click", ({ target }) => { if (outside && target === this.dialog) this.close(); });
    this.list.addEventListener("pointermove", ({ target, movementX, movementY }) => {
      const row = target.closest("[role=option]");
      if (row && (movementX || movementY)) this.#select(Number(row.dataset.at));
    });
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    for (const kind of ["click", "auxclick"]) {
      this.list.addEventListener(kind, (event) => {
        const row = event.target.closest("[role=option]");
        if (!row || event.button > 1) return;
        this.#select(Number(row.dataset.at));
        this.#choose(event.button === 1 || event.ctrlKey || event.metaKey);
      });
    }
  }

  get #placeholder() { return this.where.workflow ? "Key, words, meaning, or a command" : "A command"; }
  get #words() { return this.field.value.trim(); }

  show() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.#draw();
    this.field.focus();
    if (this.where.workflow) {
      choices(this.where.workflow).then((known) => {
        this.#choices = known;
        this.#draw();
      }, () => {});
    }
  }

  // The event of closing comes later, and whoever asks for the palette before it is to get a new one.
  close() {
    if (current === this) current = null;
    if (this.dialog.open) this.dialog.close();
    else this.#closed();
  }

  #closed() {
    if (current === this) current = null;
    this.#turn += 1;
    this.dialog.remove();
    // What was chosen runs first: it takes over what is held.
    setTimeout(() => { for (const about of this.#held) about.done?.(); });
  }

  // ── what is found ──

  // Titles at once, then what search finds by words and meaning: below, so that nothing moves that may be read.
  async #find(text) {
    if (current !== this) return;
    const turn = this.#turn;
    const { workflow } = this.where;
    if (!text || !workflow) return;
    const rows = await found(workflow, "tickets", text);
    if (turn !== this.#turn) return;
    const key = text.toUpperCase();
    const worth = ({ id, name }) => 2 * (id.toUpperCase() === key) + name.toUpperCase().startsWith(key);
    rows.sort((a, b) => worth(b) - worth(a));
    this.#tickets = rows.map((row) => ({ ...row, why: "" }));
    this.#state = "";
    this.#draw();
    await new Promise((resolve) => { setTimeout(resolve, MEANING_AFTER - NAMES_AFTER); });
    await this.#running?.catch(() => {});
    if (turn !== this.#turn) return;
    try {
      this.#running = call("tickets/search", { workflow_id: workflow, query: text, prefix: true, limit: MOST_TICKETS });
      const answer = await this.#running;
      if (turn !== this.#turn) return;
      this.#merge(answer);
    } catch (refusal) {
      if (turn !== this.#turn) return;
      this.#state = refusal.code === "unauthenticated" ? "You are signed out." : "Titles only: the search did not answer.";
    }
    this.#isSearching = false;
    this.#draw();
    announce(this.#tickets.length ? `${this.#tickets.length} ticket${this.#tickets.length === 1 ? "" : "s"}.` : "No ticket.");
  }

  #merge({ results, search_id: search, degraded }) {
    const known = new Map(this.#tickets.map((row) => [row.id, row]));
    for (const hit of results) {
      const row = known.get(hit.key);
      const more = { why: hit.matched_in.length ? "by words" : "by meaning", search, ticket: hit.ticket_id };
      if (row) Object.assign(row, more);
      else if (this.#tickets.length < MOST_TICKETS) this.#tickets.push({ id: hit.key, name: hit.title, done: hit.is_resolved, type: hit.ticket_type, status: hit.status, ...more });
    }
    this.#state = degraded ? "By words only: the search by meaning is away." : "";
  }

  // ── what is shown ──

  // [{label, rows}] in order. Each row: {id, make(), run?, lines?, key?, off?}
  #groups() {
    const words = this.#words.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (line) => { const text = `${line.word} ${line.more ?? ""}`.toLowerCase(); return words.every((word) => text.includes(word)); };
    const level = this.#levels.at(-1);
    if (level) return [{ label: level.label, rows: level.lines.filter(fits).map((line, at) => this.#line(line, `${level.label}-${at}`)) }];
    const own = this.about?.lines ?? [];
    const commands = actions(this.#choices, this.#words);
    const line = (kind) => (one, at) => this.#line(one, `${kind}-${at}-${one.word}`);
    if (!words.length) {
      return [
        { label: this.about && `${this.about.label}, in focus`, rows: own.map(line("own")) },
        { label: "Opened last", rows: recent().slice(0, 5).map((row) => this.#ticket(row)) },
        { label: "Go to", rows: commands.filter((one) => one.kind === "go").map(line("go")) },
        { label: "Do", rows: commands.filter((one) => one.kind !== "go").map(line("do")) },
      ];
    }
    // A word that begins a word is meant before one that is only in it.
    const begins = (one) => words.every((word) => ` ${one.word} ${one.more ?? ""}`.toLowerCase().includes(` ${word}`));
    const fitting = (lines) => lines.filter(fits).sort((a, b) => begins(b) - begins(a));
    const mine = fitting(own).map(line("own"));
    const others = fitting(commands).map(line("do"));
    const room = this.#tickets.length || this.#isSearching ? MOST_ACTIONS : Infinity;
    return [
      { label: this.about && `${this.about.label}, in focus`, rows: mine.slice(0, room) },
      { label: "Commands", rows: others.slice(0, Math.max(0, room - mine.length)) },
      { label: "Tickets", rows: this.#tickets.map((row) => this.#ticket(row)) },
    ];
  }

  #line(line, id) {
    return {
      id: `line:${id}`, off: line.off, run: line.run && (() => line.run()), lines: line.items && (() => ({ label: line.label ?? line.word, lines: line.items() })),
      make: () => [
        line.avatar ?? (line.glyph && icon(line.glyph, line.color)), element("span", { class: "clip", dir: "auto" }, ...this.#marked(line.word)),
        element("span", { class: "end" }, line.checked ? icon("check") : "", line.off ?? line.end ?? "", line.items ? icon("right") : "", line.keys && !/^\d$/.test(line.keys) ? element("kbd", { "aria-hidden": "true" }, line.keys) : ""),
      ],
    };
  }

  #ticket(row) {
    const kind = this.#choices?.kinds.find((one) => one.id === row.type);
    const column = this.#choices?.columns.find((one) => one.id === row.status);
    return {
      id: `ticket:${row.id}`, key: row.id, run: (beside) => this.#open(row, beside), lines: () => this.#about(row),
      make: () => [
        kind?.emoji ? element("span", { class: "type-emoji", role: "img", "aria-label": kind.name }, kind.emoji) : typeIcon(kind),
        kind && !kind.emoji && element("span", { class: "vh" }, kind.name),
        element("span", { class: "key" }, ...this.#marked(row.id)), element("span", { class: "clip", dir: "auto" }, ...this.#marked(row.name)),
        element("span", { class: "end" }, row.why && element("span", { class: "why" }, row.why), column ? element("span", { class: "palette-column", dir: "auto" }, column.name) : row.done ? "Done" : ""),
      ],
    };
  }

  // The words that were typed, where they stand.
  #marked(text) {
    const words = this.#levels.length ? [] : this.#words.split(/\s+/).filter((word) => word.length > 1);
    if (!words.length) return [text];
    const pattern = new RegExp(`(${words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "gi");
    return text.split(pattern).map((part, at) => (at % 2 ? element("mark", {}, part) : part)).filter((part) => part !== "");
  }

  #draw() {
    const before = this.#rows[this.#at]?.id;
    const wasMoved = this.#at > 0;
    const groups = this.#groups().filter(({ rows }) => rows.length);
    this.#rows = groups.flatMap(({ rows }) => rows);
    let at = 0;
    this.list.replaceChildren(...groups.map(({ label, rows }, place) => element("ul", { role: "group", "aria-label": label },
      (groups.length > 1 || !this.#levels.length) && element("li", { class: "menu-label", role: "presentation", "aria-hidden": "true", id: `palette-group-${place}` }, label),
      ...rows.map((row) => element("li", { class: "menu-item", role: "option", id: `palette-${at}`, "data-at": at++, "aria-selected": "false", "aria-disabled": row.off ? "true" : null }, ...row.make())))));
    const nothing = !this.#rows.length && !this.#isSearching;
    this.list.hidden = !this.#rows.length;
    this.field.setAttribute("aria-expanded", String(!this.list.hidden));
    const again = wasMoved ? this.#rows.findIndex((row) => row.id === before) : 0;
    this.#select(Math.max(again, 0));
    this.#paintFoot(nothing);
  }

  #paintFoot(nothing) {
    const said = nothing ? "Nothing fits these words." : this.#state || (this.#isSearching && !this.#tickets.length ? "Searching…" : "");
    const row = this.#rows[this.#at];
    const hint = (keys, word) => element("span", { class: "keys" }, ...keys.map((key) => element("kbd", {}, key)), ` ${word}`);
    const everything = this.#words && !this.#levels.length && this.where.workflow && document.querySelector("[data-palette]");
    this.foot.replaceChildren(...[
      said ? element("span", { class: "palette-said" }, said) : hint(["↑", "↓"], "choose"), hint(["Enter"], row?.lines && !row.run ? "go on" : row?.key ? "open" : "run"),
      row?.key && hint(["Tab"], "actions"), !said && hint(["Esc"], this.#levels.length ? "back" : "close"),
      everything && element("a", { class: "end", href: `${new URL(everything.href).pathname}?${new URLSearchParams({ workflow: this.where.workflow, q: this.#words })}` }, "All results"),
    ].filter(Boolean));
  }

  #select(at) {
    this.list.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
    this.#at = at;
    const row = this.list.querySelector(`#palette-${at}`);
    row?.setAttribute("aria-selected", "true");
    row?.scrollIntoView({ block: "nearest" });
    if (row) this.field.setAttribute("aria-activedescendant", row.id);
    else this.field.removeAttribute("aria-activedescendant");
    this.#paintFoot(!this.#rows.length && !this.#isSearching);
  }

  // ── what is done ──

  #keydown(event) {
    if (event.isComposing) return;
    const count = this.#rows.length;
    const steps = { ArrowDown: this.#at + 1, ArrowUp: this.#at - 1, PageDown: Math.min(this.#at + 8, count - 1), PageUp: Math.max(this.#at - 8, 0) };
    if (event.key in steps && count) {
      event.preventDefault();
      this.#select((steps[event.key] + count) % count);
      if (this.#at === 0) this.list.scrollTop = 0; // with the name of its group
    } else if (event.key === "Enter" && event.target === this.field) {
      event.preventDefault();
      this.#choose(event.ctrlKey || event.metaKey);
    } else if (event.key === "Tab" && !event.shiftKey && event.target === this.field && this.#rows[this.#at]?.key) {
      event.preventDefault();
      this.#into(this.#rows[this.#at].lines());
    } else if (event.key === "Escape" || (event.key === "Backspace" && !this.field.value && this.#levels.length)) {
      event.preventDefault();
      if (this.#levels.length) this.#back();
      else this.close();
    }
    event.stopPropagation();
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      this.close();
    }
  }

  #choose(beside) {
    const row = this.#rows[this.#at];
    if (!row || row.off) return;
    if (row.lines && !row.run) return this.#into(row.lines());
    this.close();
    row.run(beside);
  }

  #into(level) {
    this.#levels.push({ ...level, words: this.field.value, at: this.#at });
    this.#enter("", 0);
    announce(level.label);
  }

  #back() {
    const { words, at } = this.#levels.pop();
    this.#enter(words, at);
  }

  #enter(words, at) {
    const label = this.#levels.at(-1)?.label ?? "";
    this.crumb.textContent = label;
    this.crumb.hidden = !label;
    this.field.placeholder = label ? "Type to narrow" : this.#placeholder;
    this.field.value = words;
    this.#at = 0;
    this.#draw();
    if (at < this.#rows.length) this.#select(at);
  }

  #about(row) {
    const about = offered(row.id);
    if (about) this.#held.push(about);
    const address = `${location.origin}/tickets/${row.id}`;
    return about ?? {
      label: row.id,
      lines: [
        { word: "Open", glyph: "expand", run: () => this.#open(row) }, { word: "Open in a new tab", glyph: "arrow", run: () => this.#open(row, true) },
        { word: "Copy key", glyph: "copy", run: () => copy(row.id, "Key") }, { word: "Copy link", glyph: "link", run: () => copy(address, "Link") },
      ],
    };
  }

  #open(row, beside) {
    // That a result was opened is how the search learns whether it serves.
    if (row.search) fetch(`/api/tickets/${encodeURIComponent(row.ticket)}?${new URLSearchParams({ search_id: row.search })}`, { headers: { Accept: "application/json" }, keepalive: true }).catch(() => {});
    if (beside) return window.open(`/tickets/${row.id}`, "_blank", "noopener");
    if (document.dispatchEvent(new CustomEvent("hephaestus:open", { cancelable: true, detail: row.id }))) location.assign(`/tickets/${row.id}`);
  }
}

function typeIcon(kind) {
  const made = icon(kind?.glyph ?? "tag", kind?.color);
  if (kind && !kind.color) made.classList.add(kind.glyph);
  return made;
}
