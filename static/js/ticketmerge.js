// Two texts that began as one: what differs word by word, and both in one.

import { diff3Merge, diffComm } from "../vendor/node-diff3-3.2.1/diff3.js";
import { button, element } from "./actions.js";

const words = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
const MAX_WORDS = 6000; // a comparison takes time in the square of what differs

// What `text` makes of `base`, as nodes with <ins> and <del>.
export function compared(base, text) {
  const [before, after] = [words(base), words(text)];
  if (before.length + after.length > MAX_WORDS) return [text];
  return diffComm(before, after).flatMap(({ common, buffer1, buffer2 }) => common
    ? [common.join("")]
    : [buffer1.length && element("del", {}, buffer1.join("")), buffer2.length && element("ins", {}, buffer2.join(""))].filter(Boolean));
}

// Both changes to `base` in one text, line by line (or by another separator). Where both changed the same, mine comes first.
export function merged(base, mine, theirs, separator = "\n") {
  const [a, o, b] = [mine, base, theirs].map((text) => text.split(separator));
  const parts = diff3Merge(a, o, b, { excludeFalseConflicts: true });
  return {
    text: parts.flatMap(({ ok, conflict }) => ok ?? [...conflict.a, ...conflict.b]).join(separator),
    overlaps: parts.some((part) => part.conflict),
  };
}

// The merge view. choices: takeTheirs(), keepMine(), mergeBoth()?
export function mergeView({ base, mine, theirs, who, takeTheirs, keepMine, mergeBoth }) {
  const side = (title, text, name) => element("section", { "aria-label": title },
    element("h3", {}, title), element("p", { class: "merge-text", dir: "auto", "data-side": name }, ...compared(base, text)));
  return element("div", { class: "merge", role: "group", "aria-label": "Two versions" },
    side(`${who}, saved`, theirs, "theirs"), side("You, not saved", mine, "mine"),
    element("footer", {}, button("Take theirs", takeTheirs), button("Keep mine", keepMine), mergeBoth && button("Merge both", mergeBoth, "btn-primary")));
}
