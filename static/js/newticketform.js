// The form of a new ticket: what is typed is kept at each stroke, tickets that say the same come beside it.

import { announce, button, call, element, icon, newKey, openSignIn, toastRefusal } from "./actions.js";
import { choices, found } from "./found.js";
import { openMenu } from "./menu.js";
import { Alike } from "./newticketalike.js";
import { Drafts } from "./ticketdrafts.js";
import { Editor } from "./ticketeditor.js";
import { Picker } from "./ticketpicker.js";

const TITLE = [3, 500];
const DESCRIPTION = 10;
const FIELDS = ["title", "description", "ticket_type", "priority", "initial_status", "assigned_agent_id", "parent_ticket_id", "blocked_by_ticket_ids", "tags"];

// Puts the form into a place that says "Loading". options: created(answer, stays), close()?
export async function mount(place, workflow, options) {
  try {
    const data = await choices(workflow);
    const form = new Form(data, options);
    place.replaceWith(...form.parts);
    form.begin();
  } catch (error) {
    if (!error.status && !(error instanceof TypeError)) throw error;
    const [why, step] = error.status === 401 ? ["You are signed out.", button("Sign in", openSignIn)] : ["The form did not load.", null];
    place.replaceChildren(element("div", { class: "notice notice-stop", role: "alert" }, icon("ban"), element("p", {}, why), step, button("Try again", () => mount(place, workflow, options))));
  }
}

class Form {
  #key = null; // of the request: the same until something is changed, so that a second try makes no second ticket
  #kept = null;
  #isBusy = false;
  #isTyped = false;

  constructor(data, { created, close }) {
    Object.assign(this, { data, created, close });
    this.drafts = new Drafts(data.me, `new:${data.workflow}`);
    this.fresh = { title: "", description: "", ticket_type: data.kind, priority: "medium", initial_status: data.status, assigned_agent_id: null, parent_ticket_id: null, blocked_by_ticket_ids: [], tags: "" };
    this.values = { ...this.fresh };
    this.#restore();
    this.#build();
    this.drafts.watch("form", this.body, () => { if (this.#isTyped) this.#keep(); });
  }

  begin() {
    if (this.#kept) this.#say("", "Draft restored.", [["Start anew", () => this.#clear()]]);
    this.title.focus();
    this.alike.ask(this.values);
  }

  // ── the draft ──

  #restore() {
    try {
      this.#kept = JSON.parse(this.drafts.get("form")?.text ?? "null");
    } catch {
      this.#kept = null;
    }
    if (!this.#kept) return;
    const { data } = this;
    this.values = { ...this.fresh, ...this.#kept.values };
    this.#key = this.#kept.key ?? null;
    // The board may have changed since.
    const { values } = this;
    if (!data.kinds.some((kind) => kind.id === values.ticket_type)) values.ticket_type = data.kind;
    if (!data.columns.some((column) => column.id === values.initial_status)) values.initial_status = data.status;
    if (!data.members.some(([id]) => id === values.assigned_agent_id)) values.assigned_agent_id = null;
  }

  #changed() {
    this.#isTyped = true;
    this.#key = null;
    this.#keep();
    this.alike.ask(this.values);
  }

  #keep() {
    const { values, drafts } = this;
    const isFresh = FIELDS.every((name) => JSON.stringify(values[name]) === JSON.stringify(this.fresh[name]));
    const kept = isFresh ? drafts.drop("form") : drafts.keep("form", JSON.stringify({ values, key: this.#key }));
    this.hint.textContent = isFresh ? "" : kept ? "Draft kept" : "Not kept: this browser has no room";
  }

  #clear(more = {}) {
    this.values = { ...this.fresh, ...more };
    this.drafts.drop("form");
    this.#isTyped = false;
    this.#key = null;
    this.title.value = "";
    this.tags.value = this.values.tags;
    this.editor.value = "";
    this.hint.textContent = "";
    this.#says.replaceChildren();
    this.#paint();
    this.alike.ask(this.values);
    this.title.focus();
  }

  // ── what it is made of ──

  #build() {
    const { data, values } = this;
    this.faults = new Map();
    this.title = element("textarea", { class: "input new-title", id: "new-title", rows: "1", maxlength: TITLE[1], dir: "auto", autocomplete: "off", placeholder: "What is it, in one line?", "aria-describedby": "fault-title" });
    this.title.value = values.title;
    this.title.addEventListener("input", () => {
      if (/[\r\n]/.test(this.title.value)) this.title.value = this.title.value.replace(/[\r\n]+/g, " ");
      this.values.title = this.title.value;
      this.#mend("title");
      this.#changed();
    });
    this.title.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.editor.focus();
    });
    this.editor = new Editor(data, { label: "Description", name: "new-description", rows: 12, placeholder: "What happens, what should, how to see it. Markdown.", value: values.description });
    this.editor.submitter.remove();
    this.editor.field.setAttribute("aria-describedby", `fault-description ${this.editor.hint.id}`);
    this.editor.element.addEventListener("input", ({ target }) => {
      if (target !== this.editor.field) return;
      this.values.description = this.editor.value;
      this.#mend("description");
      this.#changed();
    });
    this.tags = element("input", { class: "input", id: "new-tags", dir: "auto", autocomplete: "off", placeholder: "With commas between them", "aria-describedby": "fault-tags" });
    this.tags.value = values.tags;
    this.tags.addEventListener("input", () => {
      this.values.tags = this.tags.value;
      this.#mend("tags");
      this.#changed();
    });
    this.alike = new Alike(data, { instead: () => this.values });
    this.side = element("dl", { class: "props" });
    const main = element("div", { class: "panel-main" },
      element("div", { class: "field" }, element("label", { for: "new-title" }, "Title"), this.title, this.#fault("title")),
      element("div", { class: "field" }, element("div", { class: "new-ticket-label" }, element("span", { class: "label" }, "Description"), this.#outlineButton()), this.editor.element, this.#fault("description")));
    const side = element("aside", { class: "panel-side", "aria-label": "Details" },
      element("section", { class: "group" }, element("header", {}, element("h2", {}, "Details")), this.side, ...["ticket_type", "priority", "initial_status", "assigned_agent_id", "parent_ticket_id", "blocked_by_ticket_ids"].map((name) => this.#fault(name))),
      element("section", { class: "group field" }, element("label", { for: "new-tags" }, "Tags"), this.tags, this.#fault("tags")),
      this.alike.element);
    this.body = element("div", { class: "dialog-body" }, main, side);
    this.hint = element("span", { class: "hint", role: "status" });
    this.more = element("input", { type: "checkbox" });
    this.submitter = element("button", { class: "btn btn-primary", type: "button", onclick: () => this.submit() }, icon("check"), element("span", {}, "Create ticket"), element("kbd", { "aria-hidden": "true" }, "Ctrl Enter"));
    this.foot = element("footer", { class: "dialog-foot" }, element("div", { class: "foot-says", "data-says-here": true, role: "status" }),
      element("div", { class: "foot-acts" }, this.hint, element("span", { class: "end btn-row" }, element("label", { class: "tick" }, this.more, "Create another"),
        this.close && button("Close", () => this.close(), "btn-quiet new-close"), this.submitter)));
    this.parts = [this.body, this.foot];
    for (const part of this.parts) part.addEventListener("keydown", (event) => this.#keydown(event), { capture: true });
    this.#paint();
  }

  get #says() { return this.foot.querySelector("[data-says-here]"); }

  #keydown(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target.closest("[popover]")) return;
    event.preventDefault();
    event.stopPropagation();
    this.submit();
  }

  // ── what is chosen from lists ──

  #paint() {
    const { data, values } = this;
    const kind = data.kinds.find((one) => one.id === values.ticket_type);
    const column = data.columns.find((one) => one.id === values.initial_status);
    const person = data.members.find(([id]) => id === values.assigned_agent_id);
    const focused = this.side.contains(document.activeElement) ? document.activeElement.dataset.field : null;
    this.side.replaceChildren(
      ...this.#choice("ticket_type", "Type", [kind.emoji ? element("span", { class: "type-emoji", "aria-hidden": "true" }, kind.emoji) : kindIcon(kind), kind.name], () => data.kinds.map((one) => ({ word: one.name, glyph: one.emoji ? "" : one.glyph, color: one.color, checked: one === kind, run: () => this.#chooseKind(one) }))),
      ...this.#choice("priority", "Priority", [element("span", { class: `prio prio-${values.priority}` }, icon(`p-${values.priority}`), element("span", { class: "prio-word" }, capital(values.priority)))],
        () => data.priorities.map((name) => ({ word: capital(name), glyph: `p-${name}`, checked: name === values.priority, run: () => this.#choose("priority", name) }))),
      ...this.#choice("initial_status", "Column", [icon(column.glyph, column.color), column.name], () => data.columns.map((one) => ({ word: one.name, glyph: one.glyph, color: one.color, checked: one === column, run: () => this.#choose("initial_status", one.id) }))),
      ...this.#choice("assigned_agent_id", "Assigned", [person ? person[1] : element("span", { class: "hint" }, "Nobody")], () => this.#people(person)),
      ...this.#tie("parent_ticket_id", "Part of", values.parent_ticket_id ? [values.parent_ticket_id] : [], "Part of", (keys) => keys.at(-1) ?? null),
      ...this.#tie("blocked_by_ticket_ids", "Blocked by", values.blocked_by_ticket_ids, "Blocked by", (keys) => keys));
    if (focused) this.side.querySelector(`[data-field="${focused}"]`)?.focus();
  }

  #choice(name, word, shown, items) {
    const control = element("button", { class: "prop", type: "button", "data-field": name, "aria-haspopup": "menu", onclick: ({ currentTarget }) => openMenu(currentTarget, word, items()) },
      element("span", { class: "vh" }, `${word}: `), ...shown.map((part) => (typeof part === "string" ? element("span", { class: "clip", dir: "auto" }, part) : part)));
    return [element("dt", {}, word), element("dd", {}, control)];
  }

  #choose(name, value) {
    this.values[name] = value;
    this.#mend(name);
    this.#changed();
    this.#paint();
    this.side.querySelector(`[data-field="${name}"]`)?.focus();
  }

  #people(now) {
    const { me, members } = this.data;
    const mine = members.filter(([id]) => id === me).map(([id, name]) => [id, `${name} (you)`]);
    return [...mine, [null, "Nobody"], ...members.filter(([id]) => id !== me)].map(([id, name]) => ({ word: name, glyph: "user", checked: (now?.[0] ?? null) === id, run: () => this.#choose("assigned_agent_id", id) }));
  }

  // ── other tickets ──

  #tie(name, word, keys, label, put) {
    const set = (next) => this.#choose(name, put(next));
    const row = (key) => element("span", { class: "tie" }, element("a", { class: "key", href: `/tickets/${key}`, target: "_blank", rel: "noopener" }, key),
      element("button", { class: "btn-icon", type: "button", "aria-label": `${word}: remove ${key}`, onclick: () => set(keys.filter((other) => other !== key)) }, icon("x")));
    const isFull = name === "parent_ticket_id" && keys.length;
    const opener = !isFull && element("button", { class: "prop", type: "button", "data-field": name, onclick: ({ currentTarget }) => this.#pick(currentTarget, label, (key) => set([...keys.filter((other) => other !== key), key])) },
      element("span", { class: "vh" }, `${word}: `), element("span", { class: "hint" }, keys.length ? "Add" : "None"));
    return [element("dt", {}, word), element("dd", {}, ...keys.map(row), opener)];
  }

  #pick(opener, label, put) {
    const cancel = () => {
      picker.element.replaceWith(opener);
      opener.focus();
    };
    const picker = new Picker(this.data, { label, go: "Choose", cancel, pick: async (text) => {
      const rows = await found(this.data.workflow, "tickets", text);
      const row = rows.find(({ id }) => id.toLowerCase() === text.toLowerCase());
      if (!row) throw Object.assign(new Error(text), { code: "invalid", message: `No ticket ${text} here. Choose one of the list.` });
      put(row.id);
      announce(`${label} ${row.id}.`);
    } });
    opener.replaceWith(picker.element);
    picker.focus();
  }

  // ── outlines of Markdown ──

  #outlineButton() {
    return element("button", { class: "btn btn-sm btn-quiet", type: "button", "aria-haspopup": "menu", "data-outlines": true, onclick: ({ currentTarget }) => {
      const own = this.data.outlines.find(({ id }) => id === this.values.ticket_type);
      const others = this.data.outlines.filter((outline) => outline !== own);
      openMenu(currentTarget, "Template", [...(own ? [own] : []), ...others].map((outline) => ({ word: outline.name, glyph: "file", run: () => this.#outline(outline, currentTarget) })));
    } }, icon("file"), "Template…");
  }

  // Whether the description is nobody's words: empty, or a template as it came.
  get #isUntouched() { return !this.editor.value.trim() || this.data.outlines.some(({ text }) => text === this.editor.value); }

  #chooseKind(kind) {
    const shown = this.data.outlines.find(({ text }) => text === this.editor.value);
    const next = this.data.outlines.find(({ id }) => id === kind.id);
    if (shown && next) this.#write(next.text);
    this.#choose("ticket_type", kind.id);
  }

  #outline({ name, text }, opener) {
    const put = (whole) => {
      this.#write(whole);
      this.editor.focus();
      this.editor.field.setSelectionRange(0, 0);
    };
    if (this.#isUntouched) return put(text);
    opener.focus();
    const before = this.editor.value;
    this.#say("wait", `The description has text of yours. What about the template “${name}”?`, [
      ["Put it below", () => put(`${before.trimEnd()}\n\n${text}`)],
      ["Replace the text", () => {
        put(text);
        this.#say("", "Replaced by the template.", [["Undo", () => put(before)]]);
      }],
      ["Leave it", () => opener.focus()],
    ]);
    this.#says.querySelector("button").focus();
  }

  #write(text) {
    this.editor.put(text);
    this.values.description = text;
    this.#mend("description");
    this.#changed();
  }

  // ── creating ──

  #check() {
    const title = this.values.title.trim().length;
    if (title < TITLE[0]) this.#blame("title", title ? `A title has at least ${TITLE[0]} characters.` : "Give it a title.");
    const text = this.values.description.trim().length;
    if (text < DESCRIPTION) this.#blame("description", text ? `A description has at least ${DESCRIPTION} characters; these are ${text}.` : "Say what it is about.");
    const first = [...this.faults].find(([, box]) => box.childElementCount)?.[0];
    if (first) this.#fieldOf(first)?.focus();
    return !first;
  }

  get #body() {
    const { values } = this;
    const tags = [...new Set(values.tags.split(",").map((tag) => tag.trim()).filter(Boolean))];
    return { ...values, workflow_id: this.data.workflow, tags, title: values.title.trim() };
  }

  // on_duplicate: "reject" asks first where a ticket says the same beyond doubt.
  async submit(onDuplicate = "reject") {
    if (this.#isBusy) return;
    for (const name of this.faults.keys()) this.#mend(name);
    this.#says.replaceChildren();
    if (!this.#check()) return;
    this.#isBusy = true;
    this.submitter.setAttribute("aria-disabled", "true");
    this.body.classList.add("is-saving");
    this.#key ??= newKey();
    this.#keep(); // also the key: after a crash of the browser the same try goes on
    const sent = this.#body;
    try {
      const answer = await call("tickets/create", { ...sent, on_duplicate: onDuplicate }, { key: `${this.#key}-${onDuplicate}` });
      if (JSON.stringify(sent) !== JSON.stringify(this.#body)) return this.created({ ...answer, message: `${answer.key} is created, without what you typed since.` }, true);
      this.drafts.drop("form");
      const stays = this.more.checked;
      const { ticket_type, priority, initial_status, assigned_agent_id, parent_ticket_id, tags } = this.values;
      if (stays) this.#clear({ ticket_type, priority, initial_status, assigned_agent_id, parent_ticket_id, tags });
      this.created({ ...answer, message: [answer.message, ...(answer.warnings ?? [])].join(" ") }, stays);
    } catch (refusal) {
      if (refusal.code === undefined) throw refusal;
      this.#explain(refusal, onDuplicate);
    } finally {
      this.#isBusy = false;
      this.submitter.removeAttribute("aria-disabled");
      this.body.classList.remove("is-saving");
    }
  }

  #explain(refusal, onDuplicate) {
    if (!this.body.isConnected) return toastRefusal("The ticket is not created. Its draft is kept.", refusal);
    const again = ["Try again", () => this.submit(onDuplicate)];
    if (refusal.code === "duplicate" && refusal.candidates?.length) {
      const [{ key, title }] = refusal.candidates;
      this.alike.show(key);
      return this.#say("wait", `${key} says the same: ${title}`, [[`Open ${key}`, () => window.open(`/tickets/${key}`, "_blank", "noopener")], ["Create it all the same", () => this.submit("warn")]]);
    }
    if (refusal.code === "unauthenticated") return this.#say("stop", "You are signed out. Everything is kept here.", [["Sign in", openSignIn], again]);
    const name = refusal.field?.split(".")[0];
    if (this.faults.has(name)) {
      this.#blame(name, refusal.message);
      return this.#fieldOf(name)?.focus();
    }
    this.#say("stop", `Not created. ${refusal.message} Everything is kept here.`, [again]);
  }

  #say(kind, text, steps) {
    const glyph = { stop: "ban", wait: "warn" }[kind] ?? "info";
    const place = this.#says;
    place.replaceChildren(element("div", { class: `notice ${kind && `notice-${kind}`}` }, icon(glyph), element("p", { dir: "auto" }, text), element("span", { class: "btn-row" },
      ...steps.map(([word, run]) => button(word, () => {
        place.replaceChildren();
        run();
      })))));
  }

  // ── what is wrong with a field, under it ──

  #fault(name) {
    const box = element("div", { class: "editor-fault", id: `fault-${name.replaceAll("_", "-")}`, role: "alert" });
    this.faults.set(name, box);
    return box;
  }

  #fieldOf(name) { return { title: this.title, description: this.editor.field, tags: this.tags }[name] ?? this.side.querySelector(`[data-field="${name}"]`); }

  #blame(name, text) {
    this.faults.get(name).replaceChildren(element("p", { class: "field-error" }, icon("warn"), element("span", {}, text)));
    this.#fieldOf(name)?.setAttribute("aria-invalid", "true");
  }

  #mend(name) {
    this.faults.get(name)?.replaceChildren();
    this.#fieldOf(name)?.removeAttribute("aria-invalid");
  }
}

const capital = (word) => word[0].toUpperCase() + word.slice(1);

function kindIcon(kind) {
  const made = icon(kind.glyph, kind.color);
  if (!kind.color) made.classList.add(kind.glyph);
  return made;
}
