// What a person has typed and not sent: kept in this browser for each ticket and field, until it is sent or thrown away.

const PREFIX = "hephaestus-draft:";
const KEPT = 30 * 86_400_000; // ms

export class Drafts {
  constructor(me, ticket) {
    this.prefix = `${PREFIX}${me}:${ticket}:`;
  }

  // {text, base, version, links} or null. `base` is what the field was when the edit began, `links` what is attached.
  get(field) {
    try {
      return JSON.parse(localStorage.getItem(this.prefix + field));
    } catch {
      return null;
    }
  }

  // Written at each stroke: a crash of the browser takes nothing with it.
  keep(field, text, more = {}) {
    if (!text) return this.drop(field);
    try {
      localStorage.setItem(this.prefix + field, JSON.stringify({ ...more, text, at: Date.now() }));
      return true;
    } catch {
      return false; // no room, or private mode: the text is still in its field
    }
  }

  drop(field) {
    localStorage.removeItem(this.prefix + field);
    return true;
  }

  // One field's, as an editor keeps its text in it.
  of(field) {
    return {
      get: () => this.get(field), keep: (text, more) => this.keep(field, text, more), drop: () => this.drop(field),
      watch: (node, keep) => this.watch(field, node, keep),
    };
  }

  // A draft has one place, whatever tab it is typed in. Calls keep() when another tab has thrown it away, which was
  // its own text and not what is typed here; for as long as the node is in the page.
  watch(field, node, keep) {
    const changed = ({ key, newValue }) => {
      if (!node.isConnected) removeEventListener("storage", changed);
      else if (key === this.prefix + field && newValue === null) keep();
    };
    addEventListener("storage", changed);
  }

  fields() {
    return Object.keys(localStorage).filter((key) => key.startsWith(this.prefix)).map((key) => key.slice(this.prefix.length));
  }

  // Drafts that nobody came back to.
  static sweep() {
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(PREFIX)) continue;
      try {
        if (Date.now() - JSON.parse(localStorage.getItem(key)).at > KEPT) localStorage.removeItem(key);
      } catch {
        localStorage.removeItem(key);
      }
    }
  }
}
