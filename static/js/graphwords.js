// How the graph says things.

export const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

export const hours = (minutes) => [Math.floor(minutes / 60) && `${Math.floor(minutes / 60)}h`, Math.round(minutes % 60) && `${Math.round(minutes % 60)}m`].filter(Boolean).join(" ");

// For ears: what the drawing shows by its lines.
export function facts(node) {
  return [
    node.done ? "Done." : "", node.waits.length ? `Waits for ${node.waits.join(", ")}.` : "", node.blocks.length ? `Blocks ${node.blocks.join(", ")}.` : "",
    node.path === null ? "" : "On the critical path.",
  ].filter(Boolean).join(" ");
}

// What resolving a ticket frees, in a sentence.
export function freeing({ frees: [all, once] }) {
  if (!all) return "Resolving this frees nothing by itself.";
  const later = all - once;
  return `Resolving this frees ${all}: ${once} at once${later ? `, ${later} in turn` : ""}.`;
}

export const depth = (node) => [node.before ? `${count(node.before, "ticket")} before it` : "Nothing before it", node.behind ? `${node.behind} behind it` : "nothing behind it"].join(", ");
