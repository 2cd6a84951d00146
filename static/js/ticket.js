// A ticket's sheet, in the board's dialog or on a page of its own: live, editable, by mouse and keyboard.

import { announce, button, element, icon, openSignIn, remedies } from "./actions.js";
import { Acts } from "./ticketacts.js";
import { Comments } from "./ticketcomments.js";
import { Drafts } from "./ticketdrafts.js";
import { Fields } from "./ticketfields.js";
import { Parts, parse } from "./ticketparts.js";

export { parse };

const BURST = 120; // ms: at most one request for what changed in this time
const RETRY = 2000; // ms
const QUIET = "hephaestus-single-keys-off";
const EVENT_FIELDS = { status_changed: ["status"], ticket_resolved: ["status"], ticket_reopened: ["status"], ticket_assigned: ["assigned_agent_id"], ticket_blocked: ["blocked_reason"], ticket_claimed: ["assigned_agent_id", "status"] };

export class Ticket {
  #changers = new Map(); // field → who changed it last, as events told
  #last = "Somebody";
  #timer = 0;
  #running = null;
  #out = null; // what says that the person is signed out

  // options: close() of a dialog; open(key): shows another ticket
  constructor(root, { close, open }) {
    this.root = root;
    this.close = close;
    this.open = open;
    this.#read(root);
    this.drafts = new Drafts(this.data.me, this.data.id);
    this.parts = new Parts(root, (name) => this.changer(name));
    this.fields = new Fields(this);
    this.acts = new Acts(this);
    this.comments = new Comments(this);
    root.addEventListener("keydown", (event) => this.#keydown(event));
    if (!close) document.addEventListener("keydown", (event) => { if (event.target === document.body) this.#keydown(event); });
    this.#alike();
  }

  #read(within) {
    this.data = JSON.parse(within.querySelector("#ticket-data").textContent);
    Object.assign((this.root.closest("dialog") ?? this.root).dataset, { ticketId: this.data.id, version: this.data.version });
    this.names = new Map(this.data.members.map(([id, name]) => [id, name]));
  }

  changer(field) { return this.data.changers[field] ?? this.#changers.get(field) ?? this.#last; }

  // ── live ──

  concerns(event) {
    return event.type === "board_updated" || event.ticket_id === this.data.id || Boolean(event.ticket_id && this.root.querySelector(`[data-ref="${CSS.escape(event.ticket_id)}"]`))
      || (event.data?.blocked_by_ticket_ids ?? []).includes(this.data.id) || event.data?.parent_ticket_id === this.data.id;
  }

  event(event) {
    if (!this.concerns(event)) return;
    if (event.ticket_id === this.data.id && event.agent_id !== this.data.me) {
      this.#last = this.names.get(event.agent_id) ?? event.agent_id;
      for (const field of event.data?.fields ?? EVENT_FIELDS[event.type] ?? []) this.#changers.set(field, this.#last);
    }
    this.#soon();
  }

  #soon() {
    if (!this.#timer) this.#timer = setTimeout(() => this.refresh().catch(() => {}), BURST);
  }

  // Brings what changed. own: by the person's own doing, who sees it at once even where the focus is.
  async refresh({ own = false } = {}) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    // One at a time, in order: an older answer must not replace a newer one.
    const run = (this.#running ?? Promise.resolve()).catch(() => {}).then(() => this.#fetch(own));
    this.#running = run;
    return run;
  }

  async #fetch(own) {
    const answer = await fetch(`/tickets/${this.data.id}/sheet?show=${this.comments.show}`, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!this.root.isConnected) return;
    if (answer?.status === 401) return this.#saySignedOut();
    if (answer?.status === 404) return this.say("stop", "This ticket is no longer yours to see.");
    const html = answer?.ok ? await answer.text().catch(() => null) : null;
    if (html === null) return setTimeout(() => this.#soon(), RETRY);
    this.#out?.remove();
    const fresh = parse(html);
    const before = this.data.version;
    this.#read(fresh);
    const changed = this.parts.apply(fresh, own);
    if (!own && changed.length && this.data.version !== before) announce(`${this.#last} changed this ticket.`);
    if (changed.includes("related")) this.#alike();
  }

  #saySignedOut() {
    if (this.#out?.isConnected) return;
    this.#out = this.say("stop", "You are signed out. What you see may be behind.", [["Sign in", openSignIn], ["Try again", () => this.refresh()]]);
  }

  // What says about the same takes a search: it comes after the rest.
  async #alike() {
    const place = this.root.querySelector("[data-alike]");
    const answer = await fetch(`/tickets/${this.data.id}/alike`, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer?.ok && place.isConnected && !place.contains(document.activeElement)) place.replaceChildren(parse(await answer.text()));
  }

  // ── doing ──

  // Runs an operation and shows what came of it; a failed one can be tried again. Whether it succeeded.
  async act(fault, run, said) {
    try {
      await run();
    } catch (refusal) {
      if (refusal.code === undefined) throw refusal;
      this.refused(fault, refusal, () => this.act(fault, run, said));
      return false;
    }
    announce(said);
    await this.refresh({ own: true });
    return true;
  }

  refused(fault, refusal, again) {
    const why = refusal.code === "unauthenticated" ? "You are signed out." : refusal.message;
    this.say("stop", `${fault} ${why}`, remedies(refusal, again));
  }

  // Says something at the foot of the sheet, with the steps that help.
  say(kind, text, steps = [], ms = 0) {
    const place = this.root.querySelector("[data-says-here]");
    const close = () => box.remove();
    const glyph = { stop: "ban", warm: "merge", wait: "warn" }[kind] ?? "check";
    const box = element("div", { class: `notice ${kind ? `notice-${kind}` : ""}` }, icon(glyph), element("p", { dir: "auto" }, text),
      element("span", { class: "btn-row" }, ...steps.map(([word, run]) => button(word, () => {
        close();
        run();
      })), element("button", { type: "button", class: "btn-icon", "aria-label": "Dismiss", onclick: close }, icon("x"))));
    place.replaceChildren(box);
    const fade = () => (box.matches(":hover, :focus-within") ? setTimeout(fade, 2000) : close());
    if (ms) setTimeout(fade, ms);
    return box;
  }

  // ── keys ──

  #keydown(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem(QUIET)) return;
    if (event.target.closest?.("input, textarea, select, [popover], form")) return;
    const keys = {
      c: () => this.comments.write(), e: () => this.fields.edit("description"), s: () => this.#press("status"), a: () => this.#press("assign"),
      r: () => this.#press("resolve"), b: () => this.acts.acts["add-blocker"](), t: () => this.fields.edit("title"),
    };
    const run = this.data.writes && keys[event.key];
    if (!run) return;
    event.preventDefault();
    event.stopPropagation();
    run();
  }

  #press(act) { this.root.querySelector(`.foot-acts [data-act="${act}"]`)?.click(); }
}

Drafts.sweep();
