// A board as JSON: taken with one, or brought in, with each fault shown where it stands in the text.

import { announce, button, copy, element, icon } from "./actions.js";
import { JsonFault, placeOf, readJson } from "./editorjson.js";

const MOST = 1_000_000; // characters

export function download(board, prefix) {
  const link = element("a", {
    href: URL.createObjectURL(new Blob([`${JSON.stringify(board, null, 2)}\n`], { type: "application/json" })),
    download: `board-${prefix.toLowerCase()}.json`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export const copyBoard = (board) => copy(JSON.stringify(board, null, 2), "Board");

// host: where the panel is; check(board) → {board} or {faults}, or throws a Refusal; use(board, notes): takes it over.
export class Import {
  constructor(host, opener, { check, use }) {
    Object.assign(this, { host, opener, check, use });
    this.field = element("textarea", {
      class: "input mono be-json", rows: 10, spellcheck: "false", "aria-label": "Board as JSON", dir: "ltr",
      placeholder: "{\n  \"columns\": [{\"id\": \"todo\", \"name\": \"To do\"}, …],\n  \"ticket_types\": [\"bug\", \"task\"]\n}",
      oninput: () => this.#say([]),
    });
    const file = element("input", { type: "file", accept: ".json,application/json", class: "vh", id: "be-file", onchange: () => this.#load(file) });
    this.faults = element("div", { role: "alert" });
    this.submit = button("Use this board", () => this.#take(), "btn-primary");
    host.append(element("div", { class: "be-import" },
      element("p", { class: "hint" }, "Paste a board, or choose a file that was exported here. It becomes the draft; nothing is saved yet."),
      this.field, this.faults,
      element("div", { class: "btn-row" }, this.submit,
        element("label", { class: "btn btn-sm", for: "be-file" }, icon("folder"), "Choose a file"), file,
        button("Close", () => this.toggle(false), "btn-quiet"))));
    host.addEventListener("dragover", (event) => event.preventDefault());
    host.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      this.#read(event.dataTransfer.files[0]);
    });
    host.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.toggle(false);
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#take();
    });
  }

  toggle(isOpen = this.host.hidden) {
    this.host.hidden = !isOpen;
    this.opener.setAttribute("aria-expanded", String(isOpen));
    (isOpen ? this.field : this.opener).focus();
  }

  #load(input) {
    if (input.files.length) this.#read(input.files[0]);
    input.value = "";
  }

  async #read(file) {
    if (file.size > MOST) return this.#say([{ message: "The file is larger than 1 MB: it is no board." }]);
    this.field.value = await file.text();
    this.#take();
  }

  async #take() {
    if (this.submit.disabled) return;
    const text = this.field.value;
    let found;
    try {
      found = readJson(text);
      if (found.value === null || typeof found.value !== "object" || Array.isArray(found.value)) throw new JsonFault("A board is an object: it begins with {.", text, 0);
    } catch (fault) {
      if (!(fault instanceof JsonFault)) throw fault;
      return this.#say([{ message: fault.message, place: fault, range: [fault.offset, fault.offset + 1] }]);
    }
    // As the API wraps it, or bare.
    const isWrapped = found.value.board !== null && typeof found.value.board === "object" && !("columns" in found.value);
    const board = isWrapped ? found.value.board : found.value;
    this.submit.disabled = true;
    try {
      const answer = await this.check(board);
      if (answer.faults) return this.#say(answer.faults.map((fault) => placed(fault, found.places, isWrapped, text)));
      this.#say([]);
      this.toggle(false);
      this.use(answer.board, otherwise(board, answer.board));
    } catch (refusal) {
      if (refusal.code === undefined) throw refusal;
      this.#say([placed({ ...refusal, message: refusal.message, field: refusal.field?.replace(/^board\./, "") }, found.places, isWrapped, text)]);
    } finally {
      this.submit.disabled = false;
    }
  }

  #say(faults) {
    this.field.setAttribute("aria-invalid", String(faults.length > 0));
    if (!faults.length) return this.faults.replaceChildren();
    this.faults.replaceChildren(element("div", { class: "notice notice-stop be-import-faults" }, icon("ban"),
      element("ul", {}, ...faults.map(({ field, message, place, range }) => element("li", {},
        place && element("button", { type: "button", class: "be-place", onclick: () => this.#show(range, place) }, `Line ${place.line}, column ${place.column}`), place && " ",
        field && element("code", { dir: "ltr" }, field), field && " ", element("span", { dir: "auto" }, message))))));
    if (faults[0].range) this.#show(faults[0].range, faults[0].place);
    announce(`${faults.length === 1 ? "A fault" : `${faults.length} faults`}: ${faults[0].message}`);
  }

  #show([start, end], { line }) {
    this.field.focus();
    this.field.setSelectionRange(start, Math.min(end, start + 400));
    this.field.scrollTop = (line - 4) * parseFloat(getComputedStyle(this.field).lineHeight);
  }
}

function placed({ field, message }, places, isWrapped, text) {
  if (!field) return { message };
  return { field, message: plain(message, field), ...where(places, isWrapped ? `board.${field}` : field, text) };
}

// The nearest place that the text has: of a field that is missing, the object that lacks it.
function where(places, path, text) {
  for (let parts = path.split(".").filter(Boolean); ; parts = parts.slice(0, -1)) {
    const range = places.get(parts.join("."));
    if (range || !parts.length) return range ? { range, place: placeOf(text, range[0]) } : {};
  }
}

export const plain = (message, field) => {
  const text = field && message.startsWith(`${field}: `) ? message.slice(field.length + 2) : message;
  const known = [
    [/^String should have at least 1 character$/, "It is empty."],
    [/^String should have at most (\d+) characters$/, "It is longer than $1 characters."],
    [/^String should match pattern .*$/, "An id is of letters, digits, - and _, at most 50, and begins with a letter or a digit."],
    [/^Input should be a valid integer.*$/, "It must be a whole number."],
    [/^Input should be greater than or equal to (\d+)$/, "It must be at least $1."],
    [/^Input should be less than or equal to (\d+)$/, "It must be at most $1."],
    [/^Input should be a valid (\w+)$/, "It must be a $1."],
    [/^Field required$/, "It is missing."],
  ];
  for (const [pattern, said] of known) if (pattern.test(text)) return text.replace(pattern, said);
  return text;
};

// Colours that were read as others.
function otherwise(given, read) {
  const notes = [];
  for (const field of ["columns", "ticket_types"]) {
    for (const item of Array.isArray(given[field]) ? given[field] : []) {
      const now = read[field].find(({ id }) => id === item?.id);
      if (now && typeof item.color === "string" && item.color.trim().toLowerCase() !== now.color) notes.push(`“${item.color}” of ${now.name} as ${now.color}`);
    }
  }
  return notes;
}
