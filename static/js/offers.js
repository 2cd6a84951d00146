// What the page in sight can do with a ticket, for the palette to offer.

const sources = [];

// source(key): {label, lines, done?} of the ticket with that key, or without one of the ticket in focus; null where
// there is none. `lines` are those of a menu (menu.js); done() is called once none of them will run any more.
export function offer(source) { sources.push(source); }

export function offered(key) {
  for (const source of sources) {
    const found = source(key);
    if (found) return found;
  }
  return null;
}
