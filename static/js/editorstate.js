// The draft of a board: what a person has made of it and not saved, with undo.
//
// Columns and types are told apart by a `uid` that a new id does not change; `was` is the id under which the server
// knows one, null for a new one. What refers to a column (transitions, where tickets go) refers to its uid.

const STEP = 1200; // ms: changes of one field within it are one step
const MOST_STEPS = 200;
const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,49}$/;

let made = 0;

// A board as the server writes it → a draft. `saved`: the board in force.
export function toDraft(board, saved = board) {
  const uids = (ids) => (ids ?? []).map((id) => `=${id}`);
  return anchor({
    name: board.name,
    columns: board.columns.map(({ id, name, color, category, wip_limit }) => ({ uid: `=${id}`, was: null, id, name, color, category, wip_limit })),
    types: board.ticket_types.map(({ id, name, icon, color }) => ({ uid: `=${id}`, was: null, id, name, icon, color })),
    initial: `=${board.initial_status}`,
    resolved: `=${board.resolved_status}`,
    fallback: `=${board.default_ticket_type}`,
    transitions: board.transitions && Object.fromEntries(Object.entries(board.transitions).map(([id, targets]) => [`=${id}`, uids(targets)])),
    settings: { ...board.settings },
    moves: {},
    changes: {},
  }, saved);
}

// What of the draft the board in force already has.
export function anchor(draft, saved) {
  const settle = (items, known) => {
    const ids = new Set(known.map(({ id }) => id));
    for (const item of items) {
      if (!ids.has(item.was)) item.was = null;
      if (item.was === null && ids.has(item.id) && !items.some((other) => other.was === item.id)) item.was = item.id;
    }
  };
  settle(draft.columns, saved.columns);
  settle(draft.types, saved.ticket_types);
  return draft;
}

// A draft of which an earlier one, `sent`, is in force now: what was in that goes by the ids that it had there.
export function asSaved(draft, sent) {
  const of = (kind) => new Map(sent[kind].map(({ uid, id }) => [uid, id]));
  const [columns, types] = [of("columns"), of("types")];
  const known = (ids, uid) => (ids.has(uid) ? `=${ids.get(uid)}` : uid);
  const items = (all, ids) => all.map((item) => ({ ...item, uid: known(ids, item.uid), was: ids.get(item.uid) ?? null }));
  const column = (uid) => known(columns, uid);
  return {
    ...draft,
    columns: items(draft.columns, columns),
    types: items(draft.types, types),
    initial: column(draft.initial),
    resolved: column(draft.resolved),
    fallback: known(types, draft.fallback),
    transitions: draft.transitions && Object.fromEntries(Object.entries(draft.transitions).map(([from, to]) => [column(from), to.map(column)])),
    moves: {},
    changes: {},
  };
}

// A draft → a board as the server takes it.
export function toBoard(draft) {
  const id = (items, uid) => items.find((item) => item.uid === uid)?.id ?? null;
  const targets = (uid) => draft.columns.filter((other) => other.uid !== uid && draft.transitions[uid]?.includes(other.uid)).map((other) => other.id);
  return {
    name: draft.name,
    columns: draft.columns.map((column, order) => ({
      id: column.id, name: column.name, order, color: column.color, wip_limit: column.wip_limit, category: column.category,
    })),
    ticket_types: draft.types.map((kind) => ({ id: kind.id, name: kind.name, icon: kind.icon, color: kind.color })),
    default_ticket_type: id(draft.types, draft.fallback),
    initial_status: id(draft.columns, draft.initial),
    resolved_status: id(draft.columns, draft.resolved),
    transitions: draft.transitions && Object.fromEntries(draft.columns.map((column) => [column.id, targets(column.uid)])),
    settings: { ...draft.settings },
  };
}

// What the server is told beside the board: where tickets go whose column or type goes, or goes by another id.
export function toMoves(draft) {
  const chosen = (items, choice) => {
    const found = {};
    for (const [was, uid] of Object.entries(choice)) {
      const item = items.find((other) => other.uid === uid);
      if (item && !items.some((other) => other.was === was)) found[was] = item.id;
    }
    for (const item of items) if (item.was !== null && item.was !== item.id) found[item.was] = item.id;
    return found;
  };
  return { move_tickets: chosen(draft.columns, draft.moves), change_types: chosen(draft.types, draft.changes) };
}

// Columns (or types) in force that the draft has no longer, with the tickets that hold on to them.
export const leaving = (items, saved, uses) => saved.filter(({ id }) => uses[id] && !items.some((item) => item.was === id))
  .map((item) => ({ ...item, count: uses[item.id] }));

// What the server would refuse, by place: known here at once, and said in the words of this page.
export function faultsOf(draft, saved, uses) {
  const faults = new Map();
  const say = (place, text) => { if (!faults.has(place)) faults.set(place, text); };
  const check = (field, items) => items.forEach((item, place) => {
    if (!String(item.name).trim()) say(`${field}.${place}.name`, "It needs a name.");
    if (!ID.test(item.id)) say(`${field}.${place}.id`, "An id is of letters, digits, - and _, at most 50, and begins with a letter or a digit.");
    else if (items.findIndex((other) => other.id === item.id) < place) say(`${field}.${place}.id`, `The id “${item.id}” stands twice.`);
  });
  if (!draft.name.trim()) say("name", "The board needs a name.");
  check("columns", draft.columns);
  check("ticket_types", draft.types);
  if (!draft.columns.some(({ category }) => category === "final")) say("columns", "A board needs at least one final column.");
  if (!draft.types.length) say("ticket_types", "A board needs at least one type.");
  draft.columns.forEach((column, place) => {
    const before = saved.columns.find(({ id }) => id === column.was);
    if (before && before.category !== column.category && uses.columns[before.id]) {
      say(`columns.${place}.category`, `${tickets(uses.columns[before.id])} here are ${before.category}; as ${column.category} their times would be untrue. Move them first, or add another column.`);
    }
  });
  for (const gone of leaving(draft.columns, saved.columns, uses.columns)) {
    const target = draft.columns.find(({ uid }) => uid === draft.moves[gone.id]);
    if (target?.category !== gone.category) say(`move_tickets.${gone.id}`, "Choose where they go.");
  }
  for (const gone of leaving(draft.types, saved.ticket_types, uses.types)) {
    if (!draft.types.some(({ uid }) => uid === draft.changes[gone.id])) say(`change_types.${gone.id}`, "Choose what they become.");
  }
  return faults;
}

export const tickets = (count) => (count === 1 ? "1 ticket" : `${count.toLocaleString("en")} tickets`);

// An id made of a name, unlike all of `taken`.
export function idFrom(name, taken, fallback) {
  const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "").slice(0, 44) || fallback;
  for (let number = 1; ; number += 1) {
    const id = number === 1 ? plain : `${plain}_${number}`;
    if (!taken.includes(id)) return id;
  }
}

export const newUid = () => `+${Date.now().toString(36)}-${made += 1}`;

export class Draft {
  #past = [];
  #future = [];
  #last = { key: null, at: 0 };

  // tell(source, isTyped): after each change; `source` is the part of the page that made it, null for all of it;
  // `isTyped`: more of the same may follow at once.
  constructor(board, tell) {
    this.tell = tell;
    this.reset(board);
  }

  // `board` is in force, and the draft is of it: `now`, or the same. What was before cannot be gone back to.
  reset(board, now = toDraft(board)) {
    this.saved = board;
    this.now = mended(anchor(now, board), board);
    this.clean = JSON.stringify(toBoard(toDraft(board)));
    [this.#past, this.#future] = [[], []];
  }

  // Another board is in force, and the draft goes on as `now`.
  rebase(board, now) {
    this.#step();
    this.saved = board;
    this.clean = JSON.stringify(toBoard(toDraft(board)));
    this.now = mended(anchor(structuredClone(now), board), board);
    this.tell(null);
  }

  get isDirty() { return JSON.stringify(toBoard(this.now)) !== this.clean; }
  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }

  // change((draft) => …, {key, source}). Changes with the same key in quick succession are undone together.
  change(apply, { key = null, source = null } = {}) {
    const before = JSON.stringify(this.now);
    apply(this.now);
    mended(this.now, this.saved);
    if (JSON.stringify(this.now) === before) return;
    const at = Date.now();
    if (!key || key !== this.#last.key || at - this.#last.at > STEP) this.#step(before);
    this.#last = { key, at };
    this.#future = [];
    this.tell(source, key !== null);
  }

  replace(board) {
    this.change((draft) => Object.assign(draft, toDraft(board, this.saved)));
  }

  undo() { this.#swap(this.#past, this.#future); }
  redo() { this.#swap(this.#future, this.#past); }

  #step(before = JSON.stringify(this.now)) {
    this.#past.push(before);
    if (this.#past.length > MOST_STEPS) this.#past.shift();
  }

  #swap(from, to) {
    if (!from.length) return;
    to.push(JSON.stringify(this.now));
    this.now = anchor(JSON.parse(from.pop()), this.saved);
    this.#last = { key: null, at: 0 };
    this.tell(null);
  }
}

// Choices whose column or type is gone become those that the server would make, and where there is but one, it is made.
function mended(draft, saved) {
  const has = (items, uid) => items.some((item) => item.uid === uid);
  const finals = draft.columns.filter(({ category }) => category === "final");
  if (!has(draft.columns, draft.initial)) draft.initial = draft.columns[0]?.uid ?? null;
  if (!has(finals, draft.resolved)) draft.resolved = finals[0]?.uid ?? null;
  if (!has(draft.types, draft.fallback)) draft.fallback = (draft.types.find(({ id }) => id === "task") ?? draft.types[0])?.uid ?? null;
  for (const { id, category } of saved.columns) {
    const fit = draft.columns.filter((column) => column.category === category);
    if (!has(fit, draft.moves[id])) delete draft.moves[id];
    if (fit.length === 1 && !draft.columns.some(({ was }) => was === id)) draft.moves[id] ??= fit[0].uid;
  }
  return draft;
}
