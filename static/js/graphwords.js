// How the graph says things.

export const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

export const hours = (minutes) => [Math.floor(minutes / 60) && `${Math.floor(minutes / 60)}h`, Math.round(minutes % 60) && `${Math.round(minutes % 60)}m`].filter(Boolean).join(" ");

// A card's name for ears: what it shows, and what the drawing shows by its lines.
export function spoken(node, column) {
  return [
    `${node.key} ${node.title}`, column, node.blocked ? (node.by_hand ? "blocked by hand" : "blocked") : "", node.pending ? "waits for approval" : "",
    node.agent ? `${node.agent[0]}${node.lease ? ` ${node.lease[0]}` : ""}` : "", node.waits.length ? `waits for ${node.waits.join(", ")}` : "",
    node.blocks.length ? `blocks ${node.blocks.join(", ")}` : "", node.frees[0] ? `frees ${node.frees[0]}` : "", node.path === null ? "" : "on the critical path",
  ].filter(Boolean).join("; ");
}

// What resolving a ticket frees: the words before the keys.
export function freeing({ frees: [all, once] }) {
  if (!all) return "Resolving this frees nothing by itself.";
  return `Resolving this frees ${all}${once < all ? `, ${once || "none"} of them at once` : ""}:`;
}

export const depth = (node) => [node.before ? `${count(node.before, "ticket")} before it` : "Nothing before it", node.behind ? `${node.behind} behind it` : "nothing behind it"].join(", ");
