// The profile: name, zone, tokens. Each says in its own place what came of it.

import { announce, button, call, element, icon, toast } from "./actions.js";
import { sends } from "./forms.js";

const QUIET = "hephaestus-single-keys-off"; // as on the board
const DAY = 86_400_000; // ms
const nameForm = document.querySelector("[data-name-form]");
const tokenForm = document.querySelector("[data-token-form]");
const zoneForm = document.querySelector("[data-zone-form]");
const agent = encodeURIComponent(tokenForm.dataset.agent);

sends(nameForm, async (key) => {
  const { agent: now } = await call(`agents/${agent}`, { name: nameForm.elements.name.value }, { method: "PATCH", key });
  nameForm.elements.name.value = now.name;
  for (const place of document.querySelectorAll("[data-person]")) place.textContent = now.name;
  toast("Your name is saved", { ms: 3000 });
});

// ── the zone of times ──

const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
const zones = zoneForm.elements.zone;
const useHere = zoneForm.querySelector("[data-zone-here]");
if ([...zones.options].some(({ value }) => value === here) && zones.value !== here) {
  useHere.hidden = false;
  useHere.querySelector("[data-zone-name]").textContent += `, ${here.replaceAll("_", " ")}`;
  useHere.addEventListener("click", () => { zones.value = here; zoneForm.requestSubmit(); });
}

// ── single keys ──

const keys = document.querySelector("[data-single-keys]");
document.querySelector("[data-keys]").hidden = false;
keys.checked = !localStorage.getItem(QUIET);
keys.addEventListener("change", () => {
  if (keys.checked) localStorage.removeItem(QUIET);
  else localStorage.setItem(QUIET, "1");
});

// ── tokens ──

sends(tokenForm, async (key) => {
  const { label, days } = tokenForm.elements;
  const ends = days.value ? new Date(Math.ceil(Date.now() / DAY) * DAY + days.value * DAY).toISOString() : null;
  const { token } = await call(`agents/${agent}/tokens`, { label: label.value.trim(), ...(ends ? { expires_at: ends } : {}) }, { key });
  label.value = "";
  show(token);
  await draw();
});

function show(token) {
  const issued = document.querySelector("[data-issued]");
  issued.hidden = false;
  issued.querySelector(".snippet").classList.add("is-fresh");
  issued.querySelector("code").textContent = token || "Its answer was lost on the way. Revoke it below and issue another.";
  issued.querySelector("pre").focus();
  announce("The token is issued. It is shown this once.");
}

// What the server says of the tokens now.
async function draw() {
  const answer = await fetch("/profile", { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.querySelector("[data-part=tokens]").replaceChildren(...page.querySelector("[data-part=tokens]").childNodes);
}

document.querySelector("[data-part=tokens]").addEventListener("click", ({ target }) => {
  const control = target.closest("[data-revoke]");
  if (control) ask(control);
});

function ask(control) {
  const row = control.closest("[data-token]");
  if (row.querySelector(".notice")) return;
  const say = element("p", {}, "Whatever uses it stops working at once, for good.");
  const close = () => { box.remove(); control.focus(); };
  const revoke = button("Revoke it", async () => {
    revoke.disabled = true;
    try {
      await call(`tokens/${encodeURIComponent(row.dataset.token)}/revoke`);
      await draw();
      announce("The token is revoked.");
      document.querySelector("#p-label").focus();
    } catch (refusal) {
      revoke.disabled = false;
      say.textContent = refusal.message;
    }
  }, "btn-danger");
  const box = element("div", { class: "notice notice-stop", role: "group", "aria-label": "Revoke the token?" }, icon("warn"), say,
    element("span", { class: "btn-row" }, revoke, button("Keep it", close, "btn-quiet")));
  box.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  row.append(box);
  revoke.focus();
}
