// The keys, on every page.

import { element, icon } from "./actions.js";
import { styles } from "./styles.js";

const QUIET = "hephaestus-single-keys-off";
const KEYS = {
  "Everywhere": [["Ctrl K, /", "search or run a command; / on a page with a field of its own: that field"], ["N", "new ticket"], ["Esc", "close what is open"], ["?", "this help"]],
  "On the board": [
    ["↑ ↓ ← →, J K", "from card to card"], ["Enter", "open the card"], ["Space", "lift the card; arrows carry it, Space drops it, Esc puts it back"],
    ["X, Shift ↑ ↓", "select; Shift or Ctrl and a click as well"], ["M", "move to…"], ["A", "assign"], ["P", "priority"], ["C", "comment"], ["E", "edit"],
    ["B", "block or unblock"], ["R", "resolve"], [".", "all actions of the card"], ["F", "filters"], ["Esc", "end a selection"],
  ],
  "In a ticket": [
    ["J, ]", "next ticket of the column"], ["K, [", "previous ticket of the column"], ["S", "change status"], ["A", "assign"], ["C", "comment"], ["T", "edit the title"],
    ["E", "edit the description"], ["B", "add a blocker"], ["R", "resolve"], ["Ctrl Enter", "send what is written"], ["@, #", "name somebody or a ticket, while writing"],
  ],
  "On attention and approvals": [
    ["↑ ↓, J K", "from row to row"], ["Enter", "open the ticket"], ["A", "approve, or assign"], ["R", "reject, reply or resolve"], ["T", "take it"], ["D", "mark as read"], ["L", "release"],
    ["U", "lift the block"], ["N", "nudge"], ["S", "what is similar"], ["X", "select"],
  ],
  "On the search page": [["/", "to the field"], ["↑ ↓, J K", "from result to result, and from the field into them"], ["Enter", "open the ticket"], ["Esc", "back to the field"]],
  "On the graph": [["← →", "along the lines"], ["↑ ↓", "to the one above or below"], ["Enter", "open the ticket"], ["C", "connect"], ["+, -", "nearer, farther"], ["0", "show all"]],
  "In a commit": [["N, P", "next and previous change"], ["J, K", "next and previous file"], ["T", "jump to a file"]],
};
// Which of them the page in sight is about.
const PLACES = { "dialog.sheet:modal, .sheet.is-page": "In a ticket", ".board": "On the board", ".page-rows": "On attention and approvals", ".graph-page": "On the graph", ".search-page": "On the search page" };
const section = () => Object.entries(PLACES).find(([place]) => document.querySelector(place))?.[1] ?? "Everywhere";

export async function open() {
  const shown = section();
  await styles("board", "palette");
  if (document.querySelector("dialog.help")) return;
  const close = () => dialog.close();
  const quiet = element("input", { type: "checkbox" });
  quiet.checked = !localStorage.getItem(QUIET);
  quiet.addEventListener("change", () => (quiet.checked ? localStorage.removeItem(QUIET) : localStorage.setItem(QUIET, "1")));
  const row = ([keys, does]) => element("tr", {}, element("td", {}, ...keys.split(", ").flatMap((part, place) => [place ? " or " : "", element("kbd", {}, part)])), element("td", {}, does));
  const names = [...new Set([shown, ...Object.keys(KEYS)])];
  const dialog = element("dialog", { class: "dialog help", "aria-labelledby": "help-title", onclose: () => dialog.remove() },
    element("header", { class: "dialog-head" }, element("h2", { id: "help-title" }, "Keyboard"), element("button", { class: "btn-icon", type: "button", "aria-label": "Close", onclick: close }, icon("x"))),
    element("div", { class: "help-body", tabindex: "0", role: "region", "aria-labelledby": "help-title" },
      ...names.map((name) => element("section", {}, element("h3", {}, name), element("table", {}, element("tbody", {}, ...KEYS[name].map(row))))),
      element("label", { class: "tick" }, quiet, "Single letters act at once")));
  document.body.append(dialog);
  dialog.showModal();
}
