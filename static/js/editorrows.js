// The rows of the board editor: columns and ticket types, to be typed into, carried, added and taken away.

import "../vendor/sortablejs-1.15.7/Sortable.min.js";
import { announce, element, icon } from "./actions.js";
import { openMenu } from "./menu.js";
import { idFrom, leaving, newUid, tickets } from "./editorstate.js";

const { Sortable } = globalThis;
export const CATEGORIES = { queue: "Queue", active: "Active", final: "Final" };
const GLYPHS = { queue: ["cat-queue", "cat-ready"], active: ["cat-active", "cat-review"], final: ["cat-final", "cat-final"] };
const HEX = /^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i;

// The same glyph as on the board: the first column of a category is told from the others.
export function columnGlyph(columns, column) {
  const [first, later] = GLYPHS[column.category] ?? GLYPHS.active;
  return columns.find(({ category }) => category === column.category) === column ? first : later;
}

class Rows {
  // page: {draft, data, uses()}; list: the <ol>; kind: "columns" or "types"; noun: for ears
  constructor(page, list, kind, noun, field) {
    Object.assign(this, { page, list, kind, noun, field });
    list.addEventListener("keydown", (event) => this.#steer(event));
    if (!page.data.maintains) return;
    this.sortable = new Sortable(list, {
      draggable: ".be-row", handle: ".be-grip", forceFallback: true, fallbackOnBody: true, fallbackTolerance: 4,
      fallbackClass: "is-lifted", ghostClass: "is-ghost", delay: 150, delayOnTouchOnly: true,
      animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 120,
      onEnd: () => {
        const order = [...list.children].map((row) => row.dataset.uid);
        this.change((items) => items.sort((a, b) => order.indexOf(a.uid) - order.indexOf(b.uid)));
        this.draw();
      },
    });
  }

  get items() { return this.page.draft.now[this.kind]; }
  get saved() { return this.page.draft.saved[this.field]; }

  change(apply, more = {}) {
    this.page.draft.change((draft) => apply(draft[this.kind], draft), { source: this.kind, ...more });
  }

  // Also called by others: after an undo, an import, what somebody else saved.
  draw() {
    const held = this.list.contains(document.activeElement) ? document.activeElement : null;
    const { key } = held?.dataset ?? {};
    const range = held?.matches("input") ? [held.selectionStart, held.selectionEnd] : null;
    this.list.replaceChildren(...this.items.map((item, place) => this.#row(item, place)));
    if (!key) return;
    const again = this.list.querySelector(`[data-key="${CSS.escape(key)}"]`);
    again?.focus({ preventScroll: true });
    if (range && again?.matches("input")) again.setSelectionRange(...range);
  }

  #row(item, place) {
    const count = this.page.uses()[this.kind][item.was] ?? 0;
    const at = `${this.field}.${place}`;
    return element("li", { class: `be-row ${this.kind === "columns" ? "be-cols" : "be-kinds"}`, "data-uid": item.uid, "data-at": at },
      this.page.data.maintains ? this.#grip(item) : element("span"),
      this.#swatch(item),
      ...this.fields(item, place, at),
      this.#count(item, count),
      this.page.data.maintains ? this.#remove(item) : element("span"),
      element("div", { class: "be-faults", "data-faults": true }));
  }

  #grip(item) {
    return element("button", {
      type: "button", class: "btn-icon be-grip", "data-key": `${item.uid}.grip`, "aria-label": this.#words(item).grip, "aria-haspopup": "menu",
      title: "Drag, or press the arrow keys",
      onclick: ({ currentTarget }) => this.#menu(currentTarget, item),
    }, icon("grip"));
  }

  // The way without dragging for those who point.
  #menu(anchor, item) {
    const [at, last] = [this.items.indexOf(item), this.items.length - 1];
    const row = (word, glyph, to) => ({ word, glyph, off: to < 0 || to > last || to === at ? "it is there" : undefined, run: () => this.move(item, to) });
    openMenu(anchor, `Move ${item.name}`, [row("Up", "up", at - 1), row("Down", "down", at + 1), row("To the beginning", "up", at && 0), row("To the end", "down", last)]);
  }

  #steer(event) {
    const grip = event.target.closest(".be-grip");
    if (!grip || event.altKey || event.ctrlKey || event.metaKey) return;
    const item = this.items.find(({ uid }) => uid === grip.closest(".be-row").dataset.uid);
    const at = this.items.indexOf(item);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: this.items.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.move(item, to);
  }

  move(item, to) {
    const { uid } = item;
    if (to >= 0 && to < this.items.length) {
      this.change((items) => items.splice(to, 0, ...items.splice(items.findIndex((each) => each.uid === uid), 1)));
      this.draw();
    }
    const grip = this.list.querySelector(`[data-key="${CSS.escape(uid)}.grip"]`);
    grip?.focus();
    announce(`${item.name}: place ${this.items.findIndex((each) => each.uid === uid) + 1} of ${this.items.length}.`);
  }

  #swatch(item) {
    const swatch = element("button", {
      type: "button", class: "btn-icon be-swatch", "data-key": `${item.uid}.swatch`, "aria-label": this.#words(item).swatch, "aria-haspopup": "menu",
      disabled: !this.page.data.maintains,
      onclick: ({ currentTarget }) => openMenu(currentTarget, "Colour", Object.entries(this.page.data.colors).map(([name, color]) => ({
        word: name[0].toUpperCase() + name.slice(1), glyph: "cat-final", color, end: color, checked: item.color === color,
        run: () => {
          this.change((items) => { items.find(({ uid }) => uid === item.uid).color = color; });
          this.draw();
          this.list.querySelector(`[data-key="${CSS.escape(item.uid)}.swatch"]`)?.focus();
        },
      }))),
    });
    this.paint(swatch, item);
    return swatch;
  }

  paint(swatch, item) {
    swatch.replaceChildren(this.glyph(item, HEX.test(item.color) ? item.color : null));
  }

  // A field of text: what is typed is the item's at once, and what hangs on it follows.
  input(item, place, field, word, { at, value = item[field] ?? "", read = (text) => text, kind = "", attributes = {} }) {
    const control = element("input", {
      class: `input ${kind}`, "data-key": `${item.uid}.${field}`, value, autocomplete: "off", spellcheck: "false", disabled: !this.page.data.maintains,
      "aria-label": `${word} of ${this.noun} ${place + 1}`, ...attributes,
      oninput: () => {
        this.change((items) => this.typed(items.find(({ uid }) => uid === item.uid), field, read(control.value)), { key: `${item.uid}.${field}` });
        this.follow(control.closest(".be-row"), this.items.find(({ uid }) => uid === item.uid));
      },
    });
    return element("span", { class: `be-cell be-${field}`, "data-at": `${at}.${field}`, "data-label": word }, control);
  }

  typed(item, field, value) {
    item[field] = value;
    if (field === "id") delete item.auto;
    // The id of a new one follows its name until someone types another.
    if (field === "name" && item.auto) item.id = idFrom(value, this.#taken(item), this.noun);
  }

  #taken(item) {
    return [...this.items.filter((other) => other !== item), ...this.saved].map(({ id }) => id);
  }

  // What the buttons of a row are called.
  #words({ name, id }) {
    const what = name || id;
    return { grip: `Move ${this.noun} ${what}`, swatch: `Choose a colour for ${what}`, remove: `Delete ${this.noun} ${what}` };
  }

  // Fields that a change of another one changes.
  follow(row, item) {
    const id = row.querySelector(".be-id input");
    if (id && id.value !== item.id) id.value = item.id;
    for (const [part, word] of Object.entries(this.#words(item))) row.querySelector(`[data-key$=".${part}"]`)?.setAttribute("aria-label", word);
    for (const swatch of this.list.querySelectorAll(".be-swatch")) this.paint(swatch, this.items.find(({ uid }) => uid === swatch.closest(".be-row").dataset.uid));
  }

  #count(item, count) {
    const query = new URLSearchParams({ workflow: this.page.data.workflow, [this.kind === "columns" ? "status" : "type"]: item.was ?? "" });
    return element("span", { class: "be-cell be-count num", "data-label": "Tickets" },
      count ? element("a", { href: `/tickets?${query}`, "aria-label": `${tickets(count)} of ${item.name}` }, count.toLocaleString("en")) : item.was === null ? element("span", { class: "be-new" }, "new") : "0");
  }

  #remove(item) {
    return element("button", {
      type: "button", class: "btn-icon", "data-key": `${item.uid}.remove`, "aria-label": this.#words(item).remove,
      onclick: () => this.remove(item),
    }, icon("trash"));
  }

  remove(item) {
    const at = this.items.findIndex(({ uid }) => uid === item.uid);
    this.change((items) => items.splice(at, 1));
    this.draw();
    const ask = item.was && document.querySelector(`[data-key="${CSS.escape(`${this.field}.gone.${item.was}`)}"]`);
    const next = this.items[at] ?? this.items[at - 1];
    (ask || (next && this.list.querySelector(`[data-key="${CSS.escape(next.uid)}.remove"]`)) || document.querySelector(`[data-act="add-${this.noun}"]`)).focus();
    announce(ask ? `${item.name} goes. Choose where its tickets go.` : `${item.name} goes when you save.`);
  }

  add(more) {
    const number = this.items.length + 1;
    const item = { uid: newUid(), was: null, auto: true, id: idFrom("", [...this.items, ...this.saved].map(({ id }) => id), this.noun), name: "", color: "#6b7280", ...more };
    this.change((items) => items.splice(this.place(items), 0, item));
    this.draw();
    this.list.querySelector(`[data-key="${CSS.escape(item.uid)}.name"]`).focus();
    announce(`A new ${this.noun}, ${number} in all. Type its name.`);
  }

  place(items) { return items.length; }
}

export class Columns extends Rows {
  constructor(page, list) { super(page, list, "columns", "column", "columns"); }

  glyph(column, color) { return icon(columnGlyph(this.items, column), color); }

  // Before the final ones, where work ends.
  place(items) {
    const at = items.findIndex(({ category }) => category === "final");
    return at < 0 ? items.length : at;
  }

  fields(column, place, at) {
    const choose = element("select", {
      class: "input", "data-key": `${column.uid}.category`, "aria-label": `Category of column ${place + 1}`, disabled: !this.page.data.maintains,
      onchange: () => {
        this.change((items) => { items.find(({ uid }) => uid === column.uid).category = choose.value; });
        this.follow(choose.closest(".be-row"), column);
      },
    }, ...Object.entries(CATEGORIES).map(([value, word]) => element("option", { value, selected: value === column.category }, word)));
    return [
      this.input(column, place, "name", "Name", { at, attributes: { dir: "auto", maxlength: 100 } }),
      this.input(column, place, "id", "Id", { at, kind: "mono", attributes: { maxlength: 50 } }),
      element("span", { class: "be-cell be-category", "data-at": `${at}.category`, "data-label": "Category" }, choose),
      this.input(column, place, "wip_limit", "Limit", { at, kind: "num", read: whole, attributes: { inputmode: "numeric", placeholder: "none", maxlength: 6 } }),
      this.input(column, place, "color", "Colour", { at, kind: "mono", attributes: { maxlength: 30 } }),
    ];
  }
}

export class Types extends Rows {
  constructor(page, list) { super(page, list, "types", "type", "ticket_types"); }

  glyph(kind, color) {
    const { drawn } = this.page.data;
    if (kind.icon && kind.icon !== drawn[kind.id]) return element("span", { class: "type-emoji", "aria-hidden": "true" }, kind.icon);
    if (!(kind.id in drawn)) return icon("tag", color);
    const glyph = icon(`type-${kind.id}`);
    glyph.classList.add(`type-${kind.id}`);
    return glyph;
  }

  fields(kind, place, at) {
    return [
      this.input(kind, place, "icon", "Icon", { at, attributes: { maxlength: 16, placeholder: "drawn", dir: "auto" } }),
      this.input(kind, place, "name", "Name", { at, attributes: { dir: "auto", maxlength: 100 } }),
      this.input(kind, place, "id", "Id", { at, kind: "mono", attributes: { maxlength: 50 } }),
      this.input(kind, place, "color", "Colour", { at, kind: "mono", attributes: { maxlength: 30 } }),
    ];
  }
}

// A whole number, nothing, or what was typed, which the check then names a fault.
export function whole(text) {
  const plain = text.trim();
  return plain === "" ? null : /^\d{1,9}$/.test(plain) ? Number(plain) : plain;
}

// Columns (or types) that go with tickets in them, and where these go.
export function drawLeaving(host, page, { field, kind, choice, ask, fits, none, place }) {
  const { draft, data } = page;
  const gone = leaving(draft.now[kind], draft.saved[field], page.uses()[kind]);
  const held = host.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  host.replaceChildren(...gone.map((item) => {
    const options = draft.now[kind].filter((other) => fits(item, other));
    const select = element("select", {
      class: "input", "data-key": `${field}.gone.${item.id}`, disabled: !data.maintains,
      onchange: () => draft.change((now) => { now[choice][item.id] = select.value; }, { source: `leaving.${kind}` }),
    },
      element("option", { value: "" }, options.length ? "Choose…" : none(item)),
      ...options.map((other) => element("option", { value: other.uid, selected: draft.now[choice][item.id] === other.uid }, other.name || other.id)));
    return element("div", { class: "notice notice-wait be-gone", "data-at": `${place}.${item.id}` }, icon("arrow"),
      element("label", {}, element("b", { dir: "auto" }, item.name), ` goes. ${ask(item)} `, select),
      element("div", { class: "be-faults", "data-faults": true }));
  }));
  if (held) host.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
}
