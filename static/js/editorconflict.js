// Somebody else saved the board meanwhile: what they changed, what both changed, and both in one.

import { button, element, icon } from "./actions.js";
import { differences, merged } from "./editordiff.js";
import { toDraft } from "./editorstate.js";

// Lines of what differs: "limit of Review: none → 3".
export function changeLines(rows) {
  return rows.map(({ what, before, after }) => element("li", {}, element("span", { dir: "auto" }, what),
    before !== null && after !== null && element("span", { class: "be-values" }, ": ", element("bdi", {}, before), " → ", element("b", {}, element("bdi", {}, after)))));
}

// Shows it in `host`. `theirs` is the board now in force; take(draft) puts a draft in the place of this one,
// drop() goes on with theirs alone.
export function showConflict(host, { draft, theirs, who, take, drop }) {
  const base = toDraft(draft.saved);
  const other = toDraft(theirs);
  const choice = new Map();
  const { clashes } = merged(base, draft.now, other);
  const rows = differences(base, other).filter(({ key }) => !clashes.some((clash) => clash.key === key));
  const box = element("section", { class: "notice notice-warm be-conflict", "aria-labelledby": "be-conflict", "data-conflict": true },
    icon("merge"),
    element("div", {},
      element("h2", { id: "be-conflict", tabindex: "-1" }, `${who ?? "Somebody"} saved the board while you changed it`),
      element("p", {}, "What you did is kept here. Merge it with theirs, then save; or go on with theirs alone."),
      rows.length > 0 && element("h3", {}, "They changed"),
      rows.length > 0 && element("ul", { class: "be-lines" }, ...changeLines(rows)),
      clashes.length > 0 && element("h3", {}, "You both changed"),
      ...clashes.map((clash, place) => element("fieldset", { class: "be-clash" },
        element("legend", { dir: "auto" }, clash.what),
        ...[["mine", "Yours", clash.mine], ["theirs", "Theirs", clash.theirs]].map(([side, word, value]) => element("label", {},
          element("input", { type: "radio", name: `be-clash-${place}`, value: side, checked: side === "mine", onchange: () => choice.set(clash.key, side) }),
          element("span", {}, `${word}: `, element("bdi", {}, value)))))),
      element("div", { class: "btn-row" },
        button("Merge", () => { box.remove(); take(merged(base, draft.now, other, choice).draft); }, "btn-primary"),
        button("Take theirs", () => { box.remove(); drop(); }))));
  host.querySelector("[data-conflict]")?.remove();
  host.prepend(box);
  return box;
}
