// Comments and the timeline: write, reply, edit, delete, react; show what is older, or only a kind.

import { announce, button, call, element } from "./actions.js";
import { openMenu } from "./menu.js";
import { Editor } from "./ticketeditor.js";
import { parse } from "./ticketparts.js";

const EMOJI = [["👍", "Yes"], ["👎", "No"], ["🎉", "Well done"], ["❤️", "Thanks"], ["👀", "Looking at it"], ["🚀", "Shipped"], ["😕", "Not sure"], ["✅", "Done"]];

export class Comments {
  show = "all";

  constructor(ticket) {
    this.ticket = ticket;
    ticket.root.addEventListener("click", (event) => this.#click(event));
    const place = ticket.root.querySelector("[data-composer]");
    if (!place) return;
    this.composer = this.#editor("comment", {
      label: "Comment", go: "Comment", rows: 2, attach: true, placeholder: "Comment. @ names an agent, # a ticket",
      save: async (text, attachments, editor) => {
        await call("tickets/comment", { ticket_id: ticket.data.id, comment_text: text, attachments }, { key: editor.key });
        announce("Comment added.");
      },
      done: () => {
        this.composer.clear();
        ticket.refresh({ own: true });
      },
      more: (text) => this.#rest(this.composer, text),
    });
    place.append(this.composer.element);
    this.restore();
  }

  write() {
    this.composer?.focus();
    this.composer?.element.scrollIntoView({ block: "nearest" });
  }

  // Replies and edits that were begun are open again.
  restore() {
    for (const name of this.ticket.drafts.fields()) {
      const [kind, id] = name.split(":");
      const box = id && this.ticket.root.querySelector(`[data-comment="${CSS.escape(id)}"]`);
      if (box && kind === "reply") this.#reply(box, false);
      if (box && kind === "edit") this.#edit(box, false);
    }
  }

  #editor(name, options) {
    const { data, drafts } = this.ticket;
    return new Editor(data, { name, draft: drafts.of(name), ...options });
  }

  // What was typed while the text was sent is another comment.
  #rest(editor, text) {
    if (editor.value.startsWith(text)) editor.put(editor.value.slice(text.length).trimStart());
    editor.links.value = "";
    this.ticket.refresh({ own: true });
  }

  #click(event) {
    const control = event.target.closest("[data-act], [data-show]");
    if (!control) return;
    if (control.dataset.show) return this.#filter(control.dataset.show);
    const box = control.closest("[data-comment]");
    const acts = {
      "older": () => this.#older(event), "compare": () => this.#compare(control), "reply": () => this.#reply(box), "edit-comment": () => this.#edit(box),
      "delete-comment": () => this.#askDelete(box), "react": () => this.#emoji(control, box),
      "toggle-reaction": () => this.#react(box, control.dataset.emoji, control.getAttribute("aria-pressed") === "true"),
    };
    acts[control.dataset.act]?.();
  }

  // ── comments ──

  #slot(box) { return box.closest("[data-entry]").querySelector("[data-reply-slot]"); }

  #reply(box, focus = true) {
    const id = box.dataset.comment;
    const slot = this.#slot(box);
    const open = slot.querySelector("textarea");
    if (open) return focus && open.focus();
    const to = box.querySelector("b").textContent;
    const close = () => {
      slot.replaceChildren();
      slot.removeAttribute("data-editing");
      this.ticket.parts.catchUp(slot.closest("[data-entry]").dataset.entry);
      this.#focus(id, "reply");
    };
    const editor = this.#editor(`reply:${id}`, {
      label: `Reply to ${to}`, go: "Reply", rows: 2, bar: false, attach: true, placeholder: `Reply to ${to}`,
      save: async (text, attachments, { key }) => {
        await call("tickets/comment", { ticket_id: this.ticket.data.id, comment_text: text, attachments, parent_comment_id: id }, { key });
        announce("Reply added.");
      },
      done: () => {
        close();
        this.ticket.refresh({ own: true });
      },
      more: (text) => this.#rest(editor, text),
      cancel: () => {
        this.ticket.drafts.drop(`reply:${id}`);
        close();
      },
      escape: close,
    });
    slot.setAttribute("data-editing", "");
    slot.append(editor.element);
    if (focus) editor.focus();
  }

  #edit(box, focus = true) {
    const id = box.dataset.comment;
    const text = box.querySelector("[data-comment-text]");
    if (text.dataset.source === undefined || text.hidden) return;
    const place = element("div", { class: "comment-edit", "data-editing": true });
    const close = () => {
      place.remove();
      text.hidden = false;
      this.ticket.parts.catchUp(text.closest("[data-entry]").dataset.entry);
      this.#focus(id, "edit-comment");
    };
    const editor = this.#editor(`edit:${id}`, {
      label: "Your comment", go: "Save", rows: 3, value: text.dataset.source,
      save: async (changed, _, { key }) => {
        await call(`tickets/comments/${id}`, { comment_text: changed }, { method: "PATCH", key });
        announce("Comment saved.");
      },
      done: () => {
        close();
        this.ticket.refresh({ own: true });
      },
      cancel: () => {
        this.ticket.drafts.drop(`edit:${id}`);
        close();
      },
      escape: close,
    });
    place.append(editor.element);
    text.hidden = true;
    text.after(place);
    if (focus) editor.focus();
  }

  #focus(id, act) {
    this.ticket.root.querySelector(`[data-comment="${CSS.escape(id)}"] [data-act="${act}"]`)?.focus({ preventScroll: true });
  }

  #askDelete(box) {
    const id = box.dataset.comment;
    if (box.querySelector(":scope > .delete-ask")) return;
    const close = () => {
      ask.remove();
      this.#focus(id, "delete-comment");
    };
    const ask = element("div", { class: "delete-ask notice notice-stop", "data-editing": true, role: "group", "aria-label": "Delete this comment?" }, element("p", {}, "Delete this comment? A line stays that says so."),
      element("span", { class: "btn-row" }, button("Delete", async () => {
        ask.remove();
        await this.ticket.act("Not deleted.", () => call(`tickets/comments/${id}`, {}, { method: "DELETE" }), "Comment deleted.");
      }, "btn-danger"), button("Keep it", close)));
    ask.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      close();
    });
    box.querySelector("[data-comment-text]").after(ask);
    ask.querySelector("button:last-child").focus();
  }

  #emoji(anchor, box) {
    const items = EMOJI.map(([emoji, word]) => ({ word: `${emoji} ${word}`, run: () => this.#react(box, emoji, false) }));
    const entry = box.closest("[data-entry]");
    entry.setAttribute("data-editing", "");
    openMenu(anchor, "React", items, { onclose: () => setTimeout(() => {
      entry.removeAttribute("data-editing");
      this.ticket.parts.catchUp();
    }) });
  }

  #react(box, emoji, remove) {
    return this.ticket.act("The reaction was not kept.", () => call(`tickets/comments/${box.dataset.comment}/reactions`, { emoji, remove }), remove ? `${emoji} taken back` : `${emoji} added`);
  }

  // ── the timeline ──

  async #page(parameters) {
    const answer = await fetch(`/tickets/${this.ticket.data.id}/activity?${new URLSearchParams({ show: this.show, ...parameters })}`, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return parse(await answer.text());
  }

  async #older(event) {
    event.preventDefault();
    const marker = this.ticket.root.querySelector("[data-older]");
    const panel = this.ticket.root.querySelector(".panel-main");
    const below = panel.scrollHeight - panel.scrollTop;
    marker.classList.add("is-saving");
    try {
      const entries = this.ticket.parts.addPage(await this.#page({ before: marker.dataset.older }), false);
      // What was read stays where it was.
      panel.scrollTop = panel.scrollHeight - below;
      announce(`${entries.length} earlier entries.`);
      entries.at(-1)?.querySelector("a, button")?.focus({ preventScroll: true });
      this.restore();
    } catch {
      marker.classList.remove("is-saving");
      this.ticket.say("stop", "Earlier entries did not load.", [["Try again", () => this.#older(event)]]);
    }
  }

  async #filter(show) {
    const before = this.show;
    this.show = show;
    this.#press(show);
    try {
      this.ticket.parts.addPage(await this.#page({}), true);
      announce(`${{ all: "All", comments: "Comments", history: "History" }[show]} shown.`);
      this.restore();
    } catch {
      this.show = before;
      this.#press(before);
      this.ticket.say("stop", "The timeline did not load.", [["Try again", () => this.#filter(show)]]);
    }
  }

  #press(show) {
    for (const one of this.ticket.root.querySelectorAll("[data-show]")) one.setAttribute("aria-pressed", String(one.dataset.show === show));
  }

  async #compare(control) {
    const entry = control.closest("[data-entry]");
    const open = entry.querySelector(".change");
    if (open) {
      open.remove();
      return control.setAttribute("aria-expanded", "false");
    }
    const answer = await fetch(`/tickets/${this.ticket.data.id}/changes/${control.dataset.change}`).catch(() => null);
    if (!answer?.ok) return this.ticket.say("stop", "The change did not load.", [["Try again", () => this.#compare(control)]]);
    entry.append(parse(await answer.text()));
    control.setAttribute("aria-expanded", "true");
  }
}

