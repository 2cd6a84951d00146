// The ticket beside the results, where there is room: shown as soon as the pointer or the focus rests on one.

const NEAR = 140; // ms: a pointer that only passes by fetches nothing
const MAX_KEPT = 60;

export class Preview {
  #place = document.querySelector("[data-preview]");
  #hint = [...this.#place.childNodes];
  #kept = new Map(); // ticket id → HTML
  #timer = 0;
  #row = null;

  id = null;

  show(row, atOnce) {
    clearTimeout(this.#timer);
    const id = row.dataset.ticketId;
    if (!this.#place.checkVisibility() || id === this.id) return;
    this.#timer = setTimeout(() => this.#fetch(row), atOnce ? 30 : NEAR);
  }

  // What is shown of it is no longer true.
  changed(id) {
    this.#kept.delete(id);
    if (id === this.id && this.#row?.isConnected && !this.#place.contains(document.activeElement)) this.#fetch(this.#row);
  }

  clear() {
    clearTimeout(this.#timer);
    this.#mark(null);
    this.#place.replaceChildren(...this.#hint);
  }

  async #fetch(row) {
    const { ticketId: id, key } = row.dataset;
    this.#mark(row);
    if (!this.#kept.has(id)) {
      const answer = await fetch(`/search/preview/${encodeURIComponent(key)}`, { headers: { Accept: "text/html" } }).catch(() => null);
      if (!answer?.ok) return;
      if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
      this.#kept.set(id, await answer.text());
    }
    if (this.id !== id) return; // another is looked at by now
    this.#place.innerHTML = this.#kept.get(id);
    this.#place.scrollTop = 0;
  }

  #mark(row) {
    this.#row?.classList.remove("is-previewed");
    row?.classList.add("is-previewed");
    this.#row = row;
    this.id = row?.dataset.ticketId ?? null;
  }
}
