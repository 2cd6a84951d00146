// A commit over what is open: the same window as on its page. The addresses are commitlink.js's to keep.

import { element, icon } from "./actions.js";
import { openWindow } from "./diffwindow.js";
import { styles } from "./styles.js";
import { parse } from "./ticketparts.js";

let dialog = null;
let shown = null; // the AbortController of the commit that is shown
let titleBefore = "";
let ended = () => {}; // what is told that it was closed

export const isOpen = () => Boolean(dialog?.open);
export const hide = () => dialog?.close();

// show("/commits/1f3a9c2?workflow=shop", (closed) => …)
export async function show(address, onclose) {
  const url = new URL(address, location.origin);
  const sha = url.pathname.split("/")[2];
  if (!dialog) make();
  ended = onclose ?? ended;
  shown?.abort();
  const { signal } = shown = new AbortController();
  const scroller = element("div", { class: "commit-scroll", tabindex: "-1" }, heading(sha.slice(0, 7)));
  scroller.setAttribute("aria-busy", "true");
  dialog.replaceChildren(closer(), scroller);
  if (!dialog.open) {
    titleBefore = document.title;
    dialog.showModal();
  }
  scroller.focus({ preventScroll: true });
  try {
    // Measured before it is styled, nothing would be where it is.
    const [text] = await Promise.all([read(url, signal), styles("diff")]);
    if (signal.aborted) return;
    scroller.replaceChildren(parse(text));
    const main = scroller.querySelector("[data-commit]");
    document.title = `${sha.slice(0, 7)} ${main.querySelector("h1").textContent.slice(0, 80)} · Hephaestus Tickets`;
    main.querySelector("[data-back]").remove();
    openWindow(main, { box: dialog, scroller, signal });
  } catch (error) {
    if (signal.aborted) return;
    const again = element("button", { class: "btn", type: "button", onclick: () => show(address) }, icon("retry"), "Try again");
    scroller.replaceChildren(heading("This commit cannot be shown"), element("div", { class: "commit-failure" },
      element("p", { dir: "auto", role: "alert" }, error.message), element("p", { class: "btn-row" }, again, element("a", { class: "btn", href: address, "data-leave": true }, "Open its page"))));
    again.focus();
  } finally {
    scroller.removeAttribute("aria-busy");
  }
}

async function read(url, signal) {
  const answer = await fetch(`${url.pathname}/window${url.search}`, { headers: { Accept: "text/html" }, signal }).catch(() => null);
  if (answer?.ok) return answer.text();
  const data = await answer?.json().catch(() => null);
  throw new Error(data?.error?.message ?? (answer ? `The server answered ${answer.status}.` : "The server did not answer."));
}

function make() {
  dialog = element("dialog", { class: "dialog commit-dialog", "aria-labelledby": "commit-title", onclose: () => {
    shown?.abort();
    dialog.replaceChildren();
    document.title = titleBefore;
    ended();
  } });
  let outside = false; // a selection that is drawn out of the dialog is no click beside it
  dialog.addEventListener("pointerdown", ({ target }) => { outside = target === dialog; });
  dialog.addEventListener("click", ({ target }) => { if (outside && target === dialog) dialog.close(); });
  document.body.append(dialog);
}

const heading = (text) => element("header", { class: "commit-head" }, element("h1", { id: "commit-title" }, text));

function closer() {
  return element("button", { class: "btn-icon commit-close", type: "button", "aria-label": "Close the commit", onclick: hide }, icon("x"));
}
