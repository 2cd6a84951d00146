// The fields of a ticket, edited where they stand. Nothing is overwritten: who comes second sees both texts.

import { announce, button, call, element, icon } from "./actions.js";
import { explained } from "./forms.js";
import { openMenu } from "./menu.js";
import { Editor } from "./ticketeditor.js";
import { mergeView, merged } from "./ticketmerge.js";
import { Picker } from "./ticketpicker.js";

const TRIES = 5;
const WORDS = {
  title: "title", description: "description", ticket_type: "type", priority: "priority", status: "status", assigned_agent_id: "assignment", tags: "tags",
  parent_ticket_id: "parent", story_points: "points", estimate_minutes: "estimate", blocked_reason: "reason",
};
// How a value is written in its field, and read from it. `read` throws what is wrong.
const plain = { write: (value) => value ?? "", read: (text) => text.trim() };
const FORMS = {
  title: { ...plain, long: true, read: (text) => (text.trim().length >= 3 ? text.trim() : fault("At least 3 characters are needed.")) },
  blocked_reason: { ...plain, long: true },
  tags: { write: (tags) => tags.join(", "), read: (text) => [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))], separator: ", ", hint: "With commas between them" },
  story_points: { write: plain.write, read: (text) => number(text, 10_000), hint: "A number, or nothing" },
  estimate_minutes: { write: (minutes) => (minutes == null ? "" : duration(minutes)), read: minutesOf, hint: "Such as 45m, 3h or 2h 15m" },
};
const same = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

export class Fields {
  #editing = new Map(); // field → {part, base, version, …}

  // ticket: {root, data, parts, drafts, refresh(), say(), changer(field), acts}
  constructor(ticket) {
    this.ticket = ticket;
    ticket.root.addEventListener("click", (event) => {
      const opener = event.target.closest("[data-edit]");
      if (opener) this.edit(opener.dataset.edit, opener);
    });
    ticket.root.addEventListener("ticket:waits", ({ detail }) => {
      if (this.#editing.has(detail.name)) this.#changedBelow(detail.name);
    });
    this.#offerDrafts();
  }

  edit(field, anchor) {
    const { data } = this.ticket;
    if (!data.writes || this.#editing.has(field)) return this.#editing.get(field)?.focus();
    const menus = {
      status: () => this.ticket.acts.statuses(),
      priority: () => data.priorities.map((name) => ({ word: capital(name), glyph: `p-${name}`, checked: name === data.values.priority, run: () => this.choose("priority", name, capital(name)) })),
      ticket_type: () => Object.entries(data.types).map(([id, name]) => ({ word: name, checked: id === data.values.ticket_type, run: () => this.choose("ticket_type", id, name) })),
      assigned_agent_id: () => this.ticket.acts.people(),
    };
    if (field in menus) this.menu(field, anchor, capital(WORDS[field]), menus[field]());
    else if (field === "description") this.#editText();
    else if (field === "parent_ticket_id") this.#pickParent();
    else this.#editLine(field);
  }

  menu(field, anchor, label, items) {
    const part = this.#partOf(field);
    part?.toggleAttribute("data-editing", true);
    openMenu(anchor, label, items, { onclose: () => setTimeout(() => {
      part?.removeAttribute("data-editing");
      this.ticket.parts.catchUp();
    }) });
  }

  // ── saving ──

  // Saves what an edit made of `base`. Another's change of another field does not stand in its way; one of this
  // field does: the refusal then has `theirs`. send(version): the operation, where it is another than update.
  async save(field, value, { base, version }, send = this.#updates(field, value), tries = TRIES) {
    try {
      return await send(version);
    } catch (refusal) {
      if (refusal.code !== "conflict" || !refusal.current_version) throw refusal;
      await this.ticket.refresh({ own: true });
      const { values, version: current } = this.ticket.data;
      if (same(values[field], value)) return { version: current };
      if (same(values[field], base) && tries > 0) return this.save(field, value, { base, version: current }, send, tries - 1);
      throw Object.assign(refusal, { theirs: values[field], isOverlap: true });
    }
  }

  #updates(field, value) {
    return async (version) => {
      const answer = await call("tickets/update", { ticket_id: this.ticket.data.id, updates: { [field]: value }, expected_version: version });
      announce(`${capital(WORDS[field])} saved.`);
      return answer;
    };
  }

  // A choice from a menu: shown at once, taken back where it is refused. `send` as of save(), said: what it did,
  // explain(refusal, again): says why not. Whether it was made.
  async choose(field, value, word, { send, said, explain } = {}) {
    const { data } = this.ticket;
    const base = data.values[field];
    if (same(base, value)) return true;
    const part = this.#partOf(field);
    const label = part.querySelector(".prio-word, .clip, .agent-name, .hint");
    const before = label?.textContent;
    if (label) label.textContent = word;
    part.classList.add("is-saving");
    try {
      const { warnings = [] } = await this.save(field, value, { base, version: data.version }, send);
      if (said) announce([said, ...warnings].join(" "));
      if (warnings.length) this.ticket.say("wait", warnings.join(" "));
      await this.ticket.refresh({ own: true });
      return true;
    } catch (refusal) {
      if (refusal.code === undefined) throw refusal;
      if (label) label.textContent = before;
      const again = () => this.choose(field, value, word, { send, said, explain });
      if (!explain?.(refusal, again)) this.#explain(field, word, refusal, again);
      return false;
    } finally {
      part.classList.remove("is-saving");
    }
  }

  // Why a choice was not saved, in the foot of the sheet.
  #explain(field, word, refusal, again) {
    const name = WORDS[field];
    if (refusal.isOverlap) {
      return this.ticket.say("warm", `${this.ticket.changer(field)} changed the ${name} meanwhile. It is as they left it.`, [[`Set ${word} anyway`, again], ["Leave it", () => {}]]);
    }
    this.ticket.refused(`The ${name} was not changed.`, refusal, again);
  }

  // ── a line of text ──

  #editLine(field) {
    const part = this.#partOf(field);
    const form = FORMS[field];
    const draft = this.ticket.drafts.get(field);
    const { data } = this.ticket;
    const state = { field, part, base: draft?.base ?? data.values[field], version: draft?.version ?? data.version };
    const input = element(form.long ? "textarea" : "input", { class: "input", "aria-label": capital(WORDS[field]), dir: "auto", rows: form.long && "1", autocomplete: "off", placeholder: form.hint, "data-draft": field });
    input.value = draft?.text ?? form.write(state.base);
    const faults = element("div", { class: "editor-fault", role: "alert" });
    const box = element("form", { class: "line-edit", "data-editing": true, novalidate: true }, input,
      element("div", { class: "btn-row" }, element("button", { type: "submit", class: "btn btn-sm btn-primary" }, "Save"), button("Cancel", () => this.#discard(field, input.value), "btn-quiet")), faults);
    const run = async () => {
      if (state.sent !== undefined) return;
      faults.replaceChildren();
      box.classList.add("is-saving");
      const text = input.value;
      try {
        await this.#send(state, form.read(text), text);
      } catch (refusal) {
        if (refusal.code === undefined) throw refusal;
        if (refusal.isOverlap) this.#merge(field);
        else faults.replaceChildren(...explained(refusal, run));
      } finally {
        box.classList.remove("is-saving");
      }
    };
    const keep = () => this.#keep(state);
    input.addEventListener("input", keep);
    this.ticket.drafts.watch(field, box, () => { if (input.value !== form.write(state.base)) keep(); });
    box.addEventListener("submit", (event) => {
      event.preventDefault();
      run();
    });
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === input && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        run();
      } else if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        this.#leave(field);
      }
    });
    const put = (text) => {
      input.value = text;
      input.dispatchEvent(new Event("input"));
    };
    this.#begin(field, Object.assign(state, { box, focus: () => input.focus(), text: () => input.value, put, write: form.write, separator: form.separator, notices: faults, run }));
    input.select();
  }

  // ── the description ──

  #editText() {
    const field = "description";
    const part = this.#partOf(field);
    const { data, drafts } = this.ticket;
    const kept = drafts.get(field);
    const state = { field, part, base: kept?.base ?? data.values.description, version: kept?.version ?? data.version };
    const notices = element("div", { class: "editor-notices" });
    const editor = new Editor(data, {
      label: "Description", name: field, go: "Save", rows: 8, least: 10, value: state.base, notices,
      draft: { ...drafts.of(field), keep: (text) => (text === state.base ? drafts.drop(field) : this.#keep(state, text)) },
      save: async (text) => {
        try {
          await this.#send(state, text, text);
        } catch (refusal) {
          if (refusal.isOverlap) {
            refusal.isShown = true;
            this.#merge(field);
          }
          throw refusal;
        }
      },
      cancel: () => this.#discard(field, editor.value),
      escape: () => this.#leave(field),
    });
    const box = element("div", { "data-editing": true }, notices, editor.element);
    this.#begin(field, Object.assign(state, { box, focus: () => editor.focus(), text: () => editor.value, put: (text) => editor.put(text), write: (text) => text, separator: "\n", notices, run: () => editor.submit() }));
    if (!same(state.base, data.values.description)) this.#changedBelow(field);
  }

  #pickParent() {
    const field = "parent_ticket_id";
    const { data } = this.ticket;
    const state = { field, part: this.#partOf(field), base: data.values[field], version: data.version };
    const set = async (key) => {
      try {
        await this.save(field, key, state);
      } catch (refusal) {
        if (refusal.isOverlap) refusal.message = `${this.ticket.changer(field)} changed it meanwhile, to ${refusal.theirs ?? "nothing"}.`;
        throw refusal;
      }
      this.#end(state);
      await this.ticket.refresh({ own: true });
    };
    const picker = new Picker(data, { label: "Ticket that it is part of", go: "Set", pick: set, cancel: () => this.#leave(field), empty: state.base && ["Part of nothing", () => set(null)] });
    this.#begin(field, Object.assign(state, { box: picker.element, focus: () => picker.focus(), text: () => picker.field.value, notices: picker.fault }));
  }

  // ── beginning and ending ──

  // Sends what was typed. Where more is typed meanwhile, the edit goes on from what is saved now.
  async #send(state, value, text) {
    state.sent = value;
    try {
      const saved = same(value, state.base) ? state : await this.save(state.field, value, state);
      if (state.text() === text) {
        this.ticket.drafts.drop(state.field);
        state.part.querySelector(":scope > .draft-offer")?.remove();
        this.#end(state);
      } else {
        this.#rebase(state, value, saved.version);
        state.notices.replaceChildren();
      }
    } finally {
      state.sent = undefined;
    }
    this.ticket.refresh({ own: true });
  }

  #keep({ field, base, version, text }, typed = text()) {
    return this.ticket.drafts.keep(field, typed, { base, version });
  }

  #partOf(field) { return this.ticket.root.querySelector(`[data-field="${field}"]`); }

  #begin(field, state) {
    this.#editing.set(field, state);
    state.part.querySelector(":scope > .draft-offer")?.remove();
    for (const child of state.part.children) child.hidden = true;
    state.part.append(state.box);
    state.part.classList.add("is-edited");
    state.focus();
  }

  #end(state) {
    const { field, part, box } = state;
    if (this.#editing.get(field) !== state) return; // left while it was sent
    this.#editing.delete(field);
    const inside = box.contains(document.activeElement) || document.activeElement === document.body;
    box.remove();
    part.classList.remove("is-edited");
    for (const child of part.children) child.hidden = false;
    const opener = () => this.ticket.root.querySelector(`[data-edit="${field}"]`);
    if (inside) opener()?.focus({ preventScroll: true });
    this.ticket.parts.catchUp(part.closest("[data-part]").dataset.part);
  }

  // Esc: the editor closes, the draft stays and is offered.
  #leave(field) {
    this.#end(this.#editing.get(field));
    this.#offerDrafts();
  }

  // Cancel: the draft goes, and may be had back.
  #discard(field, text) {
    const state = this.#editing.get(field);
    const kept = this.ticket.drafts.get(field);
    this.ticket.drafts.drop(field);
    this.#end(state);
    if (kept) {
      this.ticket.say("", `Your ${WORDS[field]} was thrown away.`, [["Put it back", () => {
        this.#keep(state, text);
        this.edit(field);
      }]], 10_000);
    }
  }

  #offerDrafts() {
    if (!this.ticket.data.writes) return;
    for (const field of this.ticket.drafts.fields()) {
      const part = this.#partOf(field);
      if (!part || this.#editing.has(field) || part.querySelector(".draft-offer")) continue;
      const line = element("div", { class: "draft-offer notice notice-wait" }, icon("edit"), element("p", {}, `Your ${WORDS[field]} is not saved yet.`),
        element("span", { class: "btn-row" }, button("Go on", () => this.edit(field)), button("Throw away", () => {
          this.ticket.drafts.drop(field);
          line.remove();
        }, "btn-quiet")));
      part.prepend(line);
    }
  }

  // ── another changed what is being edited ──

  #changedBelow(field) {
    const state = this.#editing.get(field);
    const theirs = this.ticket.data.values[field];
    if (!state?.write || same(theirs, state.base) || same(theirs, state.sent)) return;
    const steps = [button("View", () => this.#merge(field)), state.separator && button("Merge", () => this.#both(field), "btn-primary")];
    const line = element("div", { class: "notice notice-warm", role: "status" }, icon("merge"),
      element("p", {}, element("b", { dir: "auto" }, this.ticket.changer(field)), ` changed the ${WORDS[field]}. Your text is untouched.`),
      element("span", { class: "btn-row" }, ...steps.filter(Boolean)));
    state.notices.replaceChildren(line);
  }

  #merge(field) {
    const state = this.#editing.get(field);
    const theirs = this.ticket.data.values[field];
    const view = mergeView({
      base: state.write(state.base), mine: state.text(), theirs: state.write(theirs), who: this.ticket.changer(field),
      takeTheirs: () => {
        this.ticket.drafts.drop(field);
        this.#end(state);
      },
      keepMine: () => {
        this.#rebase(state);
        state.run();
      },
      mergeBoth: state.separator && (() => this.#both(field)),
    });
    state.notices.replaceChildren(view);
    announce(`${this.ticket.changer(field)} changed the ${WORDS[field]} as well. Both versions are shown.`);
    view.scrollIntoView({ block: "nearest" });
  }

  #both(field) {
    const state = this.#editing.get(field);
    const both = merged(state.write(state.base), state.text(), state.write(this.ticket.data.values[field]), state.separator);
    this.#rebase(state);
    state.put(both.text);
    const said = both.overlaps ? "Both changed the same lines: yours come first, theirs follow. Read it, then save." : "Both changes are in the text. Read it, then save.";
    state.notices.replaceChildren(element("div", { class: "notice", role: "status" }, icon("merge"), element("p", {}, said)));
    state.focus();
  }

  // From here on the edit begins with what is saved.
  #rebase(state, base = this.ticket.data.values[state.field], version = this.ticket.data.version) {
    Object.assign(state, { base, version });
    this.#keep(state);
  }
}

const capital = (word) => word[0].toUpperCase() + word.slice(1);
const fault = (message) => { throw Object.assign(new Error(message), { code: "invalid" }); };

function number(text, most) {
  const trimmed = text.trim();
  if (!trimmed) return null;
  return /^\d+$/.test(trimmed) && Number(trimmed) <= most ? Number(trimmed) : fault(`A whole number up to ${most}.`);
}

export function minutesOf(text) {
  const trimmed = text.trim().toLowerCase();
  if (!trimmed) return null;
  const found = /^(?:(\d+(?:\.\d+)?)\s*d)?\s*(?:(\d+(?:\.\d+)?)\s*h)?\s*(?:(\d+)\s*m?)?$/.exec(trimmed);
  if (!found) return fault("Write it as 45m, 3h or 2h 15m.");
  const [days = 0, hours = 0, minutes = 0] = found.slice(1).map((part) => Number(part ?? 0));
  return Math.round(days * 1440 + hours * 60 + minutes);
}

function duration(minutes) {
  const hours = Math.floor(minutes / 60);
  return [hours && `${hours}h`, (minutes % 60 || !hours) && `${minutes % 60}m`].filter(Boolean).join(" ");
}
