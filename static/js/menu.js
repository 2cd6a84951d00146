// A menu over the page. The browser's popover closes it by Esc and by a click elsewhere.

import { element, front, icon } from "./actions.js";

const MANY = 9; // rows from which on there is a field to narrow them

let current = null;

// items: {word, glyph?, color?, end?, off?, checked?, keys?, run | items}. `off` says why not, and stays in sight.
export function openMenu(anchor, label, items, { onclose } = {}) {
  current?.hidePopover();
  const box = element("div", { class: "menu", popover: "auto" });
  front().append(box);
  current = box;
  let done = false; // something was chosen, which looks after the focus itself
  const close = (chosen) => { done = chosen; box.hidePopover(); };
  box.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    const inside = box.contains(document.activeElement) || document.activeElement === document.body;
    box.remove();
    if (current === box) current = null;
    if (!done && inside) anchor.focus({ preventScroll: true });
    onclose?.(done);
  });
  box.addEventListener("keydown", (event) => steer(box, event));
  box.showPopover();
  fill(box, anchor, label, items, close);
  return { close };
}

function fill(box, anchor, label, items, close) {
  const list = element("ul", { role: "menu", "aria-label": label });
  for (const item of items) list.append(row(item, (chosen) => {
    if (chosen.items) return fill(box, anchor, chosen.label ?? chosen.word, chosen.items(), close);
    close(true);
    chosen.run();
  }));
  box.replaceChildren(element("p", { class: "menu-label", "aria-hidden": "true" }, label));
  if (items.length > MANY) {
    const field = element("input", { class: "input", type: "text", "aria-label": `Narrow: ${label}`, placeholder: "Type to narrow", autocomplete: "off" });
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const line of list.children) line.hidden = !line.textContent.toLowerCase().includes(wanted);
    });
    box.append(field);
  }
  box.append(list);
  put(box, anchor);
  (box.querySelector("input") ?? list.querySelector("[role^=menuitem]:not([aria-disabled])") ?? list.querySelector("[role^=menuitem]"))?.focus();
}

function row(item, choose) {
  const off = Boolean(item.off);
  const end = item.off ?? item.end;
  const control = element(
    "button",
    {
      class: "menu-item", type: "button", tabindex: "-1",
      role: item.checked === undefined ? "menuitem" : "menuitemradio",
      "aria-checked": item.checked === undefined ? null : String(item.checked),
      "aria-disabled": off ? "true" : null,
      onclick: () => { if (!off) choose(item); },
    },
    item.glyph && icon(item.glyph, item.color),
    element("span", { class: "clip", dir: "auto" }, item.word),
    element("span", { class: "end" }, item.checked ? icon("check") : "", end ?? "", item.keys ? element("kbd", { "aria-hidden": "true" }, item.keys) : ""),
  );
  return element("li", { role: "none" }, control);
}

function steer(box, event) {
  const rows = [...box.querySelectorAll("li:not([hidden]) > .menu-item")];
  const at = rows.indexOf(document.activeElement);
  const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 };
  if (event.target.matches("input")) {
    if (event.key === "Enter") rows.find((line) => !line.hasAttribute("aria-disabled"))?.click();
    if (!["ArrowDown", "Enter", "Escape"].includes(event.key)) return;
    steps.ArrowDown = 0;
    if (event.key === "Enter") return event.preventDefault();
  }
  if (event.key === "Tab") return box.hidePopover();
  if (event.key === "Escape") {
    // Else a dialog below may close with it: the browser takes the two for one.
    event.preventDefault();
    box.hidePopover();
  }
  if (event.key in steps) {
    event.preventDefault();
    rows.at(steps[event.key] % rows.length)?.focus();
  } else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey) {
    const wanted = event.key.toLowerCase();
    const hinted = rows.find((line) => line.querySelector("kbd")?.textContent.toLowerCase() === wanted);
    const next = [...rows.slice(at + 1), ...rows].find((line) => line.querySelector(".clip").textContent.trim().toLowerCase().startsWith(wanted));
    event.preventDefault(); // what it opens may have a field, which is not to take the key
    if (hinted) hinted.click();
    else next?.focus();
  }
  event.stopPropagation();
}

function put(box, anchor) {
  const edge = 8;
  const at = anchor.getBoundingClientRect();
  const { width, height } = box.getBoundingClientRect();
  const below = at.bottom + 4;
  const top = below + height + edge < innerHeight ? below : Math.max(edge, Math.min(at.top - height - 4, innerHeight - height - edge));
  box.style.top = `${top}px`;
  box.style.left = `${Math.max(edge, Math.min(at.right - width, innerWidth - width - edge))}px`;
}
