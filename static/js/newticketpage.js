// A new ticket on a page of its own.

import { toast } from "./actions.js";
import { mount } from "./newticketform.js";

const main = document.querySelector(".new-ticket");
const rest = main.querySelector("[data-loading]")?.parentElement;

if (rest) {
  mount(rest, main.dataset.workflow, {
    created({ key, message }, stays) {
      if (!stays) return location.assign(`/tickets/${key}`);
      toast(message, { action: [`Open ${key}`, () => location.assign(`/tickets/${key}`)], ms: 15_000 });
    },
  });
}
