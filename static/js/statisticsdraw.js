// Shapes of the charts: stretched SVGs with axes and legends in HTML around them, so that text keeps its size.

import { element } from "./actions.js";
import { number } from "./statisticswords.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const TONES = 6;

// The tone of the series at this place: the first five in turn, the sixth for what is done.
export const tone = (place, isDone = false) => (isDone ? `c${TONES}` : `c${(place % (TONES - 1)) + 1}`);

export function shape(name, attributes) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function canvas(width, height, label, ...shapes) {
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
  if (label) for (const [key, value] of [["role", "img"], ["aria-label", label]]) svg.setAttribute(key, value);
  else svg.setAttribute("aria-hidden", "true");
  svg.append(...shapes);
  return svg;
}

// The least of 1, 2, 5, 10, 20 … that has `most` in at most four steps; whole numbers only.
export function scale(most) {
  let step = 1;
  for (let power = 1; step * 4 < most; power *= 10) step = [1, 2, 5, 10].map((n) => n * power).find((n) => n * 4 >= most) ?? step;
  const steps = Math.max(1, Math.ceil(most / step));
  return { top: step * steps, ticks: Array.from({ length: steps + 1 }, (_, place) => step * (steps - place)) };
}

const grid = (width, count) =>
  Array.from({ length: count }, (_, place) => {
    const y = (100 * place) / (count - 1 || 1);
    return shape("line", { class: "grid-line", x1: 0, x2: width, y1: y, y2: y });
  });

// At most `count` of the labels, evenly, the first and the last among them.
export function thinned(labels, count = 6) {
  if (labels.length <= count) return labels;
  return Array.from({ length: count }, (_, place) => labels[Math.round((place * (labels.length - 1)) / (count - 1))]);
}

// A plot: axes around `shapes` drawn on `width` × 100. `tips`: what is said of each place along the x axis.
export function plot({ label, ticks, labels, isBands = false, width = 100, shapes, tips = [], unit = "" }) {
  const axisY = element("div", { class: "axis-y", "aria-hidden": "true" });
  axisY.append(...ticks.map((tick) => element("span", {}, `${number(tick)}${unit}`)));
  const axisX = element("div", { class: `axis-x${isBands ? " is-bands" : ""}`, "aria-hidden": "true" });
  axisX.append(...labels.map((text) => element("span", {}, text)));
  const box = element("div", { class: "plot" }, axisY, canvas(width, 100, label, ...grid(width, ticks.length), ...shapes), axisX);
  if (tips.length) follow(box, tips, isBands);
  return box;
}

// Says under the pointer what the shapes there stand for. Ears and keyboards have the table.
function follow(box, tips, isBands) {
  const svg = box.querySelector("svg");
  const tip = element("p", { class: "chart-tip", "aria-hidden": "true", hidden: true });
  box.append(tip);
  svg.addEventListener("pointermove", (event) => {
    const area = svg.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - area.left) / area.width));
    const place = isBands ? Math.min(tips.length - 1, Math.floor(share * tips.length)) : Math.round(share * (tips.length - 1));
    tip.textContent = tips[place];
    tip.hidden = false;
    const room = box.clientWidth - tip.offsetWidth;
    tip.style.insetInlineStart = `${Math.min(room, Math.max(0, svg.offsetLeft + share * area.width - tip.offsetWidth / 2))}px`;
  });
  svg.addEventListener("pointerleave", () => { tip.hidden = true; });
}

const points = (values, top, width) =>
  values.map((value, place) => [values.length > 1 ? (place * width) / (values.length - 1) : 0, 100 - (100 * value) / top]);
const path = (pairs) => pairs.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" ");

// series: [{values, tone}], the first on top. Returns the bands and the sum at each place.
export function bands(series, top, width = 100) {
  const length = series[0]?.values.length ?? 0;
  let floor = new Array(length).fill(0);
  const shapes = [];
  for (const { values, tone: paint } of [...series].reverse()) {
    const roof = floor.map((value, place) => value + values[place]);
    // A single day is as wide as the chart.
    const [over, under] = [roof, floor].map((line) => points(line.length === 1 ? [line[0], line[0]] : line, top, width));
    shapes.push(shape("path", { class: `band ${paint}`, d: `M${path(over)} L${path(under.reverse())}Z` }));
    floor = roof;
  }
  return shapes;
}

// Bars side by side at each place of ten; series: [{values, tone}].
export function columns(series, top) {
  const wide = 7 / series.length;
  return series.flatMap(({ values, tone: paint }, row) =>
    values.map((value, place) => {
      const height = (100 * value) / top;
      return shape("rect", { class: `bar ${paint}`, x: place * 10 + 1.5 + row * wide, y: 100 - height, width: wide * 0.94, height });
    }));
}

// A line through the middles of bands of ten, or from edge to edge of `width`.
export function line(values, top, { width = 0, kind = "trend" } = {}) {
  const pairs = width ? points(values, top, width) : values.map((value, place) => [place * 10 + 5, 100 - (100 * value) / top]);
  return shape("path", { class: kind, d: `M${path(pairs)}` });
}

export function segment(kind, x1, y1, x2, y2) {
  return shape("path", { class: kind, d: `M${path([[x1, y1], [x2, y2]])}` });
}

// rows: [{name: node, parts: [{size, tone, isSoft}], value, isOver}]; parts beside each other, in shares of `whole`.
// `isLong`: what is said of a row needs a line of its own on a phone.
export function rails(rows, whole, isLong = false) {
  const list = element("ul", { class: isLong ? "hbars is-long" : "hbars" });
  for (const { name, parts, value, isOver } of rows) {
    let x = 0;
    const rail = canvas(100, 14, "");
    for (const { size, tone: paint, isSoft } of parts) {
      const width = whole ? (100 * size) / whole : 0;
      // A soft part lies behind the others, from the start.
      rail.append(shape("rect", { class: `${isSoft ? "bar-soft" : "bar"} ${paint}`, x: isSoft ? 0 : x, width, height: 14 }));
      if (!isSoft) x += width;
    }
    rail.setAttribute("class", "rail");
    list.append(element("li", {}, name, rail, element("span", { class: `val${isOver ? " over" : ""}` }, value)));
  }
  return list;
}

// slices: [{size, tone}] as a ring.
export function ring(slices, label) {
  const whole = slices.reduce((sum, { size }) => sum + size, 0);
  const at = (share, radius) => {
    const angle = 2 * Math.PI * share - Math.PI / 2;
    return `${(50 + radius * Math.cos(angle)).toFixed(3)},${(50 + radius * Math.sin(angle)).toFixed(3)}`;
  };
  const svg = canvas(100, 100, label);
  svg.setAttribute("class", "ring");
  svg.removeAttribute("preserveAspectRatio");
  let from = 0;
  for (const { size, tone: paint } of slices) {
    // A whole ring begins where it ends, which an arc cannot.
    const to = from + Math.min(size / whole, 0.99999);
    const far = to - from > 0.5 ? 1 : 0;
    const d = `M${at(from, 48)} A48,48 0 ${far} 1 ${at(to, 48)} L${at(to, 29)} A29,29 0 ${far} 0 ${at(from, 29)}Z`;
    svg.append(shape("path", { class: `band ${paint}`, d }));
    from = to;
  }
  return svg;
}

// entries: [{tone?, word, value?}]
export function legend(entries) {
  const list = element("ul", { class: "legend" });
  for (const { tone: paint, word, value, isLine } of entries) {
    list.append(element("li", {},
      paint && element("span", { class: `${isLine ? "stroke" : "swatch"} ${paint}` }),
      element("span", { dir: "auto" }, word),
      value === undefined ? null : element("b", {}, number(value))));
  }
  return list;
}
