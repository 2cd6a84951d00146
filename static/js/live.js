// A page that follows a workflow's events: tells what happened, several at a time, and says whether it is live.

import { EventStream } from "./socket.js";

const BURST = 250; // ms: what happens within it is told together
const mark = document.querySelector("[data-live]");

function paint(word, isLost) {
  if (!mark) return;
  mark.classList.toggle("is-lost", isLost);
  const text = mark.querySelector("[data-live-word]");
  if (text.textContent !== word) text.textContent = word;
}

// follow("forge", 17, (events, isStale) => …): events after number 17. `isStale`: some are missing, ask for everything.
// `refused`: called when the person may no longer follow.
export function follow(workflow, seq, tell, refused = () => {}) {
  let waiting = [];
  let isStale = false;
  let timer = 0;
  const soon = () => { timer ||= setTimeout(flush, BURST); };
  async function flush() {
    const [events, stale] = [waiting, isStale];
    [waiting, isStale] = [[], false];
    await Promise.resolve(tell(events, stale)).catch(() => {});
    timer = 0;
    if (waiting.length || isStale) soon();
  }
  return new EventStream(workflow, {
    since: () => seq,
    hello(message) {
      if (message.seq < seq || message.oldest > seq + 1) {
        seq = message.seq;
        isStale = true;
        soon();
      }
    },
    event(event) {
      seq = Math.max(seq, event.seq);
      document.dispatchEvent(new CustomEvent("hephaestus:event", { detail: event }));
      waiting.push(event);
      soon();
    },
    live: () => paint("Live", false),
    lost: () => paint("Reconnecting", true),
    async refused() {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" }).catch(() => null);
      if (!answer || answer.ok) return false;
      paint("Not live", true);
      refused();
      return true;
    },
  });
}
