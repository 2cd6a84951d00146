// The files of a commit: what is near the window is fetched, what is far from it and long is let go.

import { button, element, toast } from "./actions.js";
import { parse } from "./ticketparts.js";

const NEAR = "1500px 0px";
const AT_ONCE = 3;
const LINE = 20, HEAD = 26, HEADING = 50; // px, as diff.css has them

export class Files {
  #wanted = new Map(); // node → what fetches it; the nearest goes first
  #running = 0;
  #opened = null; // what "open all" and "collapse all" said last

  // `scroller`: what scrolls, where it is not the window.
  constructor(main, layout, scroller = null) {
    this.list = main.querySelector(".diff-main");
    this.base = `/commits/${main.dataset.commit}/files`;
    this.query = main.dataset.query;
    this.layout = layout;
    this.near = new IntersectionObserver((entries) => entries.forEach((entry) => this.#moved(entry)), { root: scroller, rootMargin: NEAR });
    for (const part of this.list.querySelectorAll(".files-part.is-waiting")) {
      part.style.blockSize = `${part.dataset.count * HEADING}px`;
      this.near.observe(part);
    }
    this.list.addEventListener("toggle", ({ target }) => { if (target.matches(".dfile")) this.#toggled(target); }, true);
    this.list.addEventListener("click", ({ target }) => { const control = target.closest("[data-unfold]"); if (control) this.#unfold(control); });
    this.#adopt(this.list);
  }

  get all() { return [...this.list.querySelectorAll(".dfile")]; }

  // The file of that number, which may have to be fetched first.
  async at(index) {
    const known = document.getElementById(`f${index}`);
    if (known) return known;
    const part = [...this.list.querySelectorAll(".files-part.is-waiting")].findLast(({ dataset }) => Number(dataset.files) <= index);
    if (part) await this.#fillFiles(part);
    return document.getElementById(`f${index}`);
  }

  // Opens a file; resolves to its lines' box once they are there, to null where it has none.
  async open(file) {
    file.open = true;
    await this.#fillBody(file);
    return file.querySelector(".diff-parts");
  }

  // The rows of a change, fetched where they are not there.
  async change(box, number) {
    for (const part of box.children) {
      if (Number(part.dataset.first) > number || Number(part.dataset.last) < number) continue;
      await this.#fillPart(part);
      const rows = [...part.querySelectorAll(`[data-change="${number}"]`)];
      if (rows.length) return rows;
    }
    return [];
  }

  setAll(open) {
    this.#opened = open;
    for (const file of this.all) file.open = open;
  }

  // What is shown stays until the other layout has come.
  setLayout(layout) {
    this.layout = layout;
    for (const file of this.all) {
      const body = file.querySelector("[data-body]");
      if (!body.filled) continue;
      body.filled = null;
      this.#watch(body);
    }
  }

  #adopt(root) {
    for (const file of root.querySelectorAll(".dfile")) {
      if (this.#opened !== null) file.open = this.#opened;
      if (file.open) this.#watch(file.querySelector("[data-body]"));
    }
  }

  #watch(node) {
    this.near.unobserve(node); // so that it is told at once
    this.near.observe(node);
  }

  #toggled(file) {
    const body = file.querySelector("[data-body]");
    if (file.open && !body.filled) this.#watch(body);
  }

  #moved({ target, isIntersecting }) {
    target.isNear = isIntersecting;
    if (!isIntersecting) {
      this.#wanted.delete(target);
      if (target.matches(".diff-part") && target.children.length) this.#empty(target);
      return;
    }
    const fill = target.matches(".files-part") ? () => this.#fillFiles(target)
      : target.matches(".diff-part") ? () => this.#fillPart(target).then(() => { if (!target.isNear) this.#empty(target); })
        : () => target.closest("details").open && this.#fillBody(target.closest("details"));
    if (!target.filled) this.#wanted.set(target, fill);
    this.#next();
  }

  async #next() {
    while (this.#running < AT_ONCE && this.#wanted.size) {
      const away = ([one]) => Math.abs(one.getBoundingClientRect().top - innerHeight / 4);
      const [node, fill] = [...this.#wanted].reduce((nearest, one) => (away(one) < away(nearest) ? one : nearest));
      this.#wanted.delete(node);
      this.#running += 1;
      Promise.resolve(fill()).finally(() => { this.#running -= 1; this.#next(); });
    }
  }

  async #fetch(path, given) {
    const query = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(given)) query.set(name, value);
    const answer = await fetch(`${this.base}${path}?${query}`).catch(() => null);
    if (answer?.ok) return answer;
    const data = await answer?.json().catch(() => null);
    throw new Error(data?.error?.message ?? (answer ? `The server answered ${answer.status}.` : "The server did not answer."));
  }

  // Fetches once, however often it is asked; a failure is shown in the place, with another try.
  #once(node, place, run) {
    node.filled ??= run().catch((error) => {
      const again = () => { node.filled = null; this.#once(node, place, run); };
      place.replaceChildren(element("p", { class: "diff-cut is-failed", role: "alert" }, element("span", {}, error.message), button("Try again", again)));
    });
    return node.filled;
  }

  #fillFiles(part) {
    return this.#once(part, part, async () => {
      const html = await (await this.#fetch("", { from: part.dataset.files })).text();
      part.replaceChildren(parse(html));
      part.classList.remove("is-waiting");
      part.style.blockSize = "";
      this.near.unobserve(part);
      this.#adopt(part);
    });
  }

  #fillBody(file) {
    const body = file.querySelector("[data-body]");
    return this.#once(body, body, async () => {
      const layout = this.layout;
      const html = await (await this.#fetch(`/${file.id.slice(1)}`, { layout })).text();
      body.replaceChildren(parse(html));
      this.near.unobserve(body);
      const parts = [...body.querySelectorAll(".diff-part")];
      for (const part of parts) this.#size(part);
      if (parts.length) parts[0].filled = Promise.resolve();
      if (parts.length > 1) for (const part of parts) this.near.observe(part);
      if (layout !== this.layout) { body.filled = null; this.#watch(body); }
    });
  }

  #fillPart(part) {
    return this.#once(part, part, async () => {
      const { layout } = part.parentElement.dataset;
      const html = await (await this.#fetch(`/${part.closest(".dfile").id.slice(1)}`, { layout, page: part.dataset.page })).text();
      part.replaceChildren(parse(html));
      part.classList.remove("is-waiting");
      part.style.blockSize = "";
      this.#size(part);
    });
  }

  // Heights are known before anything is laid out, so that the scroll bar tells the truth.
  #size(part) {
    if (part.classList.contains("is-waiting")) part.style.blockSize = `${part.dataset.lines * LINE}px`;
    for (const slab of part.children) {
      const rows = slab.querySelectorAll("tr").length;
      const heads = slab.querySelectorAll(".hunk").length;
      slab.style.containIntrinsicBlockSize = `auto ${rows * LINE + heads * (HEAD - LINE)}px`;
    }
  }

  #empty(part) {
    if (part.contains(document.activeElement) || getSelection().containsNode(part, true)) return;
    part.style.blockSize = `${part.getBoundingClientRect().height}px`;
    part.classList.add("is-waiting");
    part.replaceChildren();
    part.filled = null;
  }

  // ── the lines around a change ──

  async #unfold(control) {
    const head = control.closest("tr");
    const { from, to, delta } = head.dataset;
    const isTail = to === undefined;
    const left = isTail ? Infinity : to - from + 1;
    const way = left <= LINE ? "all" : control.dataset.unfold;
    const first = way === "up" ? to - LINE + 1 : Number(from);
    const last = way === "all" ? Number(to) : first + LINE - 1;
    let found;
    control.disabled = true;
    try {
      const { layout } = head.closest(".diff-parts").dataset;
      found = await (await this.#fetch(`/${head.closest(".dfile").id.slice(1)}/lines`, { from: first, to: last, delta, layout })).json();
    } catch (error) {
      return toast(`The lines could not be read. ${error.message}`, { glyph: "ban" });
    } finally {
      control.disabled = false;
    }
    const rows = parse(`<table><tbody>${found.html}</tbody></table>`).querySelectorAll("tr");
    const scroller = head.closest(".diff-scroll");
    if (way === "up") {
      head.after(...rows);
      head.dataset.to = first - 1;
      head.querySelector(".at").textContent = `Line ${first}`;
    } else {
      head.before(...rows);
      head.dataset.from = last + 1;
    }
    if (way === "all" || (isTail && !found.more)) {
      if (head.contains(document.activeElement)) scroller.focus({ preventScroll: true });
      head.remove();
    } else this.#relabel(head);
  }

  #relabel(head) {
    const { from, to } = head.dataset;
    for (const control of head.querySelectorAll("[data-unfold]")) {
      control.setAttribute("aria-label", control.dataset.unfold === "up" ? `Show lines above line ${Number(to) + 1}` : `Show lines from ${from} on`);
    }
  }
}
