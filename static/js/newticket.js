// A new ticket, over any page.

import { element, icon, toast } from "./actions.js";
import { here } from "./recent.js";
import { styles } from "./styles.js";

let dialog = null;

export async function open() {
  if (dialog) return;
  const close = () => dialog.close();
  const root = element("div", { class: "sheet-root" });
  const body = element("div", { class: "new-ticket-rest" }, element("p", { class: "hint" }, "Loading the form…"));
  const made = dialog = element("dialog", { class: "dialog sheet new-ticket", "aria-labelledby": "new-ticket-title", onclose: closed },
    root);
  root.append(
    element("header", { class: "dialog-head" }, element("div", { class: "crumbs" }, element("h1", { class: "dialog-title", id: "new-ticket-title" }, "New ticket"),
      element("span", { class: "end" }, element("button", { class: "btn-icon", type: "button", "aria-label": "Close", onclick: close }, icon("x"))))),
    body, element("p", { class: "vh", role: "status", "data-announcer": true }));
  const [{ mount }] = await Promise.all([import("./newticketform.js"), styles("board", "ticket", "newticket")]);
  if (dialog !== made) return;
  document.body.append(made);
  made.showModal();
  await mount(body, here().workflow, { close, created });
}

function created({ key, message }, stays) {
  if (!stays) dialog?.close();
  toast(message, { action: [`Open ${key}`, () => {
    if (document.dispatchEvent(new CustomEvent("hephaestus:open", { cancelable: true, detail: key }))) location.assign(`/tickets/${key}`);
  }], ms: 15_000 });
}

// What was typed is a draft: to close loses nothing.
function closed() {
  dialog.remove();
  dialog = null;
}
