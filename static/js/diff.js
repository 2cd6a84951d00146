// The window on a commit.

import { copy } from "./actions.js";
import { Files } from "./difffiles.js";
import { Navigation } from "./diffnav.js";

const KEPT = "hephaestus-diff-layout";
const main = document.querySelector("[data-commit]");
const narrow = matchMedia("(max-width: 720px)"); // two columns of code need room
const wanted = () => (!narrow.matches && localStorage.getItem(KEPT) === "split" ? "split" : "unified");

for (const control of main.querySelectorAll("[data-copies]")) {
  control.hidden = false;
  control.addEventListener("click", () => copy(document.getElementById(control.dataset.copies).textContent, control.dataset.what));
}

if (main.querySelector(".filetree")) {
  const files = new Files(main, wanted());
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
  narrow.addEventListener("change", show);
  show();
  new Navigation(main, files);
}
