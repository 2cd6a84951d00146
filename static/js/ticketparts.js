// The parts of a ticket's sheet, each replaced by itself, and none that a person edits or has focused.

import { announce, button, element } from "./actions.js";

export const parse = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
};

const COOL = 45_000; // --cool in tokens.css

// What a part says, whatever its ages are by now.
function signature(node) {
  const copy = node.cloneNode(true);
  for (const time of copy.querySelectorAll("time")) {
    time.textContent = "";
    time.removeAttribute("title");
  }
  return copy.innerHTML.trim();
}

export class Parts {
  #shown = new Map(); // part → what it says
  #waiting = new Map(); // part → {next, who}

  // by(name): who changed it, as far as events told
  constructor(root, by) {
    this.root = root;
    this.by = by;
    this.#remember(root);
    root.addEventListener("focusout", () => setTimeout(() => this.catchUp()));
  }

  #remember(within) {
    for (const part of within.querySelectorAll("[data-part]")) this.#shown.set(part.dataset.part, signature(part));
    for (const entry of within.querySelectorAll("[data-entry]")) this.#shown.set(entry.dataset.entry, signature(entry));
  }

  part(name) { return this.root.querySelector(`[data-part="${CSS.escape(name)}"], [data-timeline] > [data-entry="${CSS.escape(name)}"]`); }
  isEdited(part) { return part.matches("[data-editing]") || part.querySelector("[data-editing]") !== null; }
  #isFocused(part) { return part.contains(document.activeElement) && document.hasFocus(); }

  // own: the person's own change, which may replace what has the focus. Returns the names of what changed.
  apply(fresh, own = false) {
    const changed = [];
    for (const next of fresh.querySelectorAll("[data-part]")) {
      const name = next.dataset.part;
      const part = this.part(name);
      if (part && this.#differs(name, next)) {
        changed.push(name);
        this.#offer(name, part, next, own);
      }
    }
    this.#timeline(fresh, own, changed);
    return changed;
  }

  #differs(name, next) {
    const says = signature(next);
    if (this.#shown.get(name) === says) return false;
    this.#shown.set(name, says);
    return true;
  }

  #offer(name, part, next, own) {
    if (this.isEdited(part)) this.#wait(name, part, next);
    else if (own || !this.#isFocused(part)) this.swap(part, next);
    else if (around(part, next.cloneNode(true))) part.classList.toggle("is-warm", Boolean(part.dataset.entry));
    else this.#wait(name, part, next);
  }

  // Replaces a part; what had the focus in it has it again.
  swap(part, next) {
    this.#waiting.delete(part.dataset.part ?? part.dataset.entry);
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const { edit, act, key, emoji } = focused?.dataset ?? {};
    part.replaceWith(next);
    if (next.dataset.entry) warm(next);
    if (!focused) return;
    const same = [...next.querySelectorAll("button, a[href]")];
    const again = same.find((one) => edit ? one.dataset.edit === edit : act && one.dataset.act === act && one.dataset.key === key && one.dataset.emoji === emoji);
    (again ?? same[0] ?? this.root.querySelector(".panel-main")).focus({ preventScroll: true });
  }

  #wait(name, part, next) {
    const who = this.by(name);
    this.#waiting.set(name, { next, who });
    announce(`${who} changed ${wordFor(part)}.`);
    part.dispatchEvent(new CustomEvent("ticket:waits", { bubbles: true, detail: { name, who } }));
    if (!this.isEdited(part) || !part.dataset.field) this.#say(name, part, who); // else its editor does, with both texts
  }

  #say(name, part, who) {
    part.querySelector(":scope > .part-waits")?.remove();
    part.append(element("p", { class: "part-waits" }, element("span", { dir: "auto" }, `Changed by ${who}`), button("View", () => this.catchUp(name))));
  }

  // Shows what waited, where nobody edits or has focused it any more; `name`: show that one now.
  catchUp(name) {
    for (const [waiting, { next, who }] of [...this.#waiting]) {
      const part = this.part(waiting);
      if (!part) this.#waiting.delete(waiting);
      else if (this.isEdited(part)) continue;
      else if (waiting === name || !this.#isFocused(part)) this.swap(part, next);
      else this.#say(waiting, part, who);
    }
  }

  // ── the timeline: entries keep their nodes, new ones come where their time says ──

  get list() { return this.root.querySelector("[data-timeline]"); }

  #timeline(fresh, own, changed) {
    const list = this.list;
    const entries = [...fresh.querySelectorAll("[data-timeline] > [data-entry]")];
    if (!entries.length) return;
    const first = entries[0].dataset.at;
    const newest = list.querySelector(":scope > [data-entry]:last-of-type")?.dataset.at ?? "";
    // So much happened meanwhile that something between is not in hand: begin anew.
    if (fresh.querySelector("[data-older]") && !later(newest, first) && newest !== first && !this.isEdited(list)) {
      list.replaceChildren(...fresh.querySelector("[data-timeline]").children);
      this.#remember(list);
      return;
    }
    for (const next of entries) {
      const id = next.dataset.entry;
      const old = list.querySelector(`:scope > [data-entry="${CSS.escape(id)}"]`);
      if (!this.#differs(id, next)) continue;
      changed.push(id);
      if (old) this.#offer(id, old, next, own);
      else {
        this.insert(next);
        warm(next);
      }
    }
    if (entries[0].dataset.entry !== "none") list.querySelector(':scope > [data-entry="none"]')?.remove();
  }

  insert(entry) {
    const after = [...this.list.querySelectorAll(":scope > [data-entry]")].find((other) => later(other.dataset.at, entry.dataset.at));
    if (after) after.before(entry);
    else this.list.append(entry);
  }

  // Older entries, or the timeline of another kind (`anew`).
  addPage(fresh, anew) {
    const list = this.list;
    list.querySelector(":scope > [data-older]")?.remove();
    if (anew) list.replaceChildren();
    const older = fresh.querySelector("[data-older]");
    const entries = [...fresh.children].filter((entry) => entry.dataset.entry && (anew || !list.querySelector(`:scope > [data-entry="${CSS.escape(entry.dataset.entry)}"]`)));
    for (const entry of entries) {
      this.#shown.set(entry.dataset.entry, signature(entry));
      this.insert(entry);
    }
    if (older) list.prepend(older);
    return entries;
  }
}

// Brings a node up to date but for what has the focus in it. False, and nothing done, where that has changed itself.
function around(old, fresh) {
  const held = document.activeElement;
  if (old === held) return old.isEqualNode(fresh);
  const kept = [...old.childNodes].find((child) => child.contains(held));
  const named = (node) => node.nodeName + (node.className ?? "") + (node.dataset?.comment ?? "") + (node.dataset?.act ?? "") + (node.dataset?.key ?? "");
  const same = [...fresh.childNodes].find((child) => named(child) === named(kept));
  if (!same || !around(kept, same)) return false;
  const at = [...fresh.childNodes].indexOf(same);
  const children = [...fresh.childNodes];
  for (const child of [...old.childNodes]) if (child !== kept) child.remove();
  kept.before(...children.slice(0, at));
  kept.after(...children.slice(at + 1));
  return true;
}

const later = (a, b) => (Date.parse(a) || 0) > (Date.parse(b) || 0);

function wordFor(part) {
  const words = {
    assigned_agent_id: "the assignment", ticket_type: "the type", story_points: "the points", estimate_minutes: "the estimate", blocking: "what blocks it",
    parent_ticket_id: "what it is part of",
  };
  return words[part.dataset.part] ?? (part.dataset.field ? `the ${part.dataset.field.replaceAll("_", " ")}` : "what you are at");
}

// A change is warm for a while and says so by its edge.
function warm(entry) {
  entry.classList.add("is-warm");
  setTimeout(() => entry.classList.remove("is-warm"), COOL);
}
