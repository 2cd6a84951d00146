// The tokens of one agent: which there are, one more, one less. The token itself is shown once and then gone.

import { age } from "./app.js";
import { announce, button, call, copy, element, icon } from "./actions.js";

const DAY = 86_400_000;
const LIVES = [["", "Never"], ["7", "In 7 days"], ["30", "In 30 days"], ["90", "In 90 days"], ["365", "In a year"]];

let count = 0;

export class Tokens {
  // changed(): the number of tokens is another; shut(): the panel closes
  constructor(agent, name, { changed, shut }) {
    this.agent = agent;
    this.changed = changed;
    this.path = `agents/${encodeURIComponent(agent)}/tokens`;
    this.list = element("div", { "aria-busy": "true" }, element("p", { class: "hint" }, "Loading…"));
    this.once = element("div", { role: "status" });
    this.fault = element("div", { role: "alert" });
    const id = `tokens-${++count}`;
    this.label = element("input", { class: "input", id: `${id}-label`, maxlength: "100", autocomplete: "off", placeholder: "What it is for", dir: "auto" });
    this.lives = element("select", { class: "input", id: `${id}-lives` }, ...LIVES.map(([days, word]) => element("option", { value: days }, word)));
    const form = element("form", { class: "token-form", novalidate: true },
      element("div", { class: "field" }, element("label", { for: this.label.id }, "Label"), this.label),
      element("div", { class: "field" }, element("label", { for: this.lives.id }, "Expires"), this.lives),
      element("button", { type: "submit", class: "btn btn-primary" }, "Issue token"), button("Close", shut, "btn-quiet"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#issue();
    });
    this.element = element("section", { class: "tokens", "aria-label": `Tokens of ${name}` }, this.list, this.once, form, this.fault);
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      shut();
    });
    // Not kept for whoever comes back by the browser's back button.
    addEventListener("pagehide", () => this.once.replaceChildren());
  }

  async load() {
    this.fault.replaceChildren();
    try {
      const { tokens } = await call(`${this.path}?limit=200`, {}, { method: "GET" });
      this.#draw(tokens);
    } catch (refusal) {
      if (refusal.code === undefined) throw refusal;
      this.list.replaceChildren();
      this.#say(refusal.message, () => this.load());
    }
    this.list.removeAttribute("aria-busy");
  }

  #draw(tokens) {
    const live = tokens.filter((token) => !token.revoked_at && !(token.expires_at && Date.parse(token.expires_at) < Date.now()));
    const gone = tokens.length - live.length;
    this.list.replaceChildren(
      live.length ? element("table", { class: "data" },
        element("thead", {}, element("tr", {}, ...["Token", "For", "Issued", "Last used", "Expires", ""].map((word) => element("th", { scope: "col" }, word || element("span", { class: "vh" }, "Actions"))))),
        element("tbody", {}, ...live.map((token) => this.#row(token)))) : element("p", { class: "hint" }, "No token: it cannot sign in."),
      gone ? element("p", { class: "hint" }, `${gone} revoked or expired.`) : "",
    );
  }

  #row(token) {
    const kinds = [token.is_operator && "operator", token.is_gateway && "gateway"].filter(Boolean).join(", ");
    const end = element("td", {});
    const row = element("tr", { "data-token": token.token_id },
      element("td", { class: "mono" }, `${token.hint}…`),
      element("td", { "dir": "auto", "data-word": "For" }, [token.label, kinds && `(${kinds})`].filter(Boolean).join(" ")),
      element("td", { "data-word": "Issued" }, ...since(token.created_at)),
      element("td", { "data-word": "Last used" }, ...(token.last_used_at ? since(token.last_used_at) : ["never"])),
      element("td", { "data-word": "Expires" }, token.expires_at ? token.expires_at.slice(0, 10) : "never"), end);
    this.#offer(end, token);
    return row;
  }

  #offer(end, token) {
    end.replaceChildren(button("Revoke…", () => this.#sure(end, token), "btn-danger", { "aria-label": `Revoke ${token.hint}…` }));
  }

  // For good, so it is asked once more, in its place.
  #sure(end, token) {
    const yes = button("Revoke for good", () => this.#revoke(end, token), "btn-danger");
    end.replaceChildren(element("span", { class: "btn-row" }, yes, button("Keep", () => {
      this.#offer(end, token);
      end.querySelector("button").focus();
    }, "btn-quiet")));
    yes.focus();
    announce(`Revoke ${token.hint} for good? Whoever uses it is shut out at once.`);
  }

  async #revoke(end, token) {
    this.fault.replaceChildren();
    try {
      await call(`tokens/${encodeURIComponent(token.token_id)}/revoke`);
      announce(`${token.hint} is revoked.`);
      await this.load();
      this.changed();
      (this.list.querySelector("button") ?? this.label).focus();
    } catch (refusal) {
      if (refusal.code === undefined) throw refusal;
      this.#offer(end, token);
      this.#say(`Not revoked. ${refusal.message}`);
      end.querySelector("button").focus();
    }
  }

  async #issue() {
    this.fault.replaceChildren();
    const days = Number(this.lives.value);
    const expires = days ? new Date(Date.now() + days * DAY).toISOString() : null;
    try {
      const answer = await call(this.path, { label: this.label.value.trim(), expires_at: expires });
      this.#show(answer.token);
      this.label.value = "";
      await this.load();
      this.changed();
    } catch (refusal) {
      if (refusal.code === undefined) throw refusal;
      this.#say(`No token was issued. ${refusal.message}`);
    }
  }

  #show(token) {
    const done = button("I have kept it", () => {
      this.once.replaceChildren();
      this.label.focus();
    });
    const code = element("code", { class: "mono", "data-token-once": true, tabindex: "0", "aria-label": "The new token" }, token);
    const keep = button("Copy", () => copy(code.textContent, "Token"), "btn-primary");
    this.once.replaceChildren(element("div", { class: "token-once" },
      element("p", {}, element("b", {}, "Keep this token now. "), "It is not shown again, here or anywhere."), code, element("div", { class: "btn-row" }, keep, done)));
    keep.focus();
  }

  #say(text, again) {
    this.fault.replaceChildren(element("p", { class: "field-error" }, icon("ban"), text, again ? button("Try again", again) : ""));
  }
}

function since(iso) {
  return [element("time", { datetime: iso, "data-age": true, title: iso }, age(iso)), " ago"];
}
