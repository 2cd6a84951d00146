// The window on a commit as a page.

import { openWindow } from "./diffwindow.js";

const address = location.pathname;
openWindow(document.querySelector("[data-commit]"));

// Reloaded out of a dialog, the page is one with what is under it in the browser's history: to go back loads that.
addEventListener("popstate", () => { if (location.pathname !== address) location.reload(); });
