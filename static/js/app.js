// Every page: the theme, menus, copy buttons, times that stay current, and the first-run page that waits.

const root = document.documentElement;

// The theme lives in a cookie so that the server paints the first pixel in it; the form also works without script.
function setTheme(theme) {
  const kept = theme === "light" || theme === "dark";
  document.cookie = `hephaestus_theme=${kept ? theme : ""}; path=/; samesite=lax; max-age=${kept ? 31536000 : 0}`;
  if (kept) root.dataset.theme = theme;
  else delete root.dataset.theme;
  for (const button of document.querySelectorAll("[data-theme-form] [aria-pressed]")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
  const next = { system: "light", light: "dark", dark: "system" };
  for (const button of document.querySelectorAll("[data-theme-toggle]")) {
    button.value = next[theme];
    button.setAttribute("aria-label", `Theme: ${theme}`);
  }
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-theme-form]") || !event.submitter) return;
  event.preventDefault();
  setTheme(event.submitter.value);
});

// Menus are <details>: the browser opens them; Esc, a click elsewhere and focus elsewhere close them.
const drops = () => document.querySelectorAll("[data-drop][open]");
const closeOthers = (target) => {
  for (const drop of drops()) if (!drop.contains(target)) drop.open = false;
};
document.addEventListener("click", (event) => closeOthers(event.target));
document.addEventListener("focusin", (event) => closeOthers(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const drop of drops()) {
    if (drop.contains(document.activeElement)) drop.querySelector("summary").focus();
    drop.open = false;
  }
});

// The palette, the form of a new ticket and the help come when they are asked for.
const openers = { "palette": () => import("./palette.js"), "new-ticket": () => import("./newticket.js"), "help": () => import("./help.js") };
const opener = (name) => document.querySelector(`[data-opens="${name}"]`);
function openOver(name) {
  // What is typed before it is there goes into it, instead of being taken for shortcuts of the page.
  let typed = "";
  const keep = (event) => {
    if (event.key.length !== 1 || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    typed += event.key;
  };
  addEventListener("keydown", keep, { capture: true });
  openers[name]().then((loaded) => loaded.open()).then(() => {
    const field = document.activeElement;
    if (!typed || !field.matches("input, textarea")) return;
    field.value += typed;
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }).catch((error) => {
    if (!opener(name)?.href) throw error;
    location.assign(opener(name).href);
  }).finally(() => removeEventListener("keydown", keep, { capture: true }));
}
document.addEventListener("click", (event) => {
  const asked = event.target.closest("[data-opens]");
  if (!asked || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || asked.matches("[aria-current]")) return;
  event.preventDefault();
  openOver(asked.dataset.opens);
});
addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (!document.querySelector("[data-palette]") || event.altKey || event.repeat) return;
  if (event.ctrlKey || event.metaKey) {
    if (key.toLowerCase() !== "k" || event.shiftKey) return;
    event.preventDefault();
    return openOver("palette");
  }
  const name = { "/": "palette", "n": opener("new-ticket") && "new-ticket", "?": "help" }[key];
  if (!name || localStorage.getItem("hephaestus-single-keys-off") || target.closest?.("input, textarea, select, [contenteditable], [popover]")) return;
  const over = [...document.querySelectorAll("dialog:modal")].at(-1);
  if (over && !over.matches(".sheet")) return;
  const field = over ? null : document.querySelector("main input[type=search]");
  if (key === "/" && !field) event.preventDefault(); // in Firefox it would search the page
  // A page's own meaning of a key comes first, and the page may hear of it after this.
  setTimeout(() => {
    if (event.defaultPrevented && !(key === "/" && !field)) return;
    if (key === "/" && field) field.focus();
    else openOver(name);
  });
});

// Copy buttons are hidden until script is there to serve them.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const label = button.querySelector("[data-copy-label]");
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      label.textContent = "Copied";
    } catch {
      label.textContent = "Select and press Ctrl C";
    }
    setTimeout(() => { label.textContent = before; }, 1600);
  });
}

export function age(iso, now = Date.now()) {
  const seconds = Math.max(Math.floor((now - Date.parse(iso)) / 1000), 0);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}

// "now" stays for as long as a change is new; everything else is an age. Only texts that differ are touched.
setInterval(() => {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("time[data-age]")) {
    const text = age(time.dateTime);
    const shown = time.dataset.age === "now" ? (text.endsWith("s") && parseInt(text, 10) < 10 ? "now" : `${text} ago`) : text;
    if (time.textContent !== shown) time.textContent = shown;
  }
}, 5000);

// The worker answers when the server does not. It is set up once the page is quiet, and no page needs it.
addEventListener("load", () => setTimeout(() => navigator.serviceWorker?.register("/sw.js").catch(() => {}), 3000));

// What waits for a person is counted once the page stands.
if (document.querySelector("[data-count]")) addEventListener("load", () => import("./badge.js"));

// First run: nothing can push to a person without a workflow, so the page asks now and then.
if (document.querySelector("[data-first-run]")) {
  setInterval(async () => {
    if (document.hidden || !document.querySelector("[data-first-run]")) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer?.ok && !(await answer.text()).includes("data-first-run")) location.assign("/tickets");
  }, 4000);
}
