// Opens tickets over the board: the address changes, back closes, a reload shows the page of its own.

import { announce, element, icon } from "./actions.js";
import { followed, goToCommit, hideCommit, isCommit, showCommit } from "./commitlink.js";
import { offer } from "./offers.js";
import { remember } from "./recent.js";

const TICKET = /^\/tickets\/([A-Za-z][A-Za-z0-9]*-[1-9][0-9]*)$/;
const FRESH = 4000; // ms: so long what was fetched ahead is shown
const NEAR = 90; // ms: a pointer that only passes by fetches nothing

let dialog = null;
let ticket = null;
let fetched = null; // {key, at, html}
let timer = 0;
let boardTitle = document.title;
let trail = null; // {keys, at, list, isLeft}: the column that the person came from, where in it they are, whether they went on
let lines = null;

const keyOf = (link) => (link && link.origin === location.origin ? TICKET.exec(link.pathname)?.[1] : null);
const load = () => Promise.all([import("./ticket.js"), import("./ticketlines.js")]).then(([made, offers]) => {
  lines = offers.lines;
  return made;
});

function ahead(key) {
  if (fetched?.key !== key || Date.now() - fetched.at > FRESH) {
    const html = fetch(`/tickets/${key}/sheet`, { headers: { Accept: "text/html" } }).then(async (answer) => {
      if (answer.ok) return answer.text();
      throw Object.assign(new Error(`${answer.status}`), { status: answer.status });
    });
    html.catch(() => {});
    fetched = { key, at: Date.now(), html };
  }
  return fetched.html;
}

// ── the pointer or the focus rests on a card: it may be opened next ──

for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, ({ target }) => {
    const key = keyOf(target.closest?.(".card")?.querySelector(".card-title a"));
    if (!key || target.closest("dialog")) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      load();
      ahead(key).catch(() => {});
    }, NEAR);
  }, { passive: true });
}

document.addEventListener("click", (event) => {
  const link = followed(event);
  if (!link) return;
  const key = keyOf(link);
  const leadsToCommit = dialog?.open && isCommit(link);
  if (!key && !leadsToCommit) return;
  event.preventDefault();
  if (leadsToCommit) goToCommit(link, dialog);
  else if (link.closest(".commit-dialog") && key === ticket?.data.key) hideCommit();
  else go(key);
});

// What has only a key, and no link; `act`: to comment or edit at once.
document.addEventListener("hephaestus:open", (event) => {
  event.preventDefault();
  const { key, act } = event.detail.key ? event.detail : { key: event.detail };
  go(key, act);
});

function go(key, act) {
  setOut(key);
  const { board = location.pathname + location.search, depth = 0 } = history.state?.ticket ? history.state : {};
  history.pushState({ ticket: key, board, depth: depth + 1 }, "", `/tickets/${key}`);
  hideCommit();
  show(key, act);
}

// ── the ticket before and after, in the order of the column that the person came from ──

const cardOf = (key) => document.querySelector(`.board .card-title a[href="/tickets/${CSS.escape(key)}"]`)?.closest(".card");
const keysOf = (list) => [...list.querySelectorAll(":scope > .card .card-title a")].map(keyOf);

function setOut(key) {
  const list = cardOf(key)?.closest(".cards");
  if (list && !dialog?.open) trail = { keys: keysOf(list), at: 0, list, isLeft: false };
}

// The order stays, whatever moves meanwhile; cards that the column has loaded since come last.
function goOn() {
  if (!trail.list.isConnected) return;
  for (const key of keysOf(trail.list)) if (!trail.keys.includes(key)) trail.keys.push(key);
  if (trail.at > trail.keys.length - 4) trail.list.closest(".col, .cell").querySelector("[data-more]")?.click();
}

function step(way) {
  if (!trail) return;
  goOn();
  const key = trail.keys[trail.at + way];
  if (!key) return announce(way > 0 ? "This is the last of the column." : "This is the first of the column.");
  trail.isLeft = true;
  const pressed = document.activeElement?.dataset.step;
  history.replaceState({ ...history.state, ticket: key }, "", `/tickets/${key}`);
  show(key).then(() => pressed && dialog.querySelector(`[data-step="${pressed}"]`)?.focus());
}

function paintTrail(key) {
  const at = trail?.keys.indexOf(key) ?? -1;
  if (at >= 0) trail.at = at;
  if (!trail) return;
  goOn();
  const total = Math.max(Number(trail.list.closest("[data-total]")?.dataset.total ?? 0), trail.keys.length);
  const place = dialog.querySelector("[data-place]");
  if (place && at >= 0) place.textContent = `${at + 1} of ${total} in this column`;
  for (const button of dialog.querySelectorAll("[data-step]")) {
    button.hidden = false;
    button.setAttribute("aria-disabled", String(!trail.keys[trail.at + Number(button.dataset.step)]));
  }
}

const WAYS = { "j": 1, "]": 1, "k": -1, "[": -1 };

function stepped(event) {
  const way = event.target.closest?.("[data-step]")?.dataset.step;
  if (event.type === "click") return way && step(Number(way));
  if (event.defaultPrevented || !(event.key in WAYS) || ((event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState("AltGraph"))) return;
  if (localStorage.getItem("hephaestus-single-keys-off") || event.target.closest("input, textarea, select, [popover], form")) return;
  event.preventDefault();
  step(WAYS[event.key]);
}

offer((key) => (ticket && dialog?.open && (!key || key === ticket.data.key) ? { label: ticket.data.key, lines: lines(ticket, trail && step) } : null));

// Before the board's own, which would take the address for the board's.
addEventListener("popstate", (event) => {
  const { ticket: key, commit } = event.state ?? {};
  if (!commit) hideCommit();
  if (key && (ticket?.data.key !== key || !dialog.open)) show(key);
  else if (!key && dialog?.open) dialog.close();
  else if (!key) return;
  if (commit) showCommit(dialog);
  event.stopImmediatePropagation();
});

async function show(key, act) {
  clearTimeout(timer);
  const html = ahead(key);
  fetched = null;
  ticket = null;
  if (!dialog) make();
  const sheet = element("div", { class: "sheet-root" });
  sheet.append(...skeleton(key));
  dialog.replaceChildren(sheet);
  if (!dialog.open) {
    boardTitle = document.title;
    dialog.showModal();
  }
  try {
    const [{ Ticket, parse }, text] = await Promise.all([load(), html]);
    if (!sheet.isConnected) return; // another was opened, or none is wanted any more
    sheet.replaceChildren(parse(text));
    ticket = new Ticket(sheet, { close: () => dialog.close(), open: go });
    remember(key, sheet.querySelector("#t-title").textContent);
    paintTrail(key);
    document.title = `${key} ${sheet.querySelector("#t-title").textContent.slice(0, 80)} · Hephaestus Tickets`;
    sheet.querySelector(".panel-main").focus({ preventScroll: true });
    if (act === "comment") ticket.comments.write();
    else if (act) ticket.fields.edit("description");
  } catch (error) {
    if (error.status === undefined && !(error instanceof TypeError)) throw error;
    sheet.replaceChildren(...failure(key, error.status));
    sheet.querySelector(".sheet-failure a, .sheet-failure button").focus();
  }
}

function make() {
  dialog = element("dialog", { class: "dialog sheet", "aria-labelledby": "t-title", onclose: closed });
  let outside = false; // a selection that is drawn out of the dialog is no click beside it
  dialog.addEventListener("pointerdown", ({ target }) => { outside = target === dialog; });
  dialog.addEventListener("click", ({ target }) => { if (outside && target === dialog) dialog.close(); });
  for (const kind of ["click", "keydown"]) dialog.addEventListener(kind, stepped);
  document.body.append(dialog);
}

// What is known of it already; the rest comes in a moment.
function skeleton(key) {
  const link = [...document.querySelectorAll(".board .card-title a")].find((one) => keyOf(one) === key);
  return [
    element("header", { class: "dialog-head" },
      element("div", { class: "crumbs" }, element("span", { class: "key" }, key), element("span", { class: "end" }, closer())),
      element("h1", { class: "dialog-title", id: "t-title", dir: "auto" }, link?.textContent ?? key)),
    element("div", { class: "dialog-body is-loading", "aria-busy": "true" }, element("div", { class: "panel-main" }), element("div", { class: "panel-side" })),
  ];
}

function failure(key, status) {
  const why = { 401: "You are signed out.", 404: "There is no such ticket, or it is not yours to see." }[status] ?? "The ticket did not load.";
  const step = status === 401 ? element("a", { class: "btn", href: `/login?next=${encodeURIComponent(`/tickets/${key}`)}` }, "Sign in")
    : element("button", { class: "btn", type: "button", onclick: () => show(key) }, "Try again");
  return [
    element("header", { class: "dialog-head" }, element("div", { class: "crumbs" }, element("span", { class: "key" }, key), element("span", { class: "end" }, closer())),
      element("h1", { class: "dialog-title", id: "t-title" }, why)),
    element("div", { class: "sheet-failure" }, element("p", { class: "btn-row" }, step)),
  ];
}

function closer() {
  return element("button", { class: "btn-icon", type: "button", "aria-label": "Close", onclick: () => dialog.close() }, icon("x"));
}

function closed() {
  const id = dialog.dataset.ticketId;
  const last = trail?.isLeft ? cardOf(trail.keys[trail.at]) : null;
  trail = null;
  ticket = null;
  dialog.replaceChildren();
  delete dialog.dataset.ticketId;
  document.title = boardTitle;
  if (history.state?.ticket) history.go(-history.state.depth);
  // To the card of the ticket that was seen last, which may have been drawn anew meanwhile.
  last?.querySelector(".card-title a").focus({ preventScroll: true });
  last?.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (document.activeElement === document.body && id) document.querySelector(`.board [data-ticket-id="${CSS.escape(id)}"] .card-title a`)?.focus({ preventScroll: true });
}

// What the board hears of, it tells.
document.addEventListener("hephaestus:event", ({ detail }) => {
  if (detail.ticket_id) fetched = null;
  ticket?.event(detail);
});
