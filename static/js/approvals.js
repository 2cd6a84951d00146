// The queue of approvals: one by one or many at once, each with its own result in its row.

import { announce, button, call, element, icon, toast } from "./actions.js";
import { keyOf } from "./cards.js";
import { Rows } from "./rows.js";

const picked = new Set(); // rows' ids
const filter = document.querySelector("[data-filter]");
let dock = null;

const rows = new Rows(document.querySelector("[data-rows]"), {
  acts: {
    "approve": (row) => decide(chosen(row), "approve"),
    "reject": (row) => reject(chosen(row)),
    "alike": (row, control) => alike(row, control),
    "select-all": () => {
      const all = rows.all.filter((row) => pickOf(row));
      const on = all.some((row) => !picked.has(row.dataset.item));
      for (const row of all) mark(row, on);
      paint();
      announce(`${picked.size} selected.`);
    },
  },
  keys(event, row) {
    if (event.key.toLowerCase() !== "x" || !pickOf(row)) return false;
    pickOf(row).click();
    return true;
  },
  drawn: () => {
    for (const id of picked) if (!rows.row(id)) picked.delete(id);
    paint();
  },
});

const pickOf = (row) => row.querySelector("[data-pick]");
const all = () => [...picked].map((id) => rows.row(id)).filter((row) => row && !row.hidden);
// With a selection, what is done in one of its rows is done with all of them.
const chosen = (row) => (picked.has(row.dataset.item) ? all() : [row]);

function mark(row, on) {
  pickOf(row).checked = on;
  picked[on ? "add" : "delete"](row.dataset.item);
  row.classList.toggle("is-picked", on);
}

rows.root.addEventListener("change", ({ target }) => {
  if (!target.matches("[data-pick]")) return;
  mark(target.closest("[data-item]"), target.checked);
  paint();
  announce(`${picked.size} selected.`);
});

function paint() {
  if (!picked.size) {
    const inside = dock?.contains(document.activeElement);
    dock?.remove();
    dock = null;
    if (inside) rows.focus(rows.all[0]);
    return;
  }
  if (!dock) {
    dock = element("div", { class: "dock", role: "region", "aria-label": "Selected requests" },
      element("p", { class: "dock-what" }, icon("check"), element("b", {}, "")),
      element("div", { class: "dock-acts" },
        button("Approve", () => decide(all(), "approve"), "btn-primary"), button("Reject…", () => reject(all())),
        button("Clear", () => {
          for (const row of all()) mark(row, false);
          picked.clear();
          paint();
        }, "btn-quiet")));
    document.body.append(dock);
  }
  const line = dock.querySelector("b");
  const said = `${picked.size} selected`;
  if (line.textContent !== said) line.textContent = said;
}

async function reject(some) {
  if (!some.length) return;
  const label = some.length > 1 ? `Why are these ${some.length} rejected?` : `Why is ${keyOf(some[0])} rejected?`;
  const reason = await rows.ask(some[0], { label, go: some.length > 1 ? "Reject all" : "Reject", hint: "The agent reads it" });
  if (reason !== null) decide(some, "reject", { reason: reason || undefined });
}

// One after the other: each row says by itself what came of it.
async function decide(some, act, body = {}) {
  const done = { approve: "approved", reject: "rejected" }[act];
  let decided = 0;
  for (const row of some) {
    const key = keyOf(row);
    mark(row, false);
    paint();
    const run = () => call(`tickets/${act}`, { ticket_id: row.dataset.ticketId, ...body });
    if (await rows.act(row, { run, fault: `Not ${done}.`, said: `${key} ${done}.` })) decided += 1;
  }
  if (some.length < 2) return;
  const refused = some.length - decided;
  toast(`${decided} ${done}${refused ? `, ${refused} refused` : ""}`, { glyph: refused ? "warn" : "check" });
}

// ── what says about the same, asked for when somebody wants to know ──

async function alike(row, control) {
  const old = row.querySelector(".row-alike");
  control.setAttribute("aria-expanded", String(!old));
  if (old) return old.remove();
  const box = element("div", { class: "row-alike", role: "region", "aria-label": `Similar to ${keyOf(row)}`, "aria-busy": "true" }, element("p", { class: "hint" }, "Looking…"));
  row.append(box);
  const answer = await fetch(`/approvals/alike?ticket=${encodeURIComponent(row.dataset.ticketId)}`, { headers: { Accept: "text/html" } }).catch(() => null);
  box.removeAttribute("aria-busy");
  if (answer?.ok) box.innerHTML = await answer.text();
  else box.replaceChildren(element("p", { class: "field-error" }, icon("warn"), "What is similar did not load. ", button("Try again", () => { box.remove(); alike(row, control); })));
  announce(box.textContent.trim().slice(0, 200));
}

// ── filters: in the address, so that a reload and a link keep them ──

filter.addEventListener("change", () => {
  const query = new URLSearchParams([...new FormData(filter)].filter(([name, value]) => value && name !== "workflow"));
  history.replaceState(history.state, "", `/approvals?${new URLSearchParams({ workflow: filter.elements.workflow.value })}${query.size ? `&${query}` : ""}`);
  rows.root.dataset.address = rows.root.dataset.base + (query.size ? `&${query}` : "");
  rows.look();
});
