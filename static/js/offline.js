// The page for when the server is away: it asks now and then, and opens what was asked for once there is an answer.

const FIRST = 1000, LONGEST = 10_000; // ms
const state = document.querySelector("[data-offline-state]");
const theme = /(?:^|; )hephaestus_theme=(light|dark)/.exec(document.cookie)?.[1];
// Kept once for all, so the cookie is read here.
if (theme) document.documentElement.dataset.theme = theme;
else delete document.documentElement.dataset.theme;

let wait = FIRST;
let timer = 0;
let asking = false;

async function ask() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  const answer = await fetch("/livez", { cache: "no-store" }).catch(() => null);
  asking = false;
  if (answer?.ok) {
    state.textContent = "It answers again.";
    if (location.pathname === "/offline") location.replace("/tickets");
    else location.reload();
    return;
  }
  state.textContent = navigator.onLine ? "Asking again by itself." : "This device has no network. Asking again once it has.";
  timer = setTimeout(ask, wait);
  wait = Math.min(wait * 1.5, LONGEST);
}

const soon = () => { wait = FIRST; ask(); };
document.querySelector("[data-offline-retry]").addEventListener("click", () => { state.textContent = "Asking…"; soon(); });
addEventListener("online", soon);
document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
ask();
