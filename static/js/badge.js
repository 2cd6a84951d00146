// How much waits for a person, beside "Attention" on every page: asked for once the page stands, and after events.

import { element } from "./actions.js";

const LEAST = 3000; // ms between two questions, however many events there are
const SHARE = 20; // nor more of them than a twentieth of the time goes into
const EVERY = 60_000; // leases run out without an event

const link = document.querySelector("[data-count]");
let timer = 0;
let next = 0;

function soon() {
  timer ||= setTimeout(ask, Math.max(0, next - Date.now()));
}

async function ask() {
  timer = 0;
  if (document.hidden) return;
  const started = Date.now();
  next = started + LEAST;
  const answer = await fetch(link.dataset.count, { headers: { Accept: "application/json" } }).catch(() => null);
  if (answer?.ok) paint(await answer.json());
  next = started + Math.max(LEAST, (Date.now() - started) * SHARE);
}

function paint({ count, has_more: more }) {
  const text = count > 99 ? "99+" : `${count}${more ? "+" : ""}`;
  const old = link.querySelector(".badge");
  if (old?.firstChild.data === text) return;
  old?.remove();
  if (count) link.append(element("span", { class: "badge badge-hot" }, text, element("span", { class: "vh" }, count === 1 ? " needs a person" : " need a person")));
}

if (link) {
  soon();
  document.addEventListener("hephaestus:event", soon);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  setInterval(soon, EVERY);
}
