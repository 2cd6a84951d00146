// A ticket as a page of its own: the same sheet, live, with its commits over it.

import { followed, goToCommit, hideCommit, isCommit, showCommit } from "./commitlink.js";
import { follow } from "./live.js";
import { offer } from "./offers.js";
import { remember } from "./recent.js";
import { Ticket } from "./ticket.js";
import { lines } from "./ticketlines.js";

const root = document.querySelector(".sheet");
const address = location.pathname;
const ticket = new Ticket(root, { open: (key) => location.assign(`/tickets/${key}`) });
remember(ticket.data.key, root.querySelector("#t-title").textContent);
offer((key) => (!key || key === ticket.data.key ? { label: ticket.data.key, lines: lines(ticket) } : null));

document.addEventListener("hephaestus:event", ({ detail }) => ticket.event(detail));
const refresh = () => ticket.refresh();
follow(ticket.data.workflow, ticket.data.seq, (_, isStale) => isStale && refresh(), refresh);

document.addEventListener("click", (event) => {
  const link = followed(event);
  if (!link) return;
  if (isCommit(link)) goToCommit(link, root);
  else if (link.closest(".commit-dialog") && link.pathname === `/tickets/${ticket.data.key}`) hideCommit();
  else return;
  event.preventDefault();
});

addEventListener("popstate", ({ state }) => {
  if (state?.commit) return void showCommit(root);
  hideCommit();
  // Reloaded out of the board's dialog, the page is one with the board in the browser's history: to go back loads it.
  if (location.pathname !== address) location.reload();
});
