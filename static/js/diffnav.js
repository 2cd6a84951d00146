// Ways through a commit: from change to change, from file to file, by the tree, by name.

import { tinykeys } from "../vendor/tinykeys-4.0.0/tinykeys.js";
import { announce, element, icon, later } from "./actions.js";

const QUIET = "hephaestus-single-keys-off"; // as on the board
const MANY = 100;
const KEYS = [
  ["N, P", "next and previous change"], ["J, K", "next and previous file"], ["T", "jump to a file by its name"],
  ["Enter", "open or collapse the file in focus"], ["?", "this help"],
];

export class Navigation {
  #cursor = null; // {file, number, rows}
  #at = null; // the file that was gone to last
  #busy = false;

  // In a dialog: `box`, what scrolls in it, and a signal that it is closed.
  constructor(main, files, { box = null, scroller = null, signal } = {}) {
    this.main = main;
    this.files = files;
    this.scroller = scroller;
    this.tree = main.querySelector(".filetree");
    this.bar = main.querySelector("[data-diff-bar]");
    this.where = main.querySelector("[data-where]");
    this.bar.hidden = false;
    main.addEventListener("click", (event) => this.#clicked(event));
    main.addEventListener("focusin", ({ target }) => { this.#at = target.closest(".dfile") ?? this.#at; });
    this.#filter();
    (scroller ?? document).addEventListener("scroll", later(80, () => this.main.isConnected && this.#follow()), { passive: true });
    addEventListener("hashchange", () => this.#hash(), { signal });
    const single = (run) => (event) => {
      const { target } = event;
      if (localStorage.getItem(QUIET) || event.defaultPrevented || target.closest("[popover], form, input")) return;
      if (target.closest("dialog") !== box && target !== document.body) return;
      event.preventDefault();
      run();
    };
    const forget = tinykeys(window, {
      n: single(() => this.step(1)), p: single(() => this.step(-1)), j: single(() => this.file(1)), k: single(() => this.file(-1)),
      t: single(() => this.jump()), "Shift+?": single(() => this.help()), "?": single(() => this.help()),
    });
    signal?.addEventListener("abort", forget);
    this.#hash();
    this.#follow();
  }

  #clicked(event) {
    const link = event.target.closest(".filetree a");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      history.replaceState(history.state, "", link.hash);
      return this.go(Number(link.hash.slice(2)));
    }
    const control = event.target.closest("[data-change], [data-jump], [data-all], [data-help]");
    if (!control?.matches("button")) return;
    const { change, all } = control.dataset;
    if (change) this.step(Number(change));
    else if (all) this.files.setAll(all === "open");
    else if ("jump" in control.dataset) this.jump();
    else this.help();
  }

  #hash() {
    const found = /^#f(\d+)$/.exec(location.hash);
    if (found) this.go(Number(found[1]));
  }

  // ── files ──

  async go(index) {
    const file = await this.files.at(index);
    if (!file) return;
    this.files.open(file);
    this.#show(file);
  }

  #show(file) {
    file.scrollIntoView({ block: "start" });
    file.querySelector("summary").focus({ preventScroll: true });
    this.#follow();
  }

  async file(way) {
    const here = this.#fileHere();
    if (!here) return;
    // Only a file whose heading is in sight has been arrived at.
    const next = this.#top(here) >= 0 || way > 0 ? await this.#beside(here, way) : here;
    if (next) this.#show(next);
    else announce(way > 0 ? "That was the last file." : "That was the first file.");
  }

  #beside(file, way) {
    const index = Number(file.id.slice(1)) + way;
    return index < 0 ? null : this.files.at(index);
  }

  // How far below what sticks to the top of the window; of rows, also below their file's heading.
  #top(node) {
    const heading = node.matches("tr") ? node.closest(".dfile").querySelector("summary").offsetHeight : 0;
    return Math.round(node.getBoundingClientRect().top - this.bar.getBoundingClientRect().bottom - heading);
  }

  #fileHere() {
    if (this.#at?.isConnected && this.#inSight(this.#at)) return this.#at;
    return this.#topFile() ?? this.files.all.at(-1);
  }

  // The file at the top of the window: asked of the browser, since there may be thousands to look through.
  #topFile() {
    const { left, width, bottom } = this.bar.getBoundingClientRect();
    for (const below of [4, 20, 44]) {
      const file = document.elementFromPoint(left + width / 2, bottom + below)?.closest(".dfile");
      if (file) return file;
    }
    return this.files.all.find((file) => this.#top(file) + file.offsetHeight > 0);
  }

  #inSight(node) {
    const { top, bottom } = node.getBoundingClientRect();
    return bottom > this.bar.getBoundingClientRect().bottom && top < this.#floor;
  }

  get #floor() { return this.scroller?.getBoundingClientRect().bottom ?? innerHeight; }

  // ── changes ──

  async step(way) {
    if (this.#busy) return;
    this.#busy = true;
    try {
      await this.#step(way);
    } finally {
      this.#busy = false;
    }
  }

  async #step(way) {
    let [file, number] = this.#from(way);
    while (file) {
      if (file.dataset.quiet === undefined) {
        const box = await this.files.open(file);
        const count = Number(box?.dataset.changes ?? 0);
        if (number === -1) number = count;
        if (number >= 1 && number <= count) return this.#put(file, number, count, await this.files.change(box, number));
      }
      file = await this.#beside(file, way);
      number = way > 0 ? 1 : -1;
    }
    announce(way > 0 ? "That was the last change." : "That was the first change.");
  }

  // Where the next change is looked for: beside the last one, or, where that is out of sight, beside what is in sight.
  #from(way) {
    const last = this.#cursor;
    if (last && last.file === this.#fileHere() && last.rows[0].isConnected && this.#inSight(last.rows[0])) return [last.file, last.number + way];
    const file = this.#fileHere();
    if (!file) return [null, 0];
    const rows = [...file.querySelectorAll("tr[data-change]")];
    const seen = way > 0 ? rows.find((row) => this.#top(row) >= 0) : rows.findLast((row) => this.#top(row) < 0);
    if (seen) return [file, Number(seen.dataset.change)];
    return [file, way > 0 ? (rows.length ? Infinity : 1) : 0];
  }

  #put(file, number, count, rows) {
    if (!rows.length) return;
    for (const row of this.#cursor?.rows ?? []) row.classList.remove("is-cursor");
    for (const row of rows) row.classList.add("is-cursor");
    this.#cursor = { file, number, rows };
    this.#at = file;
    const room = this.#floor - this.bar.getBoundingClientRect().bottom;
    (this.scroller ?? window).scrollBy({ top: this.#top(rows[0]) - Math.min(120, room / 4) });
    this.where.textContent = `Change ${number} of ${count}`;
    const line = rows[0].querySelector(".ln[data-n]")?.dataset.n;
    announce(`Change ${number} of ${count}, ${file.querySelector(".path").title}, line ${line}`);
  }

  // ── the tree ──

  #filter() {
    const field = this.tree.querySelector("[data-tree-filter]");
    field.parentElement.hidden = false;
    field.addEventListener("input", later(60, () => {
      const wanted = field.value.trim().toLowerCase();
      let any = false;
      for (const link of this.tree.querySelectorAll("a")) {
        link.parentElement.hidden = !link.dataset.path.toLowerCase().includes(wanted);
        any ||= !link.parentElement.hidden;
      }
      for (const folder of this.tree.querySelectorAll("details")) folder.parentElement.hidden = !folder.querySelector("li:not([hidden]) > a");
      this.tree.querySelector("[data-tree-none]").hidden = any;
    }));
  }

  // The tree shows which file is at the top of the window.
  #follow() {
    const file = this.#topFile();
    const link = file && this.tree.querySelector(`a[href="#${file.id}"]`);
    const before = this.tree.querySelector("a[aria-current]");
    if (!link || link === before) return;
    before?.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    const box = this.tree.getBoundingClientRect();
    const at = link.getBoundingClientRect();
    if (!this.tree.contains(document.activeElement) && (at.top < box.top + 48 || at.bottom > box.bottom)) this.tree.scrollTop += at.top - box.top - box.height / 3;
  }

  // ── dialogs ──

  jump() {
    const links = [...this.tree.querySelectorAll("a")].map((link) => ({ path: link.dataset.path, index: Number(link.hash.slice(2)) }));
    const list = element("ul", {});
    const choose = (index) => { dialog.close(); this.go(index); };
    const fill = () => {
      const words = field.value.trim().toLowerCase().split(/\s+/);
      const found = links.filter(({ path }) => words.every((word) => path.toLowerCase().includes(word)));
      list.replaceChildren(...found.slice(0, MANY).map(({ path, index }) => {
        const cut = path.lastIndexOf("/") + 1;
        return element("li", {}, element("button", { type: "button", class: "menu-item", onclick: () => choose(index) },
          icon("file"), element("span", { class: "clip" }, element("bdi", {}, path.slice(cut)), " ", element("bdi", { class: "dir" }, path.slice(0, cut)))));
      }));
      if (found.length !== 1) list.append(element("li", { class: "hint" }, found.length > MANY ? `${found.length - MANY} more: type to narrow` : found.length ? "" : "No file’s path has these words."));
    };
    const field = element("input", { class: "input", type: "search", placeholder: "Part of a path", "aria-label": "Part of a path", autocomplete: "off", oninput: fill });
    const dialog = this.#dialog("Jump to file", element("div", { class: "jump" }, field, list));
    dialog.addEventListener("keydown", (event) => {
      const rows = [...list.querySelectorAll("button")];
      const at = rows.indexOf(document.activeElement);
      if (event.key === "Enter" && event.target === field) { event.preventDefault(); rows[0]?.click(); }
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      event.preventDefault();
      const next = at + (event.key === "ArrowDown" ? 1 : -1);
      (next < 0 ? field : rows[Math.min(next, rows.length - 1)])?.focus();
    });
    fill();
    dialog.showModal();
    field.focus();
  }

  help() {
    const rows = KEYS.map(([keys, does]) => element("tr", {}, element("td", {}, ...keys.split(", ").flatMap((key, place) => [place ? " or " : "", element("kbd", {}, key)])), element("td", {}, does)));
    this.#dialog("Keyboard", element("div", {}, element("table", {}, element("tbody", {}, ...rows)))).showModal();
  }

  #dialog(title, content) {
    const dialog = element("dialog", { class: "dialog diff-dialog", "aria-labelledby": "diff-dialog", onclose: () => dialog.remove() },
      element("header", { class: "dialog-head" }, element("h2", { id: "diff-dialog" }, title), element("button", { class: "btn-icon", type: "button", "aria-label": "Close", onclick: () => dialog.close() }, icon("x"))), content);
    document.body.append(dialog);
    return dialog;
  }
}
