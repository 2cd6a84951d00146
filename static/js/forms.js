// Forms that call an operation: one try at a time, and a fault stands under the field that it is about.

import { button, element, icon, newKey, openSignIn, remedies } from "./actions.js";

// sends(form, async (key) => …): the same key until it is answered, so that a repetition changes nothing twice.
export function sends(form, run) {
  let key = newKey();
  form.addEventListener("input", () => { key = newKey(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const sender = form.querySelector("[type=submit]");
    if (sender.disabled) return;
    sender.disabled = true;
    clear(form);
    try {
      await run(key);
      key = newKey();
    } catch (refusal) {
      if (!refusal.status && refusal.code !== "offline") throw refusal;
      if (!refusal.retryable) key = newKey();
      fault(form, refusal);
    } finally {
      sender.disabled = false;
    }
  });
}

function clear(form) {
  for (const place of form.querySelectorAll("[data-fault]")) place.replaceChildren();
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
}

// `more`: a node with the step that helps.
export function fault(form, refusal, more = null) {
  const place = form.querySelector(`[data-fault="${CSS.escape(refusal.field ?? "")}"]`) ?? form.querySelector('[data-fault=""]');
  const field = form.querySelector(`[aria-describedby~="${place.id || "none"}"]`);
  if (field) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
  place.replaceChildren(icon("warn"), element("span", { dir: "auto" }, refusal.message));
  if (refusal.code === "unauthenticated") place.append(button("Sign in", openSignIn, "btn-quiet"));
  if (more) place.append(more);
}

// What went wrong with what is typed, to stand below it with the steps that help.
export function explained(refusal, again) {
  const text = refusal.code === "unauthenticated" ? "You are signed out. Your text is kept here." : refusal.message;
  return [element("p", { class: "field-error" }, icon("ban"), element("span", { dir: "auto" }, text)), ...remedies(refusal, again).map(([word, run]) => button(word, run))];
}
