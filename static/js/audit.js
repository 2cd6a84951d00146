// The audit: what is new waits above until it is asked for, older pages join below, texts are compared in their place.

import { announce, element } from "./actions.js";
import { follow } from "./live.js";

const list = document.querySelector("[data-audit]");
const main = document.querySelector("main");
const bar = document.querySelector("[data-new]");
const lost = document.querySelector("[data-lost]");

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

// A day has one heading, before its newest change.
function mergeDays() {
  const seen = new Set();
  for (const heading of list.querySelectorAll(".audit-day")) {
    if (seen.has(heading.dataset.day)) heading.remove();
    seen.add(heading.dataset.day);
  }
}

// ── what is new ──

const PAUSE = 1000; // ms between two looks, however much happens
const EVERY = 20_000; // ms: changes of members and tokens come without an event
let isFull = false; // more than a page holds: counting on tells nothing
let timer = 0;
let looked = 0;

async function ask(more = {}) {
  const query = new URLSearchParams(list.dataset.query);
  if (list.dataset.newest) query.set("after", list.dataset.newest);
  for (const [name, value] of Object.entries(more)) query.set(name, value);
  const answer = await fetch(`/audit/new?${query}`, { headers: { Accept: "application/json" } }).catch(() => null);
  lost.hidden = Boolean(answer?.ok);
  return answer?.ok ? answer.json() : null;
}

async function look() {
  timer = 0;
  looked = Date.now();
  const found = await ask();
  if (!found) return;
  isFull = found.more;
  const word = `${found.count}${isFull ? "+" : ""} new`;
  if (bar.hidden && found.count) announce(`${word} ${found.count === 1 ? "change" : "changes"}. A button above the list shows them.`);
  bar.querySelector("[data-new-word]").textContent = `${word} – show`;
  bar.hidden = !found.count;
}

function soon() {
  if (!isFull) timer ||= setTimeout(look, Math.max(looked + PAUSE - Date.now(), 200));
}

async function show() {
  // So much that a page does not hold it: begin anew.
  if (isFull) return void location.assign(`/audit?${list.dataset.query}`);
  const found = await ask({ rows: 1 });
  if (!found) return;
  const { count, html, newest } = found;
  const fresh = parse(html);
  const rows = [...fresh.querySelectorAll(".audit-row")];
  for (const row of list.querySelectorAll(".is-new")) row.classList.remove("is-new");
  for (const row of rows) row.classList.add("is-new");
  list.prepend(fresh);
  list.dataset.newest = newest;
  mergeDays();
  document.querySelector("[data-none]")?.remove();
  bar.hidden = true;
  rows[0]?.querySelector("a").focus({ preventScroll: true });
  list.scrollIntoView({ block: "start" });
  announce(`${count} new ${count === 1 ? "change is" : "changes are"} shown.`);
}

bar.querySelector("[data-show]").addEventListener("click", show);
lost.querySelector("[data-retry]").addEventListener("click", look);
if (main.dataset.seq && document.querySelector("[data-live]")) {
  follow(main.dataset.workflow, Number(main.dataset.seq), soon);
  setInterval(() => { if (!document.hidden) soon(); }, EVERY);
}

// ── older ──

document.addEventListener("click", async (event) => {
  const more = event.target.closest("[data-more]");
  if (!more || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  more.setAttribute("aria-disabled", "true");
  const answer = await fetch(more.href, { headers: { Accept: "text/html" } }).catch(() => null);
  // Signed out, or gone: the page itself says so.
  if (!answer?.ok) return void location.assign(more.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const rows = [...page.querySelectorAll("[data-audit] > *")];
  list.append(...rows);
  mergeDays();
  more.closest(".audit-more").replaceWith(page.querySelector(".audit-more") ?? "");
  const first = rows.find((row) => row.matches(".audit-row"));
  first?.querySelector("a").focus({ preventScroll: true });
  announce(`${rows.filter((row) => row.matches(".audit-row")).length} older changes below.`);
});

// ── before and after ──

list.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-compare]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const said = link.closest(".audit-row").querySelector(".audit-said");
  const shown = said.querySelector(".audit-compared");
  if (shown) {
    shown.remove();
    link.setAttribute("aria-expanded", "false");
    return;
  }
  const answer = await fetch(link.dataset.compare, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return void location.assign(link.href);
  said.append(element("div", { class: "audit-compared" }, parse(await answer.text())));
  link.setAttribute("aria-expanded", "true");
});
