// How to begin: a workflow, an agent and its token are made in the page, which then waits for what the agent does.

import { announce, button, call, element, icon } from "./actions.js";
import { age } from "./app.js";
import { fault, sends } from "./forms.js";
import { follow } from "./live.js";

const EVERY = 3000; // ms: no event tells that an agent was heard of
const main = document.querySelector("main");
const workflow = main.dataset.workflow;

// ── a workflow ──

const workflowForm = document.querySelector("[data-workflow-form]");
if (workflowForm) {
  const boards = JSON.parse(document.getElementById("example-boards").textContent);
  const { name, key_prefix: prefix } = workflowForm.elements;
  workflowForm.querySelector("[type=submit]").disabled = false;
  prefix.addEventListener("input", () => {
    const at = prefix.selectionStart;
    prefix.value = prefix.value.toUpperCase();
    prefix.setSelectionRange(at, at);
  });
  // What is typed is not left for a board that somebody else has made meanwhile.
  workflowForm.addEventListener("input", () => main.removeAttribute("data-first-run"), { once: true });
  sends(workflowForm, async (key) => {
    const board = { ...boards[workflowForm.elements.board.value], name: name.value.trim() };
    const wanted = { name: name.value, board, ...(prefix.value ? { key_prefix: prefix.value } : {}) };
    const { workflow: made } = await create({ ...wanted, ...idFrom(name.value) }, key).catch((refusal) => {
      if (refusal.field !== "workflow_id") throw refusal;
      return create(wanted, `${key}-other`); // the id is another's: one is made up
    });
    location.assign(`/connect?workflow=${encodeURIComponent(made.workflow_id)}`);
  });
}

const create = (wanted, key) => call("workflows", wanted, { key });

// An id that people can read in addresses and commands, where the name has letters for it.
function idFrom(name) {
  const id = name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 40).replace(/-$/, "");
  return id.length > 1 ? { workflow_id: id } : {};
}

// ── an agent and its token ──

const agentForm = document.querySelector("[data-agent-form]");

async function issue(id, key) {
  const { token } = await call(`agents/${encodeURIComponent(id)}/tokens`, { label: "Connected in the page" }, { key });
  const issued = document.querySelector("[data-issued]");
  issued.hidden = false;
  issued.querySelector("[data-issued-word]").textContent = token ? `Token of ${id}, shown this once` : `The answer with ${id}’s token was lost on the way. Revoke it and issue another.`;
  issued.querySelector("code").textContent = token;
  issued.querySelector("pre").focus();
  for (const place of document.querySelectorAll("[data-token]")) place.textContent = token || "TOKEN";
  done("token");
  announce(`The token of ${id} is issued. It is shown this once.`);
  look();
}

// The steps up to this one are done, the next one is what to do now.
function done(step) {
  let isNext = false;
  for (const row of document.querySelectorAll("[data-step]")) {
    row.classList.toggle("is-now", isNext && !row.matches(".is-done"));
    if (isNext) return;
    row.classList.add("is-done");
    row.querySelector(".step-n").replaceChildren(icon("check"));
    isNext = row.dataset.step === step;
  }
}

if (agentForm) {
  sends(agentForm, async (key) => {
    const id = agentForm.elements.id.value.trim();
    try {
      await call("agents", { new_agent_id: id, workflow_id: workflow }, { key: `${key}-agent` });
    } catch (refusal) {
      if (refusal.code !== "conflict") throw refusal;
      fault(agentForm, refusal, button("Issue it a further token", () => further(id), "", { "data-further": true }));
      return;
    }
    await issue(id, `${key}-token`);
  });
}

// An agent that exists: as a member where it is none, with the role that it has where it is one.
async function further(id) {
  try {
    const { agent } = await call(`agents/${encodeURIComponent(id)}`, {}, { method: "GET" });
    if (agent.kind !== "ai") throw Object.assign(new Error(`${id} is a person, who issues their tokens in their profile.`), { status: 400 });
    if (!(workflow in agent.memberships)) await call(`workflows/${encodeURIComponent(workflow)}/members`, { member_agent_id: id, role: "member" });
    await issue(id);
    agentForm.querySelector("[data-fault]").replaceChildren();
    agentForm.elements.id.removeAttribute("aria-invalid");
  } catch (refusal) {
    fault(agentForm, refusal.code === "not_found" ? { message: `${id} belongs to others. Choose another id.` } : refusal);
  }
}

// ── snippets ──

const tabs = document.querySelector("[data-tabs]");
if (tabs) {
  const choose = (id) => {
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.tab === id));
    for (const shown of document.querySelectorAll("[data-client]")) shown.hidden = shown.dataset.client !== id;
    document.querySelector("[data-copy-client]").dataset.copy = `c-${id}`;
  };
  tabs.hidden = false;
  tabs.addEventListener("click", ({ target }) => { if (target.dataset.tab) choose(target.dataset.tab); });
  choose(tabs.firstElementChild.dataset.tab);
}

// ── what arrives ──

const list = document.querySelector("[data-agents]");
const wait = document.querySelector("[data-wait]");
const heard = new Map(); // agent → when it was last heard of, as this page knows it

async function look() {
  const { members } = await call(`workflows/${encodeURIComponent(workflow)}/members?limit=200`, {}, { method: "GET" });
  for (const member of members.filter(({ kind }) => kind === "ai")) {
    const row = list.querySelector(`[data-agent="${CSS.escape(member.agent_id)}"]`) ?? add(member);
    const before = heard.get(member.agent_id);
    const seen = member.last_seen_at;
    if (before === undefined) heard.set(member.agent_id, seen);
    else if (seen && seen !== before) {
      heard.set(member.agent_id, seen);
      if (!list.dataset.ticket) say(`${member.name} connected.`);
      done("client");
      const time = element("time", { datetime: seen, "data-age": "" }, age(seen));
      row.querySelector(".hint").replaceChildren("connected ", time, " ago");
    }
  }
}

function add({ agent_id: id, name }) {
  const row = element("li", { "data-agent": id }, element("span", { class: "avatar hue-0", "aria-hidden": "true" }, name.slice(0, 2).toUpperCase()),
    element("span", { class: "refs-text", dir: "auto" }, name), element("span", { class: "hint" }, "not heard of yet"));
  list.append(row);
  heard.set(id, null);
  return row;
}

const say = (...content) => wait.replaceChildren(...content);

async function arrived({ ticket_id: id, agent_id: agent }) {
  if (list.dataset.ticket) return;
  const ticket = await call(`tickets/${encodeURIComponent(id)}`, {}, { method: "GET" });
  list.dataset.ticket = ticket.key;
  done("arrive");
  say(element("bdi", {}, agent), " created ", element("a", { href: `/tickets/${ticket.key}`, dir: "auto" }, `${ticket.key} ${ticket.title}`), ".");
}

if (list) {
  for (const row of list.children) heard.set(row.dataset.agent, row.querySelector("time")?.dateTime ?? null);
  const quietly = () => look().catch(() => {}); // the mark in the bar says where the server is away
  setInterval(() => { if (!document.hidden) quietly(); }, EVERY);
  quietly();
  follow(workflow, Number(main.dataset.seq), async (events) => {
    const made = events.find(({ type }) => type === "ticket_created");
    await quietly();
    if (made) await arrived(made);
  });
}
