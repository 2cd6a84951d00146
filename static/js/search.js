// The search page: results as one types, all of it in the address, live without moving what is read.

import { announce, button, call, copy, element, icon, later, openSignIn, toast, toastRefusal } from "./actions.js";
import { follow } from "./live.js";
import { Hits } from "./searchhits.js";
import { Recent } from "./searchrecent.js";

const TYPING = 220; // ms of silence after which a search begins
const SLOW = 300; // ms after which a search is said to be under way

const main = document.querySelector("#main");
const workflow = main.dataset.workflow;
const form = document.querySelector("[data-search]");
const field = form.querySelector("[data-field]");
const results = document.querySelector("[data-results]");
const hits = new Hits(workflow, results, field);
const recent = new Recent(`${workflow}:${form.dataset.me}`, results);

let shown = here(); // the search whose results are on the page
let isTyping = false; // the address of a search that is still being typed is replaced, not added
let running = null; // AbortController of the search that is under way
let created = new Set();

// ── the address ──

// What the form says, as the query of an address: only what is not the default.
function asked() {
  const query = new URLSearchParams({ workflow });
  for (const [name, value] of new FormData(form)) {
    const text = name === "q" ? value : value.trim();
    if (text.trim() && name !== "workflow" && !(name === "mode" && text === "hybrid")) query.append(name, text);
  }
  return `?${query}`;
}

// The page's own query; an address that names no workflow means the one that is shown.
function here() {
  return new URLSearchParams(location.search).has("workflow") ? location.search : asked();
}

// The fields as an address has them.
function fill(query) {
  for (const control of form.elements) {
    const values = query.getAll(control.name);
    if (!control.name || control.name === "workflow") continue;
    if (control.type === "radio") control.checked = control.value === (query.get("mode") ?? "hybrid");
    else if (control.type === "checkbox") control.checked = values.some((value) => value.split(",").includes(control.value));
    else if (control.name === "tag") control.value = values.join(", ");
    else if (control !== document.activeElement || control.value.trim() !== (values[0] ?? "").trim()) control.value = values[0] ?? "";
  }
}

function search(wanted, { typing = false } = {}) {
  if (wanted !== location.search) {
    history[typing && isTyping ? "replaceState" : "pushState"](null, "", `/search${wanted}`);
    isTyping = typing;
  }
  return show(wanted);
}

// ── results ──

async function show(wanted, again = false) {
  tell(wanted);
  if (wanted === shown && !again && !running) return;
  running?.abort();
  const mine = running = new AbortController();
  results.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => results.classList.add("is-slow"), SLOW);
  try {
    const answer = await fetch(`/search/results${wanted}`, { headers: { Accept: "text/html" }, signal: mine.signal });
    const text = await answer.text();
    if (running !== mine) return; // another was begun meanwhile: this answer is stale
    if (answer.ok) put(wanted, text);
    else refuse(wanted, answer.status, text);
  } catch (error) {
    if (running === mine && error.name !== "AbortError") fail(wanted, "The server did not answer.");
  } finally {
    clearTimeout(slow);
    if (running === mine) {
      running = null;
      results.removeAttribute("aria-busy");
      results.classList.remove("is-slow");
    }
  }
}

function put(wanted, html) {
  shown = wanted;
  created = new Set();
  hits.replace(document.createRange().createContextualFragment(html));
  document.title = `Search${field.value.trim() ? `: ${field.value.trim().slice(0, 60)}` : ""} · Hephaestus Tickets`;
  recent.draw();
  const count = results.querySelector("[data-count]")?.textContent;
  const words = results.querySelector("[data-degraded]") ? ", searched by words only" : "";
  if (count) announce(`${count}${words}`);
}

function refuse(wanted, status, text) {
  if (status === 401) return says("You are signed out.", "Nothing that you typed is lost.", [["Sign in", openSignIn], ["Try again", () => show(wanted, true)]]);
  if (status >= 500) return fail(wanted, `The server answered ${status}.`);
  let error = null;
  try { ({ error } = JSON.parse(text)); } catch { /* no answer of ours */ }
  says("Not searched.", error?.message ?? `The server answered ${status}.`, [["Try again", () => show(wanted, true)]]);
}

function fail(wanted, why) { says("The search did not arrive.", `${why} What you see is the search before.`, [["Try again", () => show(wanted, true)]]); }

// Over the results, which stay.
function says(what, why, steps) {
  results.querySelector("[data-fault]")?.remove();
  results.prepend(element("div", { class: "notice notice-stop", role: "alert", "data-fault": true }, icon("ban"),
    element("p", {}, element("b", {}, what), " ", why), element("span", { class: "btn-row" }, ...steps.map(([word, run]) => button(word, run)))));
}

// What of the page beside the results depends on the search.
function tell(wanted) {
  const query = new URLSearchParams(wanted);
  for (const link of document.querySelectorAll("[data-export]")) {
    const format = new URL(link.href).searchParams.get("format");
    const file = new URLSearchParams([...query].filter(([name]) => name !== "limit"));
    file.set("format", format);
    link.href = `/search/export?${file}`;
  }
  const filters = [...query].filter(([name]) => !["workflow", "q", "mode", "comments", "limit"].includes(name));
  const number = filters.flatMap(([name, value]) => (name === "tag" ? value.split(",").filter((tag) => tag.trim()) : [value])).length;
  const count = form.querySelector("[data-filter-count]");
  const clear = form.querySelector("[data-clear]");
  count.textContent = number;
  count.hidden = clear.hidden = !number;
  const rest = new URLSearchParams([...query].filter(([name]) => ["workflow", "q", "mode", "comments"].includes(name)));
  clear.href = `/search?${rest}`;
}

// ── by hand ──

const typed = later(TYPING, () => search(asked(), { typing: true }));

// A search that somebody meant: it stays in the history and among the recent ones.
function commit() {
  isTyping = false;
  recent.keep(field.value, asked());
}

form.addEventListener("input", ({ target }) => {
  if (target === field || target.name === "tag") typed();
});
form.addEventListener("change", ({ target }) => {
  if (target === field) return commit();
  isTyping = false;
  search(asked());
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  search(asked());
  commit();
});

document.addEventListener("click", (event) => {
  const { target } = event;
  const link = target.closest?.("a[data-go]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.button) {
    event.preventDefault();
    const inside = link.closest("[data-results]");
    const drop = link.closest("details[data-drop]");
    if (drop) drop.open = false;
    const { search: wanted } = new URL(link.href);
    isTyping = false;
    fill(new URLSearchParams(wanted));
    search(wanted);
    if (inside || drop || link.hidden) field.focus({ preventScroll: true });
  }
  if (target.closest?.("[data-share]")) copy(location.origin + (history.state?.board ?? location.pathname + location.search), "Link");
  const forget = target.closest?.("[data-forget]");
  if (forget) forgetSaved(forget);
});

// After a ticket was open over the page its address comes back: that is no other search.
addEventListener("popstate", () => {
  isTyping = false;
  if (location.pathname !== "/search") return;
  fill(new URLSearchParams(location.search));
  show(here());
});

// ── saved searches ──

document.addEventListener("submit", async (event) => {
  if (!event.target.matches("[data-save-search]")) return;
  event.preventDefault();
  const { elements } = event.target;
  const fault = event.target.querySelector("[data-fault]");
  fault.hidden = true;
  const query = new URLSearchParams(asked());
  query.delete("workflow");
  try {
    const { view } = await call(`workflows/${encodeURIComponent(workflow)}/views`, { name: elements.name.value, is_shared: elements.is_shared.checked, query: `${query}`, kind: "search" });
    toast(view.is_shared ? `The search ${view.name} is kept and shared` : `The search ${view.name} is kept`);
    event.target.reset();
    await drawSaved();
  } catch (refusal) {
    if (refusal.code === undefined) throw refusal;
    fault.textContent = refusal.message;
    fault.hidden = false;
  }
});

async function forgetSaved(tool) {
  try {
    await call(`views/${tool.dataset.forget}`, {}, { method: "DELETE" });
    await drawSaved();
    document.querySelector("[data-save-search] [name=name]").focus();
  } catch (refusal) {
    toastRefusal("The search is still there.", refusal, () => forgetSaved(tool));
  }
}

async function drawSaved() {
  const answer = await fetch(`/search/saved?${new URLSearchParams({ workflow })}`, { headers: { Accept: "text/html" } }).catch(() => null);
  if (answer?.ok) document.querySelector("[data-saved]").innerHTML = await answer.text();
}

// ── live ──

follow(workflow, Number(main.dataset.seq), async (events, isStale) => {
  for (const event of events) document.dispatchEvent(new CustomEvent("hephaestus:event", { detail: event }));
  for (const event of events) if (event.type === "ticket_created") created.add(event.ticket_id);
  news();
  const ids = isStale ? hits.ids : [...new Set(events.map((event) => event.ticket_id))].filter((id) => hits.has(id));
  const since = events.length ? Math.min(...events.map(({ seq }) => seq)) - 1 : null;
  if (ids.length) await hits.refresh(ids, since);
});

// What came since may fit, too: it is offered, not put between what is read.
function news() {
  const place = results.querySelector("[data-news]");
  if (!place || !created.size) return;
  const again = () => show(shown, true);
  place.replaceChildren(button(`${created.size} new since. Search again`, again, "btn-quiet", { class: "btn btn-sm btn-quiet" }));
}

// ── begin ──

document.querySelector("[data-share]").hidden = false;
const filters = form.querySelector("[data-filters]");
if (matchMedia("(max-width: 960px)").matches) filters.open = false;
filters.dataset.ready = "";
results.addEventListener("search:opened", commit);
tell(shown);
recent.draw();
