// Attention: what waits for a person, and the step that helps, in place.

import { call } from "./actions.js";
import { people } from "./cardmenu.js";
import { keyOf } from "./cards.js";
import { openMenu } from "./menu.js";
import { Rows } from "./rows.js";

const RESOLUTION = 10; // characters, as the operation wants

const data = JSON.parse(document.getElementById("board-data").textContent);
const nameOf = (id) => data.members.find(([member]) => member === id)?.[1] ?? id;

const rows = new Rows(document.querySelector("[data-rows]"), { acts: {
  "approve": (row) => rows.act(row, { run: () => on(row, "approve"), fault: "Not approved.", said: `${keyOf(row)} approved.` }),
  "reject": (row) => asked(row, { label: `Why is ${keyOf(row)} rejected?`, go: "Reject", fault: "Not rejected.", said: `${keyOf(row)} rejected.` }, (reason) => on(row, "reject", { reason: reason || undefined })),
  "release": (row) => rows.act(row, { run: () => on(row, "release"), fault: "Not released.", said: `${keyOf(row)} is free.` }),
  "unblock": (row) => rows.act(row, { run: () => on(row, "unblock"), fault: "The block was not lifted.", said: `${keyOf(row)} is no longer blocked.` }),
  "resolve": (row) => asked(row, { label: `How was ${keyOf(row)} resolved?`, least: RESOLUTION, go: "Resolve", fault: "Not resolved.", said: `${keyOf(row)} resolved.` }, (text) => on(row, "resolve", { resolution_comment: text })),
  "take": (row) => assign(row, data.me),
  "assign": (row, control) => openMenu(control, `Assign ${keyOf(row)} to`, people(data, row.dataset.assignee ? nameOf(row.dataset.assignee) : "", (agent) => assign(row, agent))),
  "nudge": (row, { dataset: { agent } }) => say(row, { label: `Ask ${nameOf(agent)} on ${keyOf(row)}`, value: `@${agent} How far is it? Others wait for it.`, go: "Ask", said: `Asked ${nameOf(agent)}.` }),
  "reply": (row, { dataset: { agent, comment } }) => say(row, { label: `Reply to ${nameOf(agent)}`, go: "Reply", said: "Replied." }, { parent_comment_id: comment }),
  "read": (row, { dataset: { cursor } }) => read(row, Number(cursor)),
  "read-all": (_, { dataset: { cursor } }) => read(rows.all.findLast((row) => row.dataset.item === `inbox:${cursor}`), Number(cursor)),
} });

function on(row, act, body = {}) {
  return call(`tickets/${act}`, { ticket_id: row.dataset.ticketId, ...body });
}

async function asked(row, { fault, said, ...question }, run) {
  const text = await rows.ask(row, question);
  if (text !== null) rows.act(row, { run: () => run(text), fault, said });
}

async function assign(row, agent) {
  const before = row.dataset.assignee || null;
  if (agent === before) return rows.focus(row);
  const to = (id) => on(row, "assign", { assigned_agent_id: id });
  const said = agent ? `${keyOf(row)} is assigned to ${agent === data.me ? "you" : nameOf(agent)}.` : `${keyOf(row)} is assigned to nobody.`;
  const [kind] = row.dataset.item.split(":");
  // A lost agent's lease would go on showing as lost until the next one claims the ticket.
  const run = kind === "stale" && data.maintains ? () => on(row, "release").then(() => to(agent)) : () => to(agent);
  // Who has been given a blocker has not started on it yet.
  const stays = kind === "blocked" || (kind === "stale" && !data.maintains);
  if (await rows.act(row, { run, undo: () => to(before), fault: "Not assigned.", said, stays }) && stays) rows.note(row, said);
}

// A comment on the ticket. The row stays: the one who is asked has not answered yet.
async function say(row, { said, ...question }, body = {}) {
  const text = await rows.ask(row, { least: 1, ...question });
  if (text === null) return;
  const done = await rows.act(row, { run: () => on(row, "comment", { comment_text: text, ...body }), fault: "Not sent.", said, stays: true });
  if (done) rows.note(row, said);
}

// Reading goes in order: what came before is read with it.
function read(row, cursor) {
  const older = rows.all.filter((other) => other.dataset.item.startsWith("inbox:") && Number(other.dataset.item.slice(6)) < cursor);
  const said = older.length ? `${older.length + 1} marked as read.` : "Marked as read.";
  rows.act(row, { run: () => call("inbox/ack", { workflow_id: data.workflow, cursor }), fault: "Not marked as read.", said, also: older });
}

