// What every page does with the API: call an operation, say what came of it, copy, announce.

const PATIENCE = 60_000; // ms: longer than the server itself waits for anything
const icons = new URL("../icons.svg", import.meta.url).pathname;

// A refused or failed operation: the error object of the API, or code "offline" where nothing answered.
export class Refusal extends Error {
  constructor(status, error) {
    super(error.message);
    Object.assign(this, { field: null, allowed: [], blocking_ticket_ids: [], retryable: false }, error, { status });
  }
}

// Runs an operation: call("tickets/change-status", {…}) posts to /api/. Returns its answer, throws a Refusal.
// `key` makes a repetition harmless: pass the same one to try again.
export async function call(path, body = {}, { method = "POST", key = newKey() } = {}) {
  let answer, text;
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE);
  try {
    answer = await fetch(`/api/${path}`, {
      method,
      signal: patience.signal,
      headers: {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "X-CSRFToken": csrf(),
        ...(method === "GET" ? {} : { "Idempotency-Key": key }),
      },
      body: method === "GET" ? undefined : JSON.stringify(body),
    });
    text = await answer.text();
  } catch {
    throw new Refusal(0, { code: "offline", message: "The server did not answer. Nothing is lost.", retryable: true });
  } finally {
    clearTimeout(timer);
  }
  const data = parsed(text);
  if (answer.ok && data) return data;
  throw new Refusal(answer.status, data?.error ?? { code: "failed", message: `The server answered ${answer.status}.`, retryable: answer.status >= 500 });
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return null; }
}

export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Read at each call: a sign-in elsewhere renews it.
export function csrf() {
  const name = document.querySelector("meta[name=csrf-cookie]")?.content;
  const pair = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return pair ? decodeURIComponent(pair.slice(name.length + 1)) : "";
}

// element("p", {class: "x", onclick: f, hidden: true}, child, "text"): text is never read as HTML.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child != null && child !== false));
  return made;
}

export function icon(name, color) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  const use = document.createElementNS(namespace, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  if (color) svg.setAttribute("color", color);
  use.setAttribute("href", `${icons}#i-${name}`);
  svg.append(use);
  return svg;
}

export function button(word, run, kind = "", attributes = {}) {
  return element("button", { type: "button", class: `btn btn-sm ${kind}`, onclick: run, ...attributes }, word);
}

// What is over the page and alone takes clicks: an open dialog, else the page itself.
export const front = () => [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body;

// For ears: what happened, said when the reader comes to it.
export function announce(text) {
  const region = front().querySelector("[data-announcer]") ?? document.querySelector("[data-announcer]");
  if (!region) return;
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
}

// For what happened out of sight. `action`: [word, function], the way back or the next try.
export function toast(text, { glyph = "check", action, ms = 8000 } = {}) {
  const host = front();
  let region = host.querySelector(":scope > .toasts");
  if (!region) host.append(region = element("div", { class: "toasts", role: "status" }));
  const box = element("div", { class: `toast${glyph === "check" ? "" : " is-stop"}` }, icon(glyph), element("span", {}, text));
  const close = () => box.remove();
  if (action) box.append(button(action[0], () => { close(); action[1](); }));
  box.append(element("button", { type: "button", class: "btn-icon", "aria-label": "Dismiss", onclick: close }, icon("x")));
  region.append(box);
  // A message that is pointed at or focused waits.
  const fade = () => (box.matches(":hover, :focus-within") ? setTimeout(fade, 2000) : close());
  if (ms) setTimeout(fade, ms);
  return close;
}

// Says why something failed, with the one step that helps.
export function toastRefusal(what, refusal, again) {
  const signIn = refusal.code === "unauthenticated";
  const action = signIn ? ["Sign in", openSignIn] : refusal.retryable && again ? ["Try again", again] : null;
  toast(`${what} ${signIn ? "You are signed out." : refusal.message}`, { glyph: "ban", action, ms: 20_000 });
}

// The steps that help after a refusal, as [word, function]; again(): the next try, where there is one.
export function remedies(refusal, again) {
  const out = refusal.code === "unauthenticated";
  return [out && ["Sign in", openSignIn], (out || refusal.retryable) && again && ["Try again", again]].filter(Boolean);
}

// In a tab of its own, so that nothing typed here is lost.
export function openSignIn() {
  open(`/login?next=${encodeURIComponent(location.pathname + location.search)}`, "_blank", "noopener");
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`, { ms: 2500 });
  } catch {
    prompt(`Copy ${what.toLowerCase()}:`, text);
  }
}

export function later(wait, run) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), wait);
  };
}
