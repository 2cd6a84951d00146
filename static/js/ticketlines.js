// What can be done with the ticket in sight, as lines of a menu: the palette offers them.

import { copy } from "./actions.js";

const BUTTONS = [
  ["resolve", "Resolve…", "check", "R"], ["reopen", "Reopen", "undo"], ["approve", "Approve", "approve"], ["reject", "Reject…", "ban"], ["claim", "Claim", "user"],
  ["release", "Release", "undo"], ["unblock", "Lift the block", "lock"], ["link-commit", "Link a commit…", "commit"], ["add-sub", "Add a sub-ticket…", "plus"], ["add-related", "Link a related ticket…", "link"],
];

// ticket: of ticket.js; step(way): shows the one before (-1) or after (1), where there are such
export function lines(ticket, step) {
  const { acts, comments, data, fields, root } = ticket;
  const { key } = data;
  const field = (name) => root.querySelector(`[data-edit="${name}"]`);
  const pressed = ([act, word, glyph, keys]) => {
    const control = root.querySelector(`[data-act="${act}"]`);
    return control && { word, glyph, keys, run: () => control.click() };
  };
  const changes = () => [
    { word: "Move to…", glyph: "move", keys: "S", label: `Move ${key} to`, items: () => acts.statuses() },
    { word: "Assign…", glyph: "user", keys: "A", label: `Assign ${key} to`, items: () => acts.people() },
    { word: "Priority…", glyph: "p-high", run: () => fields.edit("priority", field("priority")) },
    { word: "Type…", glyph: "type-task", run: () => fields.edit("ticket_type", field("ticket_type")) },
    { word: "Comment", glyph: "comment", keys: "C", run: () => comments.write() },
    { word: "Edit the description", glyph: "edit", keys: "E", run: () => fields.edit("description") },
    { word: "Edit the title", glyph: "edit", keys: "T", run: () => fields.edit("title") },
    { word: "Edit the tags", glyph: "tag", run: () => fields.edit("tags") },
    { word: "Add a blocker…", glyph: "lock", keys: "B", run: () => acts.acts["add-blocker"]() },
    ...BUTTONS.map(pressed).filter(Boolean),
  ];
  return [
    ...(data.writes ? changes() : []),
    ...(step ? [{ word: "Next ticket", glyph: "down", keys: "J", run: () => step(1) }, { word: "Previous ticket", glyph: "up", keys: "K", run: () => step(-1) }] : []),
    { word: "Copy key", glyph: "copy", run: () => copy(key, "Key") },
    { word: "Copy link", glyph: "link", run: () => copy(`${location.origin}/tickets/${key}`, "Link") },
  ];
}
