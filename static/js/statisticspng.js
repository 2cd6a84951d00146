// A chart as a PNG: its shapes and words drawn on a canvas where they stand on the page, in the colours of the theme.

const SCALE = 2;
const MARGIN = 16;

// Returns the address of the picture, a data URL.
export async function picture(section, title) {
  const frame = section.querySelector("[data-picture]");
  const area = frame.getBoundingClientRect();
  const head = 34;
  const canvas = document.createElement("canvas");
  canvas.width = (area.width + 2 * MARGIN) * SCALE;
  canvas.height = (area.height + 2 * MARGIN + head) * SCALE;
  const context = canvas.getContext("2d");
  context.scale(SCALE, SCALE);
  const style = getComputedStyle(section);
  context.fillStyle = style.backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = style.color;
  context.font = `600 15px ${style.fontFamily}`;
  context.fillText(title, MARGIN, MARGIN + 14);
  context.translate(MARGIN - area.left, MARGIN + head - area.top);
  for (const node of frame.querySelectorAll("*")) {
    if (node.closest("[hidden]")) continue;
    if (node instanceof SVGSVGElement) drawing(context, node);
    else if (node instanceof HTMLElement) surface(context, node);
  }
  words(context, frame);
  return canvas.toDataURL("image/png");
}

function surface(context, node) {
  const { backgroundColor } = getComputedStyle(node);
  if (backgroundColor === "rgba(0, 0, 0, 0)" || backgroundColor === "transparent") return;
  const { left, top, width, height } = node.getBoundingClientRect();
  context.fillStyle = backgroundColor;
  context.fillRect(left, top, width, height);
}

function drawing(context, svg) {
  surface(context, svg);
  const { left, top, width, height } = svg.getBoundingClientRect();
  const box = svg.viewBox.baseVal;
  const isStretched = svg.getAttribute("preserveAspectRatio") === "none";
  const [x, y] = isStretched ? [width / box.width, height / box.height] : new Array(2).fill(Math.min(width / box.width, height / box.height));
  for (const shape of svg.querySelectorAll("path, rect, line")) {
    const style = getComputedStyle(shape);
    const path = outline(shape);
    const placed = new Path2D();
    placed.addPath(path, new DOMMatrix([x, 0, 0, y, left, top]));
    context.save();
    context.globalAlpha = Number(style.opacity);
    if (style.fill !== "none" && shape.localName !== "line") {
      context.fillStyle = style.fill;
      context.fill(placed);
    }
    if (style.stroke !== "none") {
      context.strokeStyle = style.stroke;
      context.lineWidth = parseFloat(style.strokeWidth);
      context.setLineDash(style.strokeDasharray === "none" ? [] : style.strokeDasharray.split(",").map(parseFloat));
      context.stroke(placed);
    }
    context.restore();
  }
}

function outline(shape) {
  const value = (name) => Number(shape.getAttribute(name) ?? 0);
  if (shape.localName === "path") return new Path2D(shape.getAttribute("d"));
  const path = new Path2D();
  if (shape.localName === "rect") path.rect(value("x"), value("y"), value("width"), value("height"));
  else {
    path.moveTo(value("x1"), value("y1"));
    path.lineTo(value("x2"), value("y2"));
  }
  return path;
}

// Word by word, each where the page has it: a line that breaks there breaks here.
function words(context, frame) {
  const walker = document.createTreeWalker(frame, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const node = text.parentElement;
    if (node.closest("[hidden], .vh, svg")) continue;
    const style = getComputedStyle(node);
    context.fillStyle = style.color;
    context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    context.textBaseline = "middle";
    const clip = node.closest(".clip, .blocked-ticket, .agent-name")?.getBoundingClientRect();
    for (const word of text.data.matchAll(/\S+/g)) {
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const [place] = range.getClientRects();
      if (!place || (clip && place.left >= clip.right)) continue;
      context.fillText(word[0], place.left, place.top + place.height / 2, clip ? Math.max(1, clip.right - place.left) : undefined);
    }
  }
}
