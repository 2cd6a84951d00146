// A window on a large drawing: zoom and pan by wheel, pinch, drag, buttons and keys.

const LEAST = 0.06;
const MOST = 2;
const STEP = 1.3;
const EDGE = 28; // px around what is shown whole
const FOOT = 40; // px for what stands at the foot of the window
const CLICK = 5; // px: a pointer that moved less has clicked
const NEAR = 0.5; // from here on cards are read; below, only their keys
const FAR = 0.24;

export class View {
  x = 0;
  y = 0;
  k = 1;
  #pointers = new Map();
  #moved = 0;
  #box = { width: 1, height: 1 }; // of the drawing

  constructor(element) {
    this.element = element;
    this.world = element.querySelector("[data-world]");
    element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel"]) element.addEventListener(kind, (event) => this.#up(event));
    // The end of a drag is no click on what lies below.
    element.addEventListener("click", (event) => {
      if (this.#moved > CLICK) {
        event.preventDefault();
        event.stopPropagation();
      }
      this.#moved = 0;
    }, { capture: true });
    for (const one of element.querySelectorAll("[data-zoom]")) {
      one.addEventListener("click", () => ({ in: () => this.zoom(STEP), out: () => this.zoom(1 / STEP), fit: () => this.fit() })[one.dataset.zoom]());
    }
  }

  get isHeld() { return this.#pointers.size > 0; }

  size(width, height) { this.#box = { width, height }; }

  keydown(event) {
    const pan = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] }[event.key];
    if (event.key === "+" || event.key === "=") this.zoom(STEP);
    else if (event.key === "-") this.zoom(1 / STEP);
    else if (event.key === "0") this.fit();
    else if (pan && event.shiftKey) this.pan(...pan);
    else return false;
    event.preventDefault();
    return true;
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.#apply();
  }

  // Keeps what is under the point (of the window; its middle unless told otherwise).
  zoom(factor, px, py) {
    const at = this.element.getBoundingClientRect();
    const [left, top] = [px === undefined ? at.width / 2 : px - at.left, py === undefined ? at.height / 2 : py - at.top];
    const k = Math.min(Math.max(this.k * factor, LEAST), MOST);
    this.x = left - (left - this.x) * (k / this.k);
    this.y = top - (top - this.y) * (k / this.k);
    this.k = k;
    this.#apply();
  }

  fit() {
    const { clientWidth, clientHeight } = this.element;
    const [width, height] = [clientWidth - 2 * EDGE, clientHeight - 2 * EDGE - FOOT];
    this.k = Math.min(Math.max(Math.min(width / this.#box.width, height / this.#box.height), LEAST), 1);
    this.x = Math.max((clientWidth - this.#box.width * this.k) / 2, EDGE);
    this.y = Math.max((clientHeight - FOOT - this.#box.height * this.k) / 2, EDGE);
    this.#apply();
  }

  // Shows a box at this scale: in the middle, or with what follows it on the right.
  show({ x, y }, { width, height, k, isMiddle }) {
    const { clientWidth, clientHeight } = this.element;
    this.k = k;
    this.x = isMiddle ? clientWidth / 2 - (x + width / 2) * k : EDGE - x * k;
    this.y = Math.min(clientHeight / 2 - (y + height / 2) * k, EDGE);
    this.#apply();
  }

  // Moves as little as it takes for the box (in the drawing) to be in sight.
  reveal({ x, y, width, height }) {
    const { clientWidth, clientHeight } = this.element;
    const into = (at, size, room) => (at < EDGE ? EDGE - at : at + size > room - EDGE ? Math.min(room - EDGE - at - size, 0) : 0);
    const dx = into(x * this.k + this.x, width * this.k, clientWidth);
    const dy = into(y * this.k + this.y, height * this.k, clientHeight);
    if (dx || dy) this.pan(dx, dy);
  }

  // Where a place of the window is in the drawing.
  inside(px, py) {
    const at = this.element.getBoundingClientRect();
    return { x: (px - at.left - this.x) / this.k, y: (py - at.top - this.y) / this.k };
  }

  // The part of the drawing that is in sight, and a little more.
  get sight() {
    const { clientWidth, clientHeight } = this.element;
    const at = (px, from) => (px - from) / this.k;
    return { left: at(-200, this.x), top: at(-200, this.y), right: at(clientWidth + 200, this.x), bottom: at(clientHeight + 200, this.y) };
  }

  get middle() {
    const at = this.element.getBoundingClientRect();
    return this.inside(at.left + at.width / 2, at.top + at.height / 2);
  }

  #apply() {
    this.world.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.k})`;
    this.element.dataset.level = this.k >= NEAR ? "near" : this.k >= FAR ? "mid" : "far";
    this.element.dispatchEvent(new CustomEvent("graph:moved"));
  }

  #wheel(event) {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey && !event.ctrlKey) return this.pan(-(event.deltaX || event.deltaY) * unit, 0);
    this.zoom(Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016)), event.clientX, event.clientY);
  }

  #down(event) {
    if (event.button || event.target.closest("[data-handle], .graph-zoom")) return;
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.#moved = 0;
  }

  #move(event) {
    const last = this.#pointers.get(event.pointerId);
    if (!last) return;
    const now = { x: event.clientX, y: event.clientY };
    const others = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    this.#pointers.set(event.pointerId, now);
    this.#moved += Math.hypot(now.x - last.x, now.y - last.y);
    if (this.#moved > CLICK && !this.element.hasPointerCapture(event.pointerId)) this.element.setPointerCapture(event.pointerId);
    if (!others.length) return this.#moved > CLICK ? this.pan(now.x - last.x, now.y - last.y) : undefined;
    const [other] = others;
    const far = (at) => Math.hypot(at.x - other.x, at.y - other.y);
    this.zoom(far(now) / Math.max(far(last), 1), (now.x + other.x) / 2, (now.y + other.y) / 2);
  }

  #up(event) {
    if (this.#pointers.delete(event.pointerId) && !this.#pointers.size) this.element.dispatchEvent(new CustomEvent("graph:released"));
    // A click, if there is one, comes at once.
    setTimeout(() => { if (!this.#pointers.size) this.#moved = 0; }, 0);
  }
}
