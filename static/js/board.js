// The live board: events come in, the cards that they concern are fetched, nothing else moves.

import { announce, button, element } from "./actions.js";
import { age } from "./app.js";
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
const FEWEST = 20; // cards: a column that agents have emptied so far goes on
const SLOW = 300; // ms: what takes longer is seen to be under way

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
let drawing = 0; // the number of the last board that was asked for
let times = [];
let state = "Connecting"; // "Live", "Reconnecting", "Not live"
let lostAt = 0;

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
      for (const list of board.lists) if (list.children.length < (list.dataset.lane ? 1 : FEWEST)) more(list);
    }
  } catch (error) {
    fetching = false;
    if (isFinal(error.status)) return unfit(error.status);
    for (const id of ids) {
      changed.add(id);
      if (!own.has(id)) others.add(id);
    }
    wait = lostAt ? 5000 : 1000;
  }
  fetching = false;
  if (changed.size || reload || newest > board.seq) soon(wait);
}

// The address no longer fits the board, or the session the address: to ask again would not help.
const isFinal = (status) => [400, 401, 404].includes(status);

function unfit(status) {
  if (status === 401) return signedOut();
  reload = false;
  board.seq = newest;
  sayLink("These filters no longer fit the board.", "Show all tickets", `/tickets?workflow=${encodeURIComponent(board.rules.workflow)}`);
}

// A person's own change: its card is fetched whether or not the event comes.
function touch(...ids) {
  for (const id of ids) changed.add(id);
  soon();
}

// The whole board anew: it is arranged otherwise, its columns changed, or events that it missed are no longer kept.
async function redraw(address) {
  const turn = ++drawing;
  const slow = setTimeout(() => {
    board.element.ariaBusy = "true";
    announce("The board is loading.");
  }, SLOW);
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    const status = answer.redirected ? 401 : answer.status;
    if (status !== 200) throw Object.assign(new Error(`${status}`), { status });
    const text = await answer.text();
    if (turn === drawing) draw(new DOMParser().parseFromString(text, "text/html"));
  } catch (error) {
    if (turn === drawing) throw error; // else another was asked for since, and says how that went
  } finally {
    clearTimeout(slow);
    if (turn === drawing) board.element.ariaBusy = null;
  }
}

function draw(page) {
  const fresh = page.querySelector(".board");
  if (!fresh) return location.reload();
  if (board.isBusy) { // what is in hand would be lost
    reload = true;
    return soon(500);
  }
  const focused = document.activeElement?.closest("[data-ticket-id]")?.dataset.ticketId;
  const scrolled = board.lists.map((list) => [list.dataset.status, list.dataset.lane, list.scrollTop]);
  reload = false;
  board.replace(fresh);
  newest = Math.max(newest, board.seq);
  for (const part of [".coltabs", "[data-summary]", "[data-fleet]"]) document.querySelector(part).replaceWith(page.querySelector(part));
  says.replaceChildren(...page.querySelector("[data-says]").children);
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
const bar = new Bar(board, show);
const withCard = (run) => (card) => {
  if (!card || !board.rules.writes) return;
  const field = card.querySelector(".card-form textarea");
  if (field) field.focus(); // one thing at a time
  else run(card);
};
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

// The board of another address; false where it does not come.
async function show(address) {
  for (const form of board.element.querySelectorAll(".card-form")) form.dispatchEvent(new Event("cancel"));
  try {
    await redraw(address);
    return true;
  } catch (error) {
    if (isFinal(error.status)) unfit(error.status);
    else note("notice-stop", "The board did not load. What you see is what was there before.", button("Try again", () => show(here())));
    return false;
  }
}

// ── connection ──

const stream = new EventStream(board.element.dataset.workflow, {
  since: () => board.seq,
  hello({ seq, oldest }) {
    // Numbers that went back (a restored backup) or events that retention took: only the whole board is true.
    if (seq < board.seq || (oldest > board.seq + 1 && seq > board.seq)) {
      newest = seq;
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
      if (loading.size) late.add(event.ticket_id);
      if (event.agent_id !== board.rules.me) others.add(event.ticket_id);
    }
    soon();
  },
  live() {
    if (state === "Not live") reload = true; // somebody signed in again, who may be somebody else
    clearTimeout(timer);
    timer = 0;
    soon();
    if (lostAt) say("Live again.", 3000);
    state = "Live";
    lostAt = 0;
    paint();
  },
  lost() {
    state = "Reconnecting";
    lostAt ||= Date.now();
    paint();
  },
  async refused() {
    const answer = await fetch(board.address("cards", { ids: "" })).catch(() => null);
    if (answer?.status === 401) signedOut();
    else if (answer?.status === 404) {
      notLive();
      sayLink("This workflow is no longer yours to see.", "Other boards", "/tickets");
    } else return false;
    return true;
  },
});

function notLive() {
  state = "Not live";
  lostAt ||= Date.now();
  paint();
}

function signedOut() {
  stream.rest();
  notLive();
  const back = encodeURIComponent(location.pathname + location.search);
  sayLink("You are signed out. The board is no longer live.", "Sign in", `/login?next=${back}`);
}

function paint() {
  const now = Date.now();
  mark.classList.toggle("is-lost", lostAt > 0);
  write(mark.querySelector("[data-live-word]"), state);
  times = times.filter((time) => now - time < 60_000);
  const rate = times.length ? `· ${times.length} event${times.length === 1 ? "" : "s"}/min` : "";
  write(mark.querySelector("[data-live-more]"), lostAt ? `· last seen ${age(new Date(lostAt).toISOString(), now)} ago` : rate);
  if (state === "Reconnecting" && now - lostAt > NOTICE_AFTER && !says.querySelector("[data-lost]")) sayLost();
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// ── what the page says in its sub bar ──

let notice = null; // beside what the server says

function note(kind, text, ...steps) {
  notice?.remove();
  notice = element("div", { class: `notice ${kind}` }, element("p", {}, text), ...steps);
  says.append(notice);
  return notice;
}

function say(text, ms) {
  const box = note("", text);
  setTimeout(() => box.remove(), ms);
}

function sayLink(text, word, href) {
  note("notice-stop", text, element("a", { class: "btn btn-sm", href }, word));
}

function sayLost() {
  note("notice-stop", "Not live. The board may be behind; it catches up by itself.", button("Try now", () => stream.retry())).dataset.lost = "";
}

// ── more cards: by scrolling near the end, or by the link ──

const loading = new Set(); // lists
const late = new Set(); // what changed meanwhile: the answer may not know of it

async function more(list) {
  if (!list?.dataset.next || loading.has(list)) return;
  loading.add(list);
  const { status: column, lane = "", next: after } = list.dataset;
  const foot = list.parentElement.querySelector(":scope > .col-more");
  foot.ariaBusy = "true";
  try {
    const answer = await get(board.address("column", { column, after, ...(lane && { lane }) }));
    const stale = board.append(list, answer.html, answer.next).filter((id) => late.has(id));
    if (stale.length) touch(...stale);
  } catch {
    say("More cards did not load. Scroll or press Show more to try again.", 6000);
  }
  foot.ariaBusy = null;
  loading.delete(list);
  if (!loading.size) late.clear();
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
  // Filtered by them, cards come and go without an event, too.
  if (new URLSearchParams(board.rules.query).has("state") && !document.hidden && !lostAt) {
    reload = true;
    soon();
  }
}, AGENTS_EVERY);

setInterval(paint, 1000);
