// What is wrong with the draft, each fault where it is: what the page knows at once, and what the server found.

import { announce, element, icon } from "./actions.js";
import { plain } from "./editorimport.js";
import { faultsOf } from "./editorstate.js";

export class Faults {
  #found = new Map(); // the server's

  // says: where faults stand that have no place in the form
  constructor(page, form, says) {
    Object.assign(this, { page, form, says });
  }

  // [{field, message}] as the server says them, instead of those before.
  keep(rows) {
    this.#found = new Map(rows.map(({ field, message }) => [(field ?? "").replace(/^board\./, ""), plain(message, field)]));
  }

  get own() {
    const { draft } = this.page;
    return faultsOf(draft.now, draft.saved, this.page.uses());
  }

  get all() { return new Map([...this.#found, ...this.own]); }

  paint() {
    const places = [...this.form.querySelectorAll("[data-at]")];
    const texts = new Map();
    for (const [path, text] of this.all) {
      const place = innermost(places, path);
      texts.set(place, [...(texts.get(place) ?? []), { path, text }]);
    }
    for (const error of this.form.querySelectorAll(".field-error")) error.remove();
    for (const place of places) this.#mark(place, (texts.get(place) ?? []).map(({ text }) => text).join(" "));
    this.says.querySelector("[data-elsewhere]")?.remove();
    const rest = (texts.get(null) ?? []).map(({ path, text }) => (path ? `${path}: ${text}` : text)).join(" ");
    if (rest) this.says.append(element("p", { class: "notice notice-stop", "data-elsewhere": true }, icon("ban"), element("span", { dir: "auto" }, rest)));
  }

  #mark(place, text) {
    const control = place.querySelector("[data-at]") ? null : place.querySelector("input, select");
    const id = `be-fault-${place.dataset.at.replace(/[^\w-]/g, "-")}`;
    if (control) describe(control, text ? id : "");
    if (!text) return;
    const host = place.querySelector(":scope > [data-faults]") ?? place.closest(".be-row")?.querySelector("[data-faults]") ?? place;
    host.append(element("p", { class: "field-error", id }, icon("warn"), element("span", { dir: "auto" }, text)));
  }

  // Brings the first fault before the person who wants to save.
  show() {
    this.paint();
    const first = this.form.querySelector("[aria-invalid='true']") ?? this.form.querySelector(".field-error")?.closest("[data-at]")?.parentElement.querySelector("input, select, button");
    first?.focus();
    first?.scrollIntoView({ block: "center" });
    const { size } = this.all;
    announce(size === 1 ? "Not saved: a fault is named in the form." : `Not saved: ${size} faults are named in the form.`);
  }
}

function innermost(places, path) {
  const fit = places.filter(({ dataset }) => path === dataset.at || path.startsWith(`${dataset.at}.`));
  return fit.sort((a, b) => b.dataset.at.length - a.dataset.at.length)[0] ?? null;
}

// The fault beside whatever else describes the field.
function describe(control, id) {
  control.dataset.about ??= control.getAttribute("aria-describedby") ?? "";
  const all = [control.dataset.about, id].filter(Boolean).join(" ");
  if (all) control.setAttribute("aria-describedby", all);
  else control.removeAttribute("aria-describedby");
  if (id) control.setAttribute("aria-invalid", "true");
  else control.removeAttribute("aria-invalid");
}
