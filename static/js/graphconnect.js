// Dependencies are made and taken away: by dragging from one card to another, or by keys. A cycle is refused and shown.

import { call, element, icon } from "./actions.js";
import { found, link } from "./graphparts.js";

const MOVED = 6; // px

export class Connect {
  #dock = null; // {box, key, way, back, paint}
  #drag = null; // {key, way, line, target, x, y, isMoving}

  constructor(graph) {
    this.graph = graph;
    if (!graph.rules.writes) return;
    const handle = (way, word) => element("button", { type: "button", class: `handle is-${way}`, tabindex: "-1", hidden: true, "data-handle": way, title: word, "aria-label": word });
    this.grips = [handle("waits", "Drag to what it waits for"), handle("blocks", "Drag to what waits for it")];
    const { world } = graph.drawing;
    world.append(...this.grips);
    for (const grip of this.grips) {
      grip.addEventListener("pointerdown", (event) => this.#grab(event, grip));
      grip.addEventListener("pointermove", (event) => this.#carry(event));
      for (const kind of ["pointerup", "pointercancel"]) grip.addEventListener(kind, (event) => this.#drop(event, grip));
    }
    // While a ticket is being connected, choosing another one is the answer.
    world.addEventListener("click", (event) => {
      const key = event.target.closest(".node")?.dataset.key;
      if (!this.#dock || !key || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.#picked(key).catch((refusal) => this.#show(refusal));
    }, { capture: true });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
      if (this.#drag) this.#let();
      else if (this.#dock) this.end();
    });
  }

  get isDragging() { return this.#drag !== null; }

  // ── by dragging ──

  handles(key) {
    if (!this.grips || this.#drag) return;
    const card = this.graph.drawing.cards.get(key);
    for (const grip of this.grips) {
      grip.hidden = !card || card.node.done;
      if (card) grip.style.transform = card.box.style.transform;
    }
  }

  #grab(event, grip) {
    if (event.button) return;
    event.preventDefault();
    event.stopPropagation();
    grip.setPointerCapture(event.pointerId);
    this.#drag = { key: this.graph.current, way: grip.dataset.handle, x: event.clientX, y: event.clientY, isMoving: false, line: null, target: null };
  }

  #carry(event) {
    const drag = this.#drag;
    if (!drag) return;
    drag.isMoving ||= Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > MOVED;
    if (!drag.isMoving) return;
    const { drawing, view } = this.graph;
    const ends = [drawing.centerOf(drag.key), view.inside(event.clientX, event.clientY)];
    drag.line?.remove();
    drag.line = drawing.line(...(drag.way === "blocks" ? ends : ends.reverse()), "line is-draft");
    drawing.svg.append(drag.line);
    const over = document.elementFromPoint(event.clientX, event.clientY)?.closest(".node");
    const target = over && over.dataset.key !== drag.key ? over : null;
    if (target !== drag.target) {
      drag.target?.classList.remove("is-target");
      target?.classList.add("is-target");
      drag.target = target;
    }
  }

  #drop(event, grip) {
    const drag = this.#drag;
    if (!drag) return;
    if (grip.hasPointerCapture(event.pointerId)) grip.releasePointerCapture(event.pointerId);
    const target = drag.target?.dataset.key;
    this.#let();
    if (event.type === "pointercancel") return;
    if (!drag.isMoving) this.start(drag.key, drag.way);
    else if (target) this.join(drag.key, drag.way, target).catch((refusal) => this.#show(refusal));
  }

  #let() {
    this.#drag.line?.remove();
    this.#drag.target?.classList.remove("is-target");
    this.#drag = null;
    this.handles(this.graph.current);
    this.graph.released();
  }

  // ── by keys ──

  // Asks for the other ticket; without a key for the first one before that.
  async start(key, way = "blocks") {
    this.end();
    const back = found(document.activeElement);
    const { Picker } = await import("./ticketpicker.js");
    this.end();
    const box = element("section", { class: "dock graph-dock", "data-dock": "connect", role: "group", "aria-label": "Connect" });
    this.#dock = { box, key, way, back };
    const paint = () => {
      const { key: from, way: now } = this.#dock;
      const choice = (value, word) => element("button", { type: "button", "aria-pressed": String(now === value), onclick: () => { this.#dock.way = value; paint(); } }, word);
      const picker = new Picker({ workflow: this.graph.workflow, key: from }, {
        label: !from ? "Ticket to connect" : now === "blocks" ? `Ticket that waits for ${from}` : `Ticket that ${from} waits for`,
        go: from ? "Connect" : "Next", pick: (other) => this.#picked(other), cancel: () => this.end(),
      });
      const head = from
        ? element("p", { class: "dock-what" }, icon("link"), element("b", {}, from), element("span", { class: "seg", role: "group", "aria-label": "Direction" }, choice("blocks", "blocks…"), choice("waits", "waits for…")))
        : element("p", { class: "dock-what" }, icon("link"), "Connect which ticket?");
      box.replaceChildren(head, picker.element, element("p", { class: "hint" }, this.graph.isList ? "Type a key or words of the title." : "Type a key, or choose a card in the drawing."));
      picker.focus();
    };
    document.body.append(box);
    this.graph.drawing.world.classList.add("is-connecting");
    paint();
    this.#dock.paint = paint;
  }

  end() {
    if (!this.#dock) return;
    const { box, back } = this.#dock;
    const inside = box.contains(document.activeElement) || document.activeElement === document.body;
    this.#dock = null;
    box.remove();
    this.graph.drawing.world.classList.remove("is-connecting");
    if (inside) back()?.focus({ preventScroll: true });
  }

  async #picked(other) {
    const dock = this.#dock;
    if (!dock.key) {
      dock.key = this.graph.keyOf(other) ?? other;
      dock.paint();
      return;
    }
    await this.join(dock.key, dock.way, other, () => this.end());
  }

  // ── what is done ──

  async join(key, way, other, done) {
    const [blocker, ticket] = way === "blocks" ? [key, other] : [other, key];
    const { drawing } = this.graph;
    const isDrawn = drawing.cards.has(blocker) && drawing.cards.has(ticket) && !this.graph.isList;
    const draft = isDrawn ? drawing.line(drawing.centerOf(blocker), drawing.centerOf(ticket), "line is-draft") : null;
    if (draft) drawing.svg.append(draft);
    try {
      await call("tickets/update", { ticket_id: ticket, updates: { blocked_by_add: [blocker] } });
    } catch (refusal) {
      if (refusal.cycle) {
        done?.();
        return this.#cycle(refusal);
      }
      throw refusal;
    } finally {
      draft?.remove();
    }
    done?.();
    this.#clear();
    await this.graph.refresh();
    this.graph.say("", [element("b", {}, ticket), " waits for ", element("b", {}, blocker), " now."], { undo: () => this.part(blocker, ticket) });
  }

  async part(blocker, ticket) {
    try {
      await call("tickets/update", { ticket_id: ticket, updates: { blocked_by_remove: [blocker] } });
    } catch (refusal) {
      if (refusal.code === undefined) throw refusal;
      return this.graph.refused(`${ticket} still waits for ${blocker}.`, refusal, () => this.part(blocker, ticket));
    }
    this.#clear();
    await this.graph.refresh();
    this.graph.say("", [element("b", {}, ticket), " no longer waits for ", element("b", {}, blocker), "."], { undo: () => this.join(blocker, "blocks", ticket).catch((refusal) => this.#show(refusal)) });
  }

  #show(refusal) {
    if (refusal.code === undefined) throw refusal;
    this.graph.refused("They were not connected.", refusal);
  }

  #clear = () => {};

  // The circle in words and in the drawing, until it is dismissed.
  #cycle(refusal) {
    const { drawing, keys: known } = this.graph;
    const names = refusal.message.match(/[A-Z][A-Z0-9]*-[1-9][0-9]*/g) ?? [];
    const keys = refusal.cycle.map((id, place) => known.get(id) ?? names[place] ?? id);
    const said = keys.flatMap((key, place) => (place ? [" waits for ", link(key)] : [link(key)]));
    const hidden = keys.filter((key) => !this.graph.nodes.has(key)).length;
    const close = this.graph.say("notice-stop", ["That would be a cycle, so it was not done: ", ...said, `.${hidden ? " Not all of them are shown here." : ""}`], { close: () => { drawing.cycle([]); this.#clear = () => {}; } });
    this.#clear = close;
    drawing.cycle(keys);
    drawing.reveal(keys[0]);
  }
}
