// Agents and people: roles, leases, tokens. A token is on the page once, and nowhere kept.

import { announce, call, element, icon } from "./actions.js";
import { openMenu } from "./menu.js";
import { Rows } from "./rows.js";
import { Tokens } from "./tokens.js";

const workflow = document.querySelector("main").dataset.workflow;
const { me } = JSON.parse(document.getElementById("board-data").textContent);
const roles = JSON.parse(document.getElementById("roles-data").textContent);
const nameOf = (row) => row.querySelector("[data-name]").textContent;
const members = `workflows/${encodeURIComponent(workflow)}/members`;

const rows = new Rows(document.querySelector("[data-rows]"), { acts: {
  "role": (row, control) => openMenu(control, `Role of ${nameOf(row)}`, [
    ...Object.entries(roles).map(([role, meaning]) => ({
      word: `${role[0].toUpperCase()}${role.slice(1)}: ${meaning}`, checked: row.dataset.role === role, run: () => { if (row.dataset.role === role) control.focus(); else setRole(row, role); },
    })),
    { word: row.dataset.agent === me ? "Leave this workflow…" : "Remove from this workflow", checked: false, run: () => remove(row) },
  ]),
  "tokens": (row, control) => tokens(row, control),
  "release": (row, { dataset: { ticket, key } }) => rows.act(row, { run: () => call("tickets/release", { ticket_id: ticket }), fault: `${key} is not released.`, said: `${key} is free.`, stays: true }),
} });

const assign = (id, role) => call(members, { member_agent_id: id, role: role || null });

async function setRole(row, role) {
  const [id, before] = [row.dataset.agent, row.dataset.role];
  if (id === me && !await sure(row, "Give up your own role?", "Give up")) return;
  row.querySelector(".member-role").focus();
  const said = `${nameOf(row)} is ${role} now.`;
  await rows.act(row, { run: () => assign(id, role), fault: "The role stays.", said, undo: id === me ? null : () => assign(id, before), stays: true });
}

async function remove(row) {
  const { agent: id, role: before } = row.dataset;
  if (id === me && !await sure(row, "Leave this workflow?", "Leave")) return;
  const done = await rows.act(row, { run: () => assign(id, null), fault: "Not removed.", said: `${nameOf(row)} is no member any more.`, undo: id === me ? null : () => assign(id, before) });
  if (done && id === me) location.assign("/tickets");
}

// Who gives up a role cannot take that back.
async function sure(row, question, go) {
  return await rows.ask(row, { label: `${question} Only another maintainer can undo it. Type ${me} to go on.`, go, least: me.length }) === me;
}

function tokens(row, control) {
  const open = row.querySelector(".tokens");
  control.setAttribute("aria-expanded", String(!open));
  if (open) return open.remove();
  const panel = new Tokens(row.dataset.agent, nameOf(row), { changed: () => rows.look(), shut: () => { panel.element.remove(); control.setAttribute("aria-expanded", "false"); row.querySelector("[data-act=tokens]")?.focus(); } });
  row.append(panel.element);
  panel.load();
}

// ── forms above the list ──

for (const opener of document.querySelectorAll("[data-open]")) {
  opener.addEventListener("click", () => {
    const form = document.querySelector(`[data-form=${opener.dataset.open}]`);
    const opens = form.hidden;
    for (const other of document.querySelectorAll("[data-form]")) shut(other);
    if (opens) {
      form.hidden = false;
      opener.setAttribute("aria-expanded", "true");
      form.querySelector("input").focus();
    }
  });
}

function shut(form) {
  const opener = document.querySelector(`[data-open=${form.dataset.form}]`);
  if (form.contains(document.activeElement)) opener.focus();
  form.hidden = true;
  form.reset();
  faulty(form);
  opener.setAttribute("aria-expanded", "false");
}

function faulty(form, refusal) {
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  form.querySelector("[data-fault]").replaceChildren(...(refusal ? [element("p", { class: "field-error" }, icon("ban"), refusal.message)] : []));
  const field = refusal?.field && form.elements[refusal.field];
  field?.setAttribute("aria-invalid", "true");
  if (refusal) (field ?? form.querySelector("input")).focus();
}

const submits = {
  add: ({ member_agent_id: id, role }) => assign(id, role).then(() => id),
  new: ({ new_agent_id: id, name, role }) => call("agents", { new_agent_id: id || null, name: name || null, workflow_id: workflow, role }).then((answer) => answer.agent.agent_id),
};

for (const form of document.querySelectorAll("[data-form]")) {
  form.querySelector("[data-shut]").addEventListener("click", () => shut(form));
  form.addEventListener("keydown", (event) => { if (event.key === "Escape") shut(form); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
    if (form.dataset.form === "add" && !values.member_agent_id) return faulty(form, { field: "member_agent_id", message: "Say whom: the id of an agent or a person." });
    faulty(form);
    try {
      const id = await submits[form.dataset.form](values);
      shut(form);
      announce(`${id} is a member.`);
      await rows.look();
      const row = rows.row(`member:${id}`);
      rows.focus(row);
      row?.scrollIntoView({ block: "center" });
      const control = form.dataset.form === "new" && row?.querySelector("[data-act=tokens]");
      if (control && control.getAttribute("aria-expanded") === "false") tokens(row, control);
    } catch (refusal) {
      if (refusal.code === undefined) throw refusal;
      faulty(form, refusal);
    }
  });
}
