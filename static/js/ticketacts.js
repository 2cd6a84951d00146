// What is done with a ticket as a whole: status, assignment, resolution, commits, blockers, parts, relations, leases, approval.

import { announce, button, call, copy, element } from "./actions.js";
import { explained } from "./forms.js";
import { openMenu } from "./menu.js";
import { Editor } from "./ticketeditor.js";
import { Picker } from "./ticketpicker.js";

const RESOLUTION = 10; // characters, as the operation wants

export class Acts {
  constructor(ticket) {
    this.ticket = ticket;
    this.acts = {
      "copy-link": () => copy(`${location.origin}/tickets/${ticket.data.key}`, "Link"),
      "close": () => ticket.close?.(),
      "status": (anchor) => ticket.fields.menu("status", anchor, "Change status", this.statuses()),
      "assign": (anchor) => ticket.fields.menu("assigned_agent_id", anchor, "Assign to", this.people()),
      "resolve": (anchor) => this.resolve(anchor),
      "reopen": () => this.#do("Not reopened.", "tickets/reopen", {}, "Reopened."),
      "approve": () => this.#do("Not approved.", "tickets/approve", {}, "Approved."),
      "reject": () => this.#ask("reject", { label: "Why is it rejected?", go: "Reject", least: 1, run: (reason, key) => call("tickets/reject", { ticket_id: ticket.data.id, reason }, { key }), said: "Rejected." }),
      "claim": () => this.#do("Not claimed.", "tickets/claim", {}, "Claimed."),
      "release": () => this.#do("Not released.", "tickets/release", {}, "Released."),
      "link-commit": (anchor) => this.#linkCommit(anchor),
      "add-blocker": () => this.#pick("Blocked by", "Add blocker", (key) => this.#update(ticket.data.id, { blocked_by_add: [key] })),
      "add-blocking": (anchor) => openMenu(anchor, "Blocking", [
        { word: "Blocked by a ticket…", glyph: "lock", run: () => this.acts["add-blocker"]() },
        { word: "Blocks a ticket…", glyph: "blocks", run: () => this.#pick("Blocks", "Add", (key) => this.#update(key, { blocked_by_add: [ticket.data.id] })) },
        { word: "Block by hand…", glyph: "ban", run: () => this.#ask("block", { label: "Why is it blocked?", go: "Block", least: 1, run: (reason, key) => call("tickets/block", { ticket_id: ticket.data.id, reason }, { key }), said: "Blocked." }) },
      ]),
      "unblock": () => this.#do("The block was not lifted.", "tickets/unblock", {}, "The block is lifted."),
      "remove-blocker": ({ key }) => this.#untie(ticket.data.id, "blocked_by_remove", key, "blocked_by_add", key, `No longer blocked by ${key}.`),
      "remove-blocked": ({ key }) => this.#untie(key, "blocked_by_remove", ticket.data.id, "blocked_by_add", ticket.data.id, `No longer blocks ${key}.`),
      "remove-related": ({ key }) => this.#untie(ticket.data.id, "related_ticket_ids_remove", key, "related_ticket_ids_add", key, `No longer related to ${key}.`),
      "remove-sub": ({ key }) => this.#change(`${key} is no longer a part of it.`, () => this.#update(key, { parent_ticket_id: null }), () => this.#update(key, { parent_ticket_id: ticket.data.id })),
      "add-sub": () => this.#pick("Sub-ticket", "Add sub-ticket", (key) => this.#update(key, { parent_ticket_id: ticket.data.id })),
      "add-related": () => this.#pick("Related ticket", "Link", (key) => this.#update(ticket.data.id, { related_ticket_ids_add: [key] })),
      "relate": ({ key }) => this.#change(`${key} is linked.`, () => this.#update(ticket.data.id, { related_ticket_ids_add: [key] })),
    };
    ticket.root.addEventListener("click", ({ target }) => {
      const control = target.closest("[data-act]");
      const run = control && this.acts[control.dataset.act];
      if (run) run(Object.assign(control, { key: control.dataset.key }));
    });
  }

  get #form() { return this.ticket.root.querySelector("[data-foot-form]"); }

  // ── status and people ──

  statuses() {
    const { data } = this.ticket;
    const allowed = data.columns.find((column) => column.id === data.values.status)?.to;
    return data.columns.map((column, place) => {
      const here = column.id === data.values.status;
      return {
        word: column.name, glyph: column.glyph, color: column.color, keys: place < 9 && String(place + 1), checked: here,
        off: !here && allowed && !allowed.includes(column.id) ? "not from here" : null, run: () => { if (!here) this.move(column); },
      };
    });
  }

  people() {
    const { data } = this.ticket;
    const own = data.members.filter(([id]) => id === data.me).map(([id, name]) => [id, `${name} (you)`]);
    return [...own, [null, "Nobody"], ...data.members.filter(([id]) => id !== data.me)].map(([id, name]) => ({
      word: name, glyph: "user", checked: (data.values.assigned_agent_id ?? null) === id, run: () => this.#assign(id, name),
    }));
  }

  #assign(id, name) {
    const send = (version) => call("tickets/assign", { ticket_id: this.ticket.data.id, assigned_agent_id: id, expected_version: version });
    return this.ticket.fields.choose("assigned_agent_id", id, name, { send, said: id ? `Assigned to ${name}.` : "Assigned to nobody." });
  }

  move(column, comment) {
    const { data } = this.ticket;
    if (data.comment && comment === undefined) {
      return this.#ask("status", { label: `Why does it move to ${column.name}?`, go: "Move", least: data.comment, said: "", run: async (text) => {
        if (this.ticket.data.values.status === column.id) await this.#comment(text); // it was moved there meanwhile
        else if (!await this.move(column, text)) throw Object.assign(new Error("refused"), { code: "refused", isShown: true });
      } });
    }
    const send = (version) => call("tickets/change-status", { ticket_id: data.id, new_status: column.id, comment, expected_version: version });
    return this.ticket.fields.choose("status", column.id, column.name, { send, said: `Moved to ${column.name}.`, explain: (refusal) => this.#explainMove(column.name, refusal) });
  }

  // Whether there was more to say than the refusal does.
  #explainMove(word, refusal) {
    const { data } = this.ticket;
    if (refusal.code === "blocked") {
      const keys = data.blockers.slice(0, 2);
      this.ticket.say("stop", `Not moved to ${word}. ${keys.length ? `${keys.join(", ")} must be resolved first.` : refusal.message}`, keys.map((key) => [`Open ${key}`, () => this.ticket.open(key)]));
    } else if (refusal.code === "transition_not_allowed") {
      const to = refusal.allowed.map((id) => data.columns.find((column) => column.id === id)).filter(Boolean);
      this.ticket.say("stop", `Not moved to ${word}. From here it may go to ${to.map((column) => column.name).join(", ")}.`, to.slice(0, 1).map((column) => [`Move to ${column.name}`, () => this.move(column)]));
    } else return false;
    return true;
  }

  // ── with a form in the foot ──

  resolve(anchor) {
    if (anchor?.getAttribute("aria-disabled") === "true") {
      const keys = this.ticket.data.blockers.slice(0, 2);
      return this.ticket.say("stop", keys.length ? `It waits for ${keys.join(", ")}. Resolve that first, or remove the blocker.` : "It is blocked by hand. Lift the block first.",
        keys.length ? keys.map((key) => [`Open ${key}`, () => this.ticket.open(key)]) : [["Lift the block", () => this.acts.unblock()]]);
    }
    let tried = {};
    this.#ask("resolve", { label: "How was it resolved?", go: "Resolve", least: RESOLUTION, said: "Resolved.", run: async (text, key) => {
      if (tried.key !== key) tried = { key, version: this.ticket.data.version };
      const { version } = await call("tickets/resolve", { ticket_id: this.ticket.data.id, resolution_comment: text }, { key });
      if (version === tried.version) await this.#comment(text); // it was resolved meanwhile
    } });
  }

  // What was written for a change that another has made by now.
  #comment(text) { return call("tickets/comment", { ticket_id: this.ticket.data.id, comment_text: text }); }

  #open(title, box, focus) {
    this.#form.replaceChildren(element("p", { class: "foot-title" }, title), box);
    this.#form.hidden = false;
    this.#from = document.activeElement;
    focus();
  }

  #from = null;

  #shut() {
    const inside = this.#form.contains(document.activeElement);
    this.#form.hidden = true;
    this.#form.replaceChildren();
    const back = this.#from?.isConnected && this.ticket.root.contains(this.#from) ? this.#from : this.ticket.root.querySelector(".foot-acts button");
    if (inside) back?.focus({ preventScroll: true });
  }

  #ask(name, { label, go, least, run, said }) {
    const { drafts, data } = this.ticket;
    const draft = drafts.of(`ask-${name}`);
    const editor = new Editor(data, {
      name: `ask-${name}`, label, go, least, rows: 2, bar: false, draft,
      save: (text, _, { key }) => run(text.trim(), key),
      done: async () => {
        this.#shut();
        if (said) announce(said);
        await this.ticket.refresh({ own: true });
      },
      cancel: () => {
        draft.drop();
        this.#shut();
      },
      escape: () => this.#shut(),
    });
    this.#open(label, editor.element, () => editor.focus());
  }

  #pick(label, go, run) {
    const picker = new Picker(this.ticket.data, { label, go, cancel: () => this.#shut(), pick: async (key) => {
      await run(key);
      announce(`${label} ${key}.`);
      this.#shut();
      await this.ticket.refresh({ own: true });
    } });
    this.#open(label, picker.element, () => picker.focus());
  }

  #linkCommit() {
    const sha = element("input", { class: "input mono", "aria-label": "Sha of the commit", placeholder: "Sha, 4 digits or more", autocomplete: "off", dir: "ltr" });
    const message = element("input", { class: "input", "aria-label": "Message of the commit", placeholder: "Message, where no repository here has it", dir: "auto" });
    const faults = element("div", { class: "editor-fault", role: "alert" });
    const form = element("form", { class: "line-edit", novalidate: true }, sha, message,
      element("div", { class: "btn-row" }, element("button", { type: "submit", class: "btn btn-sm btn-primary" }, "Link commit"), button("Cancel", () => this.#shut(), "btn-quiet")), faults);
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      this.#shut();
    });
    const send = async () => {
      try {
        const answer = await call("tickets/link-commit", { ticket_id: this.ticket.data.id, commit_sha: sha.value.trim(), commit_message: message.value.trim() || null });
        announce(answer.linked ? "Commit linked." : "It was linked before.");
        this.#shut();
        await this.ticket.refresh({ own: true });
      } catch (refusal) {
        if (refusal.code === undefined) throw refusal;
        faults.replaceChildren(...explained(refusal, send));
      }
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
    this.#open("Link a commit", form, () => sha.focus());
  }

  // ── at once ──

  #update(ticket, updates) {
    return call("tickets/update", { ticket_id: ticket, updates });
  }

  #do(fault, path, body, said) {
    return this.ticket.act(fault, () => call(path, { ticket_id: this.ticket.data.id, ...body }), said);
  }

  #untie(ticket, remove, key, add, other, said) {
    return this.#change(said, () => this.#update(ticket, { [remove]: [key] }), () => this.#update(ticket, { [add]: [other] }));
  }

  // What can be undone is done at once, and the way back is offered.
  async #change(said, run, undo) {
    const done = await this.ticket.act("Not changed.", run, said);
    if (done && undo) this.ticket.say("", said, [["Undo", () => this.#change("As before.", undo)]], 10_000);
  }
}
