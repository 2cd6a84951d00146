// The live board: events come in, the cards that they concern are fetched, nothing else moves.

import { Bar } from "./bar.js";
import { CardMenu, openAt } from "./cardmenu.js";
import { Board, keyOf } from "./cards.js";
import { Drag } from "./drag.js";
import { Keys } from "./keys.js";
import { Mover } from "./moves.js";
import { offer } from "./offers.js";
import { Selection } from "./select.js";
import { EventStream } from "./socket.js";

const BURST = 100; // ms: at most one request for changed cards in this time
const MAX_IDS = 30; // in one request: what is drawn in one go stays below a tenth of a second
const AGENTS_EVERY = 20_000;
const NOTICE_AFTER = 4000;

const board = new Board(document.querySelector(".board"));
const says = document.querySelector("[data-says]");
const mark = document.querySelector("[data-live]");
const changed = new Set();
const others = new Set(); // of those, what somebody else changed
let newest = board.seq;
let timer = 0;
let fetching = false;
let lastStart = 0;
let reload = false;
let times = [];
let lostAt = 0;
let retryAt = 0;

// The board's own address, also while a ticket is open over it.
const here = () => history.state?.board ?? location.href;

const get = async (address) => {
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw Object.assign(new Error(`${answer.status}`), { status: answer.status });
  return answer.json();
};

// ── changes ──

function soon(wait = Math.max(20, lastStart + BURST - Date.now())) {
  if (!timer && !fetching) timer = setTimeout(flush, wait);
}

async function flush() {
  timer = 0;
  fetching = true;
  lastStart = Date.now();
  let wait;
  const ids = [...changed];
  const own = new Set(ids.filter((id) => !others.has(id)));
  const seq = newest;
  changed.clear();
  others.clear();
  try {
    if (reload && !board.isBusy) await redraw(here());
    else {
      if (reload) wait = 500; // what is in hand would be lost
      while (ids.length) {
        const some = ids.slice(0, MAX_IDS);
        const answer = await get(board.address("cards", { ids: some.join(","), since: board.seq }));
        if (!board.apply(some, answer, own)) reload = true;
        ids.splice(0, some.length);
      }
      if (!reload) board.seq = seq;
    }
  } catch (error) {
    fetching = false;
    if (error.status >= 400 && error.status < 500) return unfit(error.status);
    for (const id of ids) {
      changed.add(id);
      if (!own.has(id)) others.add(id);
    }
    wait = 1000;
  }
  fetching = false;
  if (changed.size || reload || newest > board.seq) soon(wait);
}

// The address no longer fits the board, or the session the address: to ask again would not help.
function unfit(status) {
  reload = false;
  board.seq = newest;
  if (status === 401) saySignedOut();
  else sayLink("These filters no longer fit the board.", "Show all tickets", `/tickets?workflow=${encodeURIComponent(board.rules.workflow)}`);
}

// A person's own change: its card is fetched whether or not the event comes.
function touch(...ids) {
  for (const id of ids) changed.add(id);
  soon();
}

// The whole board anew: it is arranged otherwise, its columns changed, or events that it missed are no longer kept.
async function redraw(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const status = answer.redirected ? 401 : answer.status;
  if (status !== 200) throw Object.assign(new Error(`${status}`), { status });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector(".board");
  if (!fresh) return location.reload();
  const focused = document.activeElement?.closest("[data-ticket-id]")?.dataset.ticketId;
  const scrolled = board.lists.map((list) => [list.dataset.status, list.dataset.lane, list.scrollTop]);
  reload = false;
  board.element.className = fresh.className;
  board.element.replaceChildren(...fresh.children);
  Object.assign(board.element.dataset, fresh.dataset);
  board.readRules();
  newest = board.seq;
  for (const part of [".coltabs", "[data-summary]", "[data-fleet]"]) document.querySelector(part).replaceWith(page.querySelector(part));
  const nothing = page.querySelector("[data-nothing]");
  if (nothing) says.replaceChildren(nothing);
  else says.querySelector("[data-nothing]")?.remove();
  bar.swap(page);
  bar.fold();
  drag.watch();
  keys.watch();
  for (const [column, lane, top] of scrolled) {
    const list = board.list(column, lane);
    if (list) list.scrollTop = top;
  }
  if (focused) board.focus(focused);
  watchColumns();
}

// What a person does.

const mover = new Mover(board, touch);
const menu = new CardMenu(board, mover, touch);
const selection = new Selection(board, menu, touch);
const drag = new Drag(board, mover);
const bar = new Bar(board, (address) => redraw(address).catch((error) => {
  if (error.status === 401) return saySignedOut();
  sayButton("notice-stop", "The board did not load. What you see is what was there before.", "Try again", () => redraw(here()).then(() => says.replaceChildren(), () => {}));
}));
const withCard = (run) => (card) => { if (card && board.rules.writes) run(card); };
const keys = new Keys(board, mover, {
  "/": () => bar.find(),
  "f": () => bar.filter(),
  "x": withCard((card) => selection.toggle(card)),
  "m": withCard((card) => menu.move(card)),
  "a": withCard((card) => menu.assign(card)),
  "p": withCard((card) => menu.prioritise(card)),
  "b": withCard((card) => menu.toggleBlock(card)),
  "r": withCard((card) => menu.resolve(card)),
  "c": withCard((card) => openAt(card, "comment")),
  "e": withCard((card) => openAt(card, "edit")),
  ".": (card) => { if (card) menu.open(card); },
  "Escape": () => { if (!keys.isLifting) selection.clear(); },
});
offer((key) => {
  const link = key ? board.element.querySelector(`.card-title a[href="/tickets/${CSS.escape(key)}"]`) : document.activeElement;
  const card = link?.closest?.(".card");
  if (!card) return null;
  board.hold(card, "palette");
  return { label: keyOf(card), lines: menu.lines(card), done: () => setTimeout(() => board.release(card, "palette")) };
});

// ── connection ──

const stream = new EventStream(board.element.dataset.workflow, {
  since: () => board.seq,
  hello({ seq, oldest }) {
    // Numbers that went back (a restored backup) or events that retention took: only the whole board is true.
    if (seq < board.seq || (oldest > board.seq + 1 && seq > board.seq)) {
      reload = true;
      soon();
    }
  },
  event(event) {
    newest = Math.max(newest, event.seq);
    document.dispatchEvent(new CustomEvent("hephaestus:event", { detail: event }));
    times.push(Date.now());
    if (event.type === "board_updated") reload = true;
    if (event.ticket_id) {
      changed.add(event.ticket_id);
      if (event.agent_id !== board.rules.me) others.add(event.ticket_id);
    }
    soon();
  },
  live() {
    if (lostAt) say("Live again.", 3000);
    lostAt = 0;
    paint();
  },
  lost(at) {
    lostAt ||= Date.now();
    retryAt = at;
    paint();
  },
  async refused() {
    const answer = await fetch(board.address("cards", { ids: "" })).catch(() => null);
    if (answer?.status === 401) {
      saySignedOut();
    } else if (answer?.status === 404) {
      sayLink("This workflow is no longer yours to see.", "Other boards", "/tickets");
    } else return false;
    mark.classList.add("is-lost");
    write(mark.querySelector("[data-live-word]"), "Not live");
    write(mark.querySelector("[data-live-more]"), "");
    return true;
  },
});

function paint() {
  const now = Date.now();
  mark.classList.toggle("is-lost", lostAt > 0);
  write(mark.querySelector("[data-live-word]"), lostAt ? "Reconnecting" : "Live");
  times = times.filter((time) => now - time < 60_000);
  const rate = times.length ? `· ${times.length} event${times.length === 1 ? "" : "s"}/min` : "";
  write(mark.querySelector("[data-live-more]"), lostAt ? `· last seen ${Math.round((now - lostAt) / 1000)}s ago` : rate);
  if (lostAt && now - lostAt > NOTICE_AFTER && !says.querySelector("[data-lost]")) sayLost();
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// ── what the page says in its sub bar ──

function notice(kind, text) {
  const box = document.createElement("div");
  box.className = `notice ${kind}`;
  const line = document.createElement("p");
  line.textContent = text;
  box.append(line);
  says.replaceChildren(box);
  return box;
}

function say(text, ms) {
  const box = notice("", text);
  setTimeout(() => box.remove(), ms);
}

function sayLink(text, word, href) {
  const link = document.createElement("a");
  link.className = "btn btn-sm";
  link.href = href;
  link.textContent = word;
  notice("notice-stop", text).append(link);
}

function saySignedOut() {
  const back = encodeURIComponent(location.pathname + location.search);
  sayLink("You are signed out. The board is no longer live.", "Sign in", `/login?next=${back}`);
}

function sayLost() {
  sayButton("notice-stop", "Not live. The board may be behind; it catches up by itself.", "Try now", () => stream.retry()).dataset.lost = "";
}

function sayButton(kind, text, word, run) {
  const box = notice(kind, text);
  const button = document.createElement("button");
  button.className = "btn btn-sm";
  button.type = "button";
  button.textContent = word;
  button.addEventListener("click", run);
  box.append(button);
  return box;
}

// ── more cards: by scrolling near the end, or by the link ──

const loading = new WeakSet();

async function more(list) {
  if (!list?.dataset.next || loading.has(list)) return;
  loading.add(list);
  const { status: column, lane = "", next: after } = list.dataset;
  try {
    const answer = await get(board.address("column", { column, after, ...(lane && { lane }) }));
    board.append(list, answer.html, answer.next);
  } catch {
    say("More cards did not load. Scroll or press Show more to try again.", 6000);
  }
  loading.delete(list);
}

board.element.addEventListener("scroll", ({ target }) => {
  if (target.matches?.(".cards") && target.scrollHeight - target.scrollTop - target.clientHeight < 600) more(target);
}, { capture: true, passive: true });

board.element.addEventListener("click", (event) => {
  const link = event.target.closest("[data-more]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  more(link.closest(".col, .cell").querySelector(".cards"));
});

// ── the phone's tabs follow the column in view ──

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    for (const tab of document.querySelectorAll("[data-tab]")) {
      const here = tab.dataset.tab === target.dataset.column;
      if (here === tab.hasAttribute("aria-current")) continue;
      if (here) {
        tab.setAttribute("aria-current", "true");
        if (matchMedia("(max-width: 720px)").matches) tab.scrollIntoView({ block: "nearest", inline: "center" });
      } else tab.removeAttribute("aria-current");
    }
  }
}, { root: board.element, threshold: 0.6 });

function watchColumns() {
  watcher.disconnect();
  for (const column of board.element.querySelectorAll("[data-column]")) watcher.observe(column);
}
watchColumns();

// ── heartbeats make no event: agents' states are asked for now and then, where there are any ──

setInterval(async () => {
  const ids = [...board.element.querySelectorAll("[data-lease]")].map((card) => card.dataset.ticketId);
  while (ids.length && !(document.hidden || lostAt || fetching)) {
    const answer = await get(board.address("cards", { ids: ids.splice(0, MAX_IDS).join(",") })).catch(() => null);
    if (!answer) return;
    board.refresh(answer);
  }
}, AGENTS_EVERY);

setInterval(paint, 1000);
