// Findings that change under the reader without moving, and buttons that carry out what they suggest.

import { announce, button, call, element, icon, newKey, openSignIn } from "./actions.js";
import { follow } from "./live.js";

const page = document.getElementById("main");
const place = page.querySelector("[data-findings]");
const news = page.querySelector("[data-news]");
const REST = 3000; // ms between two looks: each is worked out anew
const done = new Map(); // finding → what was done about it, in this window

let timer = 0;
let last = 0;
let fresh = null; // the newest answer, where it holds what is not shown yet

const rows = (within) => new Map([...within.querySelectorAll("[data-finding]")].map((row) => [row.dataset.finding, row]));
const parse = (text) => new DOMParser().parseFromString(text, "text/html").body;

// ── live ──

function soon() {
  timer ||= setTimeout(look, Math.max(400, REST - (Date.now() - last)));
}

async function look() {
  timer = 0;
  last = Date.now();
  const answer = await fetch(`/guardian/findings?${query}`, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) {
    if (answer?.status === 401) return tell("ban", "You are signed out. What you see may be behind.", ["Sign in", openSignIn]);
    if (answer?.status === 404) return tell("ban", "This workflow is no longer yours to see.");
    tell("retry", "The findings did not load anew. What you see may be behind.", ["Try again", look]);
    return;
  }
  renew(parse(await answer.text()));
}

// What is shown changes in place; what is gone stays and says so; what is new waits to be asked for.
function renew(now) {
  const [shown, found] = [rows(place), rows(now)];
  for (const [id, row] of shown) {
    const next = found.get(id);
    if (next) update(row, next);
    else if (!done.has(id)) settle(row);
  }
  const counts = [...now.querySelectorAll("[data-part^=count-]")];
  for (const count of place.querySelectorAll("[data-part^=count-]")) {
    const text = counts.find((one) => one.dataset.part === count.dataset.part)?.textContent ?? "0";
    if (count.textContent !== text) count.textContent = text;
  }
  const added = [...found.keys()].filter((id) => !shown.has(id)).length;
  fresh = now;
  if (!added) return news.querySelector("[data-fresh]") && news.replaceChildren();
  if (!shown.size) return show();
  tell("bell", `${added} new ${added === 1 ? "finding" : "findings"}.`, ["Show", show], true);
}

function update(row, next) {
  row.classList.remove("is-settled");
  row.querySelector("[data-settled]")?.remove();
  row.className = next.className;
  for (const part of [".sev", ".finding-message", ".finding-meta", ".finding-tickets", ".why dl"]) {
    const [a, b] = [row.querySelector(part), next.querySelector(part)];
    if (a && b && a.textContent !== b.textContent && !a.contains(document.activeElement)) a.replaceChildren(...b.childNodes);
  }
  if (done.has(row.dataset.finding)) return;
  // A button, or words where there is nothing to press.
  const [act, other] = [row, next].map((one) => one.querySelector("[data-act-place]").firstElementChild);
  act.hidden = false;
  if (act.outerHTML === other.outerHTML) return;
  if (act !== document.activeElement) act.replaceWith(other);
  else if (act.textContent === other.textContent) act.dataset.call = other.dataset.call;
}

function settle(row) {
  if (row.classList.contains("is-settled")) return;
  row.classList.add("is-settled");
  row.querySelector("[data-carry-out]")?.toggleAttribute("hidden", true);
  row.querySelector("[data-outcome]").replaceChildren(element("p", { class: "hint", "data-settled": true }, icon("check"), "No longer so"));
}

function show() {
  if (!fresh) return;
  const focused = document.activeElement?.closest("[data-finding]")?.dataset.finding;
  const open = new Set([...place.querySelectorAll(".why[open]")].map((one) => one.closest("[data-finding]").dataset.finding));
  place.replaceChildren(...fresh.childNodes);
  fresh = null;
  news.replaceChildren();
  for (const [id, row] of rows(place)) if (open.has(id)) row.querySelector(".why").open = true;
  (focused && rows(place).get(focused)?.querySelector("[data-carry-out], a, summary"))?.focus({ preventScroll: true });
  announce("The new findings are shown.");
}

function tell(glyph, text, action, isFresh = false) {
  news.replaceChildren(element("p", { class: "notice", "data-fresh": isFresh }, icon(glyph), element("span", {}, text), action && button(action[0], () => {
    if (!isFresh) news.replaceChildren();
    action[1]();
  })));
}

// ── carrying out ──

place.addEventListener("click", (event) => {
  const act = event.target.closest("[data-carry-out]");
  if (act) carryOut(act.closest("[data-finding]"), act);
});

async function carryOut(row, act, key = newKey()) {
  if (row.classList.contains("is-saving")) return;
  const { path, arguments: body, undo } = JSON.parse(act.dataset.call);
  const id = row.dataset.finding;
  const word = act.textContent;
  const outcome = row.querySelector("[data-outcome]");
  row.classList.add("is-saving");
  done.set(id, word);
  // Shown at once only where there is a way back.
  if (undo) succeeded(row, act, word, null);
  else outcome.replaceChildren(element("p", { class: "hint" }, "Under way…"));
  try {
    const answer = await call(path, body, { key });
    succeeded(row, act, word, answer, undo && (() => takeBack(row, act, path, undo)));
    announce(said(word, answer));
    soon();
  } catch (refusal) {
    if (refusal.code === undefined) throw refusal;
    done.delete(id);
    refused(row, act, refusal, () => carryOut(row, act, key));
  } finally {
    row.classList.remove("is-saving");
  }
}

const said = (word, answer) => `Done: ${word}.${answer?.message ? ` ${answer.message}` : ""}`;

function succeeded(row, act, word, answer, back) {
  const hadFocus = document.activeElement === act;
  row.classList.add("is-done");
  act.hidden = true;
  const undo = back && button("Undo", back, "btn-quiet");
  const line = element("p", { class: "did", tabindex: "-1" }, icon("check"), element("span", { dir: "auto" }, said(word, answer)));
  row.querySelector("[data-outcome]").replaceChildren(line, undo ?? "");
  if (hadFocus || document.activeElement === document.body) (undo ?? line).focus({ preventScroll: true });
}

async function takeBack(row, act, path, undo) {
  try {
    await call(path, undo);
  } catch (refusal) {
    if (refusal.code === undefined) throw refusal;
    return refused(row, act, refusal, () => takeBack(row, act, path, undo));
  }
  done.delete(row.dataset.finding);
  again(row, act);
  row.querySelector("[data-outcome]").replaceChildren(element("p", { class: "hint" }, "Undone."));
  announce("Undone.");
  act.focus({ preventScroll: true });
  soon();
}

function again(row, act) {
  row.classList.remove("is-done");
  act.hidden = false;
}

function refused(row, act, refusal, retry) {
  const hadFocus = row.contains(document.activeElement) || document.activeElement === document.body;
  again(row, act);
  const out = refusal.code === "unauthenticated";
  // Somebody was quicker: what is suggested is worked out anew.
  const step = out ? button("Sign in", openSignIn) : refusal.code === "conflict" ? button("Look again", () => { row.querySelector("[data-outcome]").replaceChildren(); look(); })
    : refusal.retryable ? button("Try again", retry) : null;
  row.querySelector("[data-outcome]").replaceChildren(element("p", { class: "field-error", role: "alert" }, icon("ban"), element("span", { dir: "auto" }, out ? "You are signed out." : refusal.message)), step ?? "");
  if (hadFocus) act.focus({ preventScroll: true });
}

const query = new URLSearchParams(location.search);
query.set("workflow", page.dataset.workflow);
follow(page.dataset.workflow, Number(page.dataset.seq), (events) => {
  for (const event of events) document.dispatchEvent(new CustomEvent("hephaestus:event", { detail: event }));
  soon();
});
