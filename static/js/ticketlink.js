// Opens tickets over the board: the address changes, back closes, a reload shows the page of its own.

import { element, icon } from "./actions.js";

const TICKET = /^\/tickets\/([A-Za-z][A-Za-z0-9]*-[1-9][0-9]*)$/;
const FRESH = 4000; // ms: so long what was fetched ahead is shown
const NEAR = 90; // ms: a pointer that only passes by fetches nothing

let dialog = null;
let ticket = null;
let fetched = null; // {key, at, html}
let timer = 0;
let boardTitle = document.title;

const keyOf = (link) => (link && link.origin === location.origin ? TICKET.exec(link.pathname)?.[1] : null);
const load = () => import("./ticket.js");

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
  const link = event.target.closest?.("a[href]");
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (!link || link.matches("[data-leave], [target]")) return;
  const key = keyOf(link);
  if (!key) return;
  event.preventDefault();
  go(key);
});

// What has only a key, and no link.
document.addEventListener("hephaestus:open", ({ detail }) => go(detail));

function go(key) {
  const { board = location.pathname + location.search, depth = 0 } = history.state?.ticket ? history.state : {};
  history.pushState({ ticket: key, board, depth: depth + 1 }, "", `/tickets/${key}`);
  show(key);
}

// Before the board's own, which would take the address for the board's.
addEventListener("popstate", (event) => {
  const key = event.state?.ticket;
  if (key) show(key);
  else if (dialog?.open) dialog.close();
  else return;
  event.stopImmediatePropagation();
});

async function show(key) {
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
    document.title = `${key} ${sheet.querySelector("#t-title").textContent.slice(0, 80)} · Hephaestus Tickets`;
    sheet.querySelector(".panel-main").focus({ preventScroll: true });
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
  ticket = null;
  dialog.replaceChildren();
  delete dialog.dataset.ticketId;
  document.title = boardTitle;
  if (history.state?.ticket) history.go(-history.state.depth);
  // The card may have been drawn anew meanwhile.
  if (document.activeElement === document.body && id) document.querySelector(`.board [data-ticket-id="${CSS.escape(id)}"] .card-title a`)?.focus({ preventScroll: true });
}

// What the board hears of, it tells.
document.addEventListener("hephaestus:event", ({ detail }) => {
  if (detail.ticket_id) fetched = null;
  ticket?.event(detail);
});
