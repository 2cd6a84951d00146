// A ticket as a page of its own: the same sheet, with an event stream of its own.

import { EventStream } from "./socket.js";
import { Ticket } from "./ticket.js";
import { lines } from "./ticketlines.js";
import { offer } from "./offers.js";
import { remember } from "./recent.js";

const root = document.querySelector(".sheet");
const address = location.pathname;
const ticket = new Ticket(root, { open: (key) => location.assign(`/tickets/${key}`) });
let seq = ticket.data.seq;
remember(ticket.data.key, root.querySelector("#t-title").textContent);
offer((key) => (!key || key === ticket.data.key ? { label: ticket.data.key, lines: lines(ticket) } : null));

new EventStream(ticket.data.workflow, {
  since: () => seq,
  hello: (message) => {
    // Numbers that went back, or events that are no longer kept: what is shown may be old.
    if (message.seq < seq || message.oldest > seq + 1) ticket.refresh().catch(() => {});
    seq = Math.max(seq, message.seq < seq ? message.seq : seq);
  },
  event: (event) => {
    seq = Math.max(seq, event.seq);
    ticket.event(event);
  },
  live: () => root.classList.remove("is-lost"),
  lost: () => root.classList.add("is-lost"),
  async refused() {
    const answer = await fetch(`/tickets/${ticket.data.id}/sheet`).catch(() => null);
    if (answer?.status !== 401 && answer?.status !== 404) return false;
    await ticket.refresh();
    return true;
  },
});

// Reloaded out of the board's dialog, the page is one with the board in the browser's history: to go back loads it.
addEventListener("popstate", () => { if (location.pathname !== address) location.reload(); });
