// The board as it was: steps, play and the slider replace what is shown, and keep focus, scroll and the address.

import { announce, icon } from "./actions.js";

const QUIET = "hephaestus-single-keys-off";
const main = document.querySelector("[data-past]");
const parse = (html) => new DOMParser().parseFromString(html, "text/html");

// ── from one moment to another ──

let running = null; // the request under way: a newer one takes its place

// Shows another moment. Whether it came to be shown.
async function go(address, { quiet = false } = {}) {
  running?.abort();
  const mine = (running = new AbortController());
  main.classList.add("is-loading");
  let page = null;
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: mine.signal });
    if (answer.ok && !answer.redirected) page = parse(await answer.text());
  } catch {
    if (mine.signal.aborted) return false;
  }
  if (running !== mine) return false;
  running = null;
  main.classList.remove("is-loading");
  // Signed out, gone, no server: the page itself says so.
  if (!page?.querySelector("[data-past]")) {
    location.assign(address);
    return false;
  }
  swap(page);
  history.replaceState(null, "", address);
  document.title = page.title;
  if (!quiet) announce(spoken());
  return true;
}

function swap(page) {
  const scrolls = new Map([...main.querySelectorAll("[data-status]")].map((list) => [list.dataset.status, list.scrollTop]));
  const held = document.activeElement;
  const { step, then } = held?.dataset ?? {};
  const inPanel = Boolean(held?.closest("[data-part=panel]"));
  for (const part of main.querySelectorAll("[data-part]")) {
    const next = page.querySelector(`[data-part="${part.dataset.part}"]`);
    if (part.dataset.part === "time") swapTime(part, next);
    else part.replaceChildren(...next.childNodes);
  }
  for (const list of main.querySelectorAll("[data-status]")) list.scrollTop = scrolls.get(list.dataset.status) ?? 0;
  mark();
  if (held?.isConnected) return;
  const again = step ? main.querySelector(`[data-step="${step}"][href]`) ?? main.querySelector("[data-step][href]")
    : then ? main.querySelector(".past-panel")
    : inPanel ? main.querySelector(".past-panel, [data-part=board]") : null;
  again?.focus({ preventScroll: true });
}

// The controls stay themselves: somebody may be holding the slider.
function swapTime(part, next) {
  for (const step of part.querySelectorAll("[data-step]")) step.replaceWith(next.querySelector(`[data-step="${step.dataset.step}"]`));
  for (const name of ["#past-place", "#past-local"]) {
    const [old, fresh] = [part.querySelector(name), next.querySelector(name)];
    if (old.matches(":active") || (old === document.activeElement && name === "#past-local")) continue;
    old.value = fresh.value;
    if (fresh.ariaValueText) old.ariaValueText = fresh.ariaValueText;
  }
  for (const form of part.querySelectorAll("form")) {
    form.querySelector("[name=ticket]")?.remove();
    const ticket = next.querySelector("[name=ticket]");
    if (ticket) form.append(ticket.cloneNode());
  }
}

const spoken = () => [...main.querySelectorAll(".past-said li, .past-said > p")].map((line) => line.innerText.trim()).join(". ") + `. ${main.querySelector(".past-bar time").textContent}`;

// The card whose values are beside the board.
function mark() {
  const key = main.querySelector(".past-panel .key")?.textContent;
  for (const link of main.querySelectorAll("[data-then]")) {
    if (link.dataset.then === key) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

const plain = (event) => !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

main.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-go]");
  if (!link || !plain(event)) return;
  event.preventDefault();
  if (link.dataset.step) stop();
  go(link.href);
});

for (const form of main.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    stop();
    go(`/board-at?${new URLSearchParams(new FormData(form))}`);
  });
}

// ── the slider ──

const slider = main.querySelector("#past-place");
const [first, now] = [Date.parse(main.dataset.first), Date.parse(main.dataset.now)];
const words = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long", timeZone: main.dataset.zone });

slider.addEventListener("input", () => {
  const said = words.format(first + ((now - first) * slider.value) / slider.max);
  slider.ariaValueText = said;
  main.querySelector(".past-bar time").textContent = said;
});
slider.addEventListener("change", () => slider.form.requestSubmit());

// ── play ──

const play = main.querySelector("[data-play]");
const rate = main.querySelector("[data-rate]");
let timer = 0;

function stop() {
  clearTimeout(timer);
  timer = 0;
  paint();
}

function paint() {
  const on = timer !== 0;
  play.setAttribute("aria-pressed", String(on));
  play.querySelector("[data-play-word]").textContent = on ? "Pause" : "Play";
  play.querySelector(".icon").replaceWith(icon(on ? "pause" : "play"));
}

async function tick() {
  const began = performance.now();
  const next = main.querySelector('[data-step="next"][href]');
  if (!next) {
    stop();
    return announce("The newest change is reached.");
  }
  if (!(await go(next.href, { quiet: true }))) return stop();
  if (timer) timer = setTimeout(tick, Math.max(1000 / Number(rate.value) - (performance.now() - began), 50));
}

function toggle() {
  if (timer) {
    stop();
    return announce(spoken());
  }
  timer = setTimeout(tick);
  paint();
}

play.hidden = main.querySelector("[data-speed]").hidden = false;
play.addEventListener("click", toggle);
document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); });

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || !plain(event) || localStorage.getItem(QUIET)) return;
  if (event.target.closest("input, textarea, select, dialog, [popover]")) return;
  const step = { ",": "previous", ".": "next" }[event.key];
  if (event.key.toLowerCase() === "p") toggle();
  else if (step) main.querySelector(`[data-step="${step}"][href]`)?.click();
  else return;
  event.preventDefault();
});

// ── more of a column ──

main.addEventListener("click", async (event) => {
  const more = event.target.closest("a[data-more]");
  if (!more || !plain(event)) return;
  event.preventDefault();
  const query = new URL(more.href).searchParams;
  const answer = await fetch(`/board-at/column?${query}`, { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer?.ok) return void location.assign(more.href);
  const { html, next } = await answer.json();
  const list = more.closest(".col").querySelector(".cards");
  const count = list.children.length;
  list.insertAdjacentHTML("beforeend", html);
  list.children[count]?.querySelector(".card-title a").focus();
  announce(`${list.children.length - count} more cards.`);
  if (next === null) return void more.closest(".col-more").remove();
  query.set("offset", next);
  more.closest(".col-more").querySelector("[data-shown]").textContent = next.toLocaleString("en");
  more.href = `/board-at?${query}#${more.closest(".col").id}`;
});

mark();
