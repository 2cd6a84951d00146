// Puts cards where they belong. Only nodes whose ticket changed are touched.

const COOL = 45_000; // --cool in tokens.css

const number = new Intl.NumberFormat("en").format; // as the template writes it
const parse = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
};

export class Board {
  constructor(element) {
    this.element = element;
    this.address = (name, parameters) =>
      `/tickets/${name}?${new URLSearchParams({ workflow: element.dataset.workflow, ...parameters })}`;
  }

  get seq() { return Number(this.element.dataset.seq); }
  set seq(value) { if (value > this.seq) this.element.dataset.seq = value; }

  column(id) { return this.element.querySelector(`[data-column="${CSS.escape(id)}"]`); }
  card(id) { return this.element.querySelector(`[data-ticket-id="${CSS.escape(id)}"]`); }

  // ids: those asked for; answer: what /tickets/cards said of them.
  apply(ids, answer) {
    const found = new Map(answer.cards.map((card) => [card.id, card]));
    for (const id of ids) {
      const card = found.get(id);
      if (card) this.place(id, card.column, card.html);
      else this.card(id)?.remove();
    }
    for (const head of answer.columns) this.count(head);
    for (const name of ["summary", "fleet"]) {
      const old = document.querySelector(`[data-${name}]`);
      const fresh = parse(answer[name]).firstElementChild;
      if (old && fresh && !old.isEqualNode(fresh)) old.replaceWith(fresh);
    }
    if (answer.columns.some((head) => head.total)) document.querySelector("[data-nothing]")?.remove();
  }

  place(id, columnId, html) {
    const old = this.card(id);
    const fresh = parse(html).querySelector("li");
    if (old && Number(old.dataset.version) > Number(fresh.dataset.version)) return;
    const list = this.column(columnId)?.querySelector(".cards");
    const focus = old?.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const next = list && this.#successor(list, fresh, id);
    if (!list || next === undefined) {
      old?.remove(); // below what is loaded: the column's foot counts it
      return;
    }
    // A card that keeps its place is replaced where it stands, so that nothing around it is laid out anew.
    if (old && old.parentElement === list && this.#after(old) === next) old.replaceWith(fresh);
    else {
      old?.remove();
      list.insertBefore(fresh, next);
    }
    if (focus !== null) {
      const link = [...fresh.querySelectorAll("a")].find((a) => a.getAttribute("href") === focus);
      (link ?? fresh.querySelector("a")).focus({ preventScroll: true });
    }
    if (fresh.classList.contains("is-warm")) setTimeout(() => cool(fresh), COOL);
  }

  // Replaces a card only where it says something else than before; for what changes without an event.
  refresh(answer) {
    for (const { id, html } of answer.cards) {
      const old = this.card(id);
      const fresh = parse(html).querySelector("li");
      if (!old || old.classList.contains("is-warm") || old.isEqualNode(fresh)) continue;
      if (old.contains(document.activeElement)) continue;
      old.replaceWith(fresh);
    }
  }

  append(list, html, next) {
    const cards = parse(html).querySelectorAll("li.card");
    // One of them may have come by an event meanwhile.
    list.append(...[...cards].filter((card) => !this.card(card.dataset.ticketId)));
    if (next) list.dataset.next = next;
    else delete list.dataset.next;
    this.foot(list.closest("[data-column]"));
  }

  count({ id, total, over, count }) {
    const column = this.column(id);
    if (!column) return;
    if (Number(column.dataset.total) !== total) {
      column.dataset.total = total;
      const fresh = parse(count).firstElementChild;
      column.querySelector(".col-count").replaceWith(fresh);
      const limit = fresh.querySelector(".limit")?.textContent ?? "";
      document.querySelector(`[data-tab="${CSS.escape(id)}"] b`).textContent = `${number(total)}${limit}`;
      column.classList.toggle("is-over", over > 0);
      toggle(column, "col-warn", over > 0 && `${over} over limit`);
      toggle(column, "col-empty", total === 0 && column.dataset.empty);
    }
    this.foot(column);
  }

  foot(column) {
    const foot = column.querySelector(".col-more");
    const list = column.querySelector(".cards");
    if (!foot) return;
    if (!list.dataset.next) {
      foot.remove();
      return;
    }
    write(foot.querySelector("[data-shown]"), number(list.children.length));
    write(foot.querySelector("[data-of]"), number(Number(column.dataset.total)));
    const link = foot.querySelector("[data-more]");
    const address = new URL(link.href);
    address.searchParams.set("after", list.dataset.next);
    if (link.href !== address.href) link.href = address.href;
  }

  #after(card) {
    return card.nextElementSibling;
  }

  // The card before which `fresh` stands; null at the end; undefined where the column is not loaded so far.
  #successor(list, fresh, id) {
    const latest = list.parentElement.hasAttribute("data-latest");
    for (const other of list.children) {
      if (other.dataset.ticketId !== id && compare(fresh.dataset.rank, other.dataset.rank, latest) < 0) {
        if (other === list.firstElementChild && list.hasAttribute("data-continued")) return undefined;
        return other;
      }
    }
    const { next } = list.dataset;
    return next && compare(fresh.dataset.rank, next, latest) > 0 ? undefined : null;
  }
}

// A rank is text that sorts by code unit, then the ticket's number; final columns show the latest first.
function compare(a, b, latest) {
  const cutA = a.lastIndexOf("~");
  const cutB = b.lastIndexOf("~");
  const headA = a.slice(0, cutA);
  const headB = b.slice(0, cutB);
  const order = headA === headB ? Number(a.slice(cutA + 1)) - Number(b.slice(cutB + 1)) : headA < headB ? -1 : 1;
  return latest ? -order : order;
}

function toggle(column, name, text) {
  const old = column.querySelector(`:scope > .${name}`);
  if (!text) {
    old?.remove();
    return;
  }
  const line = old ?? document.createElement("p");
  line.className = name;
  write(line, text);
  if (!old) column.querySelector(".col-head").after(line);
}

function write(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

// The line goes when the card is cold, but never from under the pointer or the focus: the cards below it would move.
function cool(card) {
  if (!card.isConnected) return;
  if (card.closest(".col").matches(":hover, :focus-within")) {
    setTimeout(() => cool(card), 2000);
    return;
  }
  card.classList.remove("is-warm");
  card.querySelector(".card-heat")?.remove();
}
