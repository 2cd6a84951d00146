// The event stream of one workflow: connects, and connects again from the last event that was seen.

const FIRST_WAIT = 250;
const LONGEST_WAIT = 8000;
const SILENT_FAILURES = 2;
const SILENCE = 30_000; // ms without a word, after which the connection has to prove that it is one
const DEAD = 5000; // ms that an answer may take
const LATE = 2000; // ms that an event may come after it is in the log
const REFUSALS = [4401, 4403, 4404]; // an open connection that the server ended: 4000 and the HTTP status

export class EventStream {
  #wait = FIRST_WAIT;
  #failures = 0;
  #timer = 0;
  #socket = null;
  #isRefused = false;
  #heard = false; // since the last look

  // handlers: since() → last seen seq; hello(message); event(message); live(); lost();
  // refused() → whether there is no session any more, or nothing that it may see
  constructor(workflow, handlers) {
    this.workflow = workflow;
    this.on = handlers;
    // A laptop that wakes, a network that is back, a tab that is looked at, by a person who may have signed in in
    // another: no reason to wait any longer.
    addEventListener("online", () => this.retry());
    addEventListener("focus", () => this.retry());
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      this.retry();
      this.#prove();
    });
    setInterval(() => this.#prove(), SILENCE);
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", (event) => { if (event.persisted) this.#open(); });
    this.#open();
  }

  retry() {
    if (!this.#timer && !this.#isRefused) return;
    clearTimeout(this.#timer);
    this.#open();
  }

  // Until somebody comes back to the page: only a sign-in elsewhere can help.
  rest() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#isRefused = true;
    this.#close();
  }

  #open() {
    this.#timer = 0;
    this.#isRefused = false;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const path = `/ws/workflows/${encodeURIComponent(this.workflow)}/?since=${this.on.since()}`;
    const socket = new WebSocket(`${scheme}//${location.host}${path}`);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      this.#heard = true;
      const message = JSON.parse(data);
      if (message.type === "hello") {
        this.#wait = FIRST_WAIT;
        this.#failures = 0;
        this.on.live();
        this.on.hello(message);
      } else if (message.seq) {
        this.on.event(message);
      }
    };
    socket.onclose = ({ code }) => { if (this.#socket === socket) this.#again(code); };
  }

  // A cable that is pulled, or a laptop that slept, leaves a connection that looks open and says nothing any more:
  // the log tells whether there was nothing to say.
  async #prove() {
    const socket = this.#socket;
    const heard = this.#heard;
    this.#heard = false;
    if (heard || document.hidden || socket?.readyState !== WebSocket.OPEN) return;
    const address = `/api/workflows/${encodeURIComponent(this.workflow)}/events?limit=1&since=${this.on.since()}`;
    const answer = await fetch(address, { signal: AbortSignal.timeout(DEAD) }).then((found) => found.json()).catch(() => null);
    await new Promise((resolve) => { setTimeout(resolve, LATE); });
    if (this.#heard || socket !== this.#socket || (answer && !answer.events?.length)) return;
    this.#close();
    this.#again();
  }

  #close() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  async #again(code) {
    this.#failures += REFUSALS.includes(code) ? SILENT_FAILURES : 1;
    // A refused handshake looks like a lost network: the address of the cards can tell them apart.
    if (this.#failures >= SILENT_FAILURES && await this.on.refused()) return this.rest();
    const wait = this.#wait * (0.75 + Math.random() / 2);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    this.#timer = setTimeout(() => this.#open(), wait);
    this.on.lost();
  }
}
