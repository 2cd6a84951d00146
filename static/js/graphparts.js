// Small parts that cards, rows and the panel share.

import { element, icon } from "./actions.js";

// A type's glyph and, for ears, its name: [name, glyph, class or colour, emoji].
export function glyphs([name, glyph, paint, emoji]) {
  if (emoji) return element("span", { class: "type-emoji", role: "img", "aria-label": name }, emoji);
  const drawn = icon(glyph, paint.startsWith("type-") ? undefined : paint);
  if (paint.startsWith("type-")) drawn.classList.add(paint);
  const both = document.createDocumentFragment();
  both.append(drawn, element("span", { class: "vh" }, name));
  return both;
}

// [name, letters, hue, whether a person]
export const avatar = ([, letters, hue, isHuman]) => element("span", { class: `avatar hue-${hue}${isHuman ? " avatar-human" : ""}`, "aria-hidden": "true" }, letters);

export const link = (key) => element("a", { class: "key", href: `/tickets/${key}` }, key);

// The keys of what a ticket frees, the first of them.
export function freed({ frees: [all, , names] }, most = 12) {
  const shown = names.slice(0, most).flatMap((key) => [" ", link(key)]);
  return all > shown.length / 2 ? [...shown, ` and ${all - shown.length / 2} more`] : shown;
}

// Remembers a control, so that it is found again where what stood there was drawn anew.
export function found(control) {
  const key = control.closest(".graph-row")?.dataset.key;
  const within = key ? `.graph-row[data-key="${CSS.escape(key)}"]` : "[data-panel]";
  return () => (control.isConnected ? control : document.querySelector(`${within} [data-ref="${CSS.escape(control.dataset.ref ?? "")}"]`));
}
