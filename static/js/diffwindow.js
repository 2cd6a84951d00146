// The window on a commit, as a page of its own or in a dialog.

import { copy } from "./actions.js";
import { Files } from "./difffiles.js";
import { Navigation } from "./diffnav.js";

const KEPT = "hephaestus-diff-layout";
const narrow = matchMedia("(max-width: 720px)"); // two columns of code need room
const wanted = () => (!narrow.matches && localStorage.getItem(KEPT) === "split" ? "split" : "unified");

// within: {box, scroller, signal} of a dialog, see Navigation.
export function openWindow(main, within = {}) {
  for (const control of main.querySelectorAll("[data-copies]")) {
    control.hidden = false;
    control.addEventListener("click", () => copy(main.querySelector(`#${control.dataset.copies}`).textContent, control.dataset.what));
  }
  if (!main.querySelector(".filetree")) return;
  const files = new Files(main, wanted(), within.scroller);
  const switches = [...main.querySelectorAll("button[data-layout]")];
  const show = () => {
    for (const control of switches) control.setAttribute("aria-pressed", String(control.dataset.layout === wanted()));
    if (files.layout !== wanted()) files.setLayout(wanted());
  };
  for (const control of switches) {
    control.addEventListener("click", () => {
      localStorage.setItem(KEPT, control.dataset.layout);
      show();
    });
  }
  narrow.addEventListener("change", show, { signal: within.signal });
  show();
  new Navigation(main, files, within);
}
