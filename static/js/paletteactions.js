// What can be done on any page: where to go, which workflow, a new ticket, the theme, to sign out. The bar says it all.

const glyphOf = (within) => within.querySelector("use")?.getAttribute("href").split("#i-")[1];
const wordOf = (within) => [...within.childNodes].filter((node) => !node.matches?.(".badge, .vh, .end, kbd, svg")).map((node) => node.textContent).join(" ").replace(/\s+/g, " ").trim();

// known: what `choices` says, or null; text: what is typed. Lines as in menu.js, with `kind` go or do, and `more` words
// to find them by.
export function actions(known, text) {
  const bar = document.querySelector(".topbar");
  return [...elsewhere(bar, text), ...sections(bar), ...saved(known), ...workflows(bar), ...commands(bar)];
}

function sections(bar) {
  const links = [...bar.querySelectorAll(".nav a[href]")];
  return links.map((link) => ({ kind: "go", word: wordOf(link), more: `go to open ${link.pathname.replace(/\W+/g, " ")}`, glyph: glyphOf(link), end: link.hasAttribute("aria-current") ? "here" : "", run: () => location.assign(link.href) }));
}

function saved(known) {
  const line = (end) => ({ name, address }) => ({ kind: "go", word: name, more: `${end} saved`, glyph: "bookmark", end, run: () => location.assign(address) });
  return [...(known?.views ?? []).map(line("view")), ...(known?.searches ?? []).map(line("search"))];
}

const others = (bar) => [...bar.querySelectorAll(".picker + .menu a[href]")].filter((link) => !link.hasAttribute("aria-current"));

// The key of a ticket of another workflow, which the search of this one does not know.
function elsewhere(bar, text) {
  const [key, prefix] = /^([A-Z][A-Z0-9]{1,9})-\d+$/.exec(text.toUpperCase()) ?? [];
  const link = others(bar).find((other) => other.querySelector(".key").textContent === prefix);
  return link ? [{ kind: "go", word: `Open ${key}`, glyph: "arrow", end: link.querySelector(".clip").textContent, run: () => location.assign(`/tickets/${key}`) }] : [];
}

function workflows(bar) {
  const lines = others(bar).map((link) => ({ kind: "do", word: link.querySelector(".clip").textContent, more: `switch workflow ${link.querySelector(".key").textContent}`, glyph: "board", end: link.querySelector(".key").textContent, run: () => location.assign(link.href) }));
  return lines.length > 1 ? [{ kind: "do", word: "Switch workflow…", glyph: "board", label: "Switch to", items: () => lines }] : lines.map((line) => ({ ...line, word: `Switch to ${line.word}` }));
}

function commands(bar) {
  const click = (selector) => () => bar.querySelector(selector)?.click();
  const theme = document.documentElement.dataset.theme ?? "system";
  const themes = [["system", "as the system"], ["light", "light"], ["dark", "dark"]];
  const menu = [...bar.querySelectorAll(".bar-end .drop a.menu-item[href]")];
  return [
    bar.querySelector("[data-opens=new-ticket]") && { kind: "do", word: "New ticket", more: "create add write", glyph: "plus", keys: "N", run: click("[data-opens=new-ticket]") },
    ...themes.map(([value, word]) => ({ kind: "do", word: `Theme: ${word}`, more: "colour color mode appearance", glyph: "sun", checked: value === theme, run: click(`[data-theme-form] [aria-pressed][value=${value}]`) })),
    { kind: "do", word: "Keyboard help", more: "keys shortcuts", glyph: "info", keys: "?", run: () => import("./help.js").then(({ open }) => open()) },
    ...menu.map((link) => ({ kind: "go", word: wordOf(link), glyph: glyphOf(link), run: () => location.assign(link.href) })),
    bar.querySelector('form[action="/logout"]') && { kind: "do", word: "Sign out", more: "log out leave", glyph: "arrow", run: () => bar.querySelector('form[action="/logout"]').requestSubmit() },
  ].filter(Boolean);
}
