// What differs between two drafts of a board, and both in one.
//
// A draft is taken apart into single facts (key → value); the keys of a column hang on its uid, so that a new name or
// id is a change of that column and not another column.

const COLUMN = { name: "name", id: "id", color: "colour", category: "category", wip_limit: "limit" };
const TYPE = { name: "name", id: "id", icon: "icon", color: "colour" };
const SINGLE = { name: "board’s name", initial: "column of new tickets", resolved: "column of resolved tickets", fallback: "usual type", limited: "limits of moves" };

export const SETTINGS = {
  require_comments_on_status_change: "moves need a comment", auto_assign: "assign on the first move", allow_reopen: "reopening",
  resolve_on_final: "final columns resolve", enforce_wip_limits: "limits are strict", track_time: "track time",
  ticket_human_review: "people review what agents create", approval_timeout_seconds: "time for an approval",
};

function facts(draft) {
  const found = new Map();
  const add = (items, kind, fields) => {
    found.set(`${kind}/order`, items.map(({ uid }) => uid));
    for (const item of items) {
      found.set(`${kind}/${item.uid}`, true);
      for (const field of Object.keys(fields)) found.set(`${kind}/${item.uid}/${field}`, item[field]);
    }
  };
  for (const name of ["name", "initial", "resolved", "fallback"]) found.set(name, draft[name]);
  add(draft.columns, "columns", COLUMN);
  add(draft.types, "types", TYPE);
  found.set("limited", draft.transitions !== null);
  if (draft.transitions) {
    for (const from of draft.columns) {
      for (const to of draft.columns) {
        if (from !== to) found.set(`moves/${from.uid}/${to.uid}`, Boolean(draft.transitions[from.uid]?.includes(to.uid)));
      }
    }
  }
  for (const [name, value] of Object.entries(draft.settings)) found.set(`settings/${name}`, value);
  return found;
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// The order of those that both have: a new or a missing one alone moves nothing.
function moved(before, after) {
  return !same(before.filter((uid) => after.includes(uid)), after.filter((uid) => before.includes(uid)));
}

function changed(key, before, after) {
  return key.endsWith("/order") ? moved(before ?? [], after ?? []) : !same(before, after);
}

// [{key, before, after}], the smaller facts of what is new or gone left out.
function changes(before, after) {
  const [old, now] = [facts(before), facts(after)];
  return [...new Set([...old.keys(), ...now.keys()])].filter((key) => {
    if (!changed(key, old.get(key), now.get(key))) return false;
    const [kind, uid, rest] = key.split("/");
    if (kind === "moves") return now.get("limited") && old.get("limited") && old.has(key) && now.has(key);
    return rest === undefined || (old.has(`${kind}/${uid}`) && now.has(`${kind}/${uid}`));
  }).map((key) => ({ key, before: old.get(key), after: now.get(key) }));
}

// What changed, in words: [{key, what, before, after}]; `before` or `after` is null where there is nothing to say.
export function differences(before, after) {
  const words = new Words(before, after);
  return changes(before, after).map(({ key, before: was, after: is }) => ({ key, what: words.what(key, was, is), before: words.value(key, was), after: words.value(key, is) }));
}

class Words {
  // Whatever is in several of the drafts goes by its name in the first.
  constructor(...drafts) {
    this.names = new Map();
    for (const draft of drafts) for (const item of [...draft.columns, ...draft.types]) if (!this.names.has(item.uid)) this.names.set(item.uid, item.name || item.id);
  }

  what(key, was, is) {
    const [kind, uid, field] = key.split("/");
    if (kind in SINGLE) return SINGLE[kind];
    if (kind === "settings") return SETTINGS[uid] ?? uid;
    if (kind === "moves") return `${this.names.get(uid)} → ${this.names.get(field)}`;
    const noun = kind === "columns" ? "column" : "type";
    if (uid === "order") return `order of the ${noun}s`;
    if (field) return `${(kind === "columns" ? COLUMN : TYPE)[field]} of ${this.names.get(uid)}`;
    return `${noun} ${this.names.get(uid)} ${is ? "is new" : "goes"}`;
  }

  value(key, value) {
    const [kind, uid, field] = key.split("/");
    if (kind === "moves") return value ? "allowed" : "not allowed";
    if (uid === "order") return (value ?? []).map((each) => this.names.get(each)).join(", ");
    if (["columns", "types"].includes(kind) && !field) return null;
    if (["initial", "resolved", "fallback"].includes(kind)) return this.names.get(value) ?? "none";
    if (typeof value === "boolean") return value ? "on" : "off";
    return value === null || value === "" || value === undefined ? "none" : String(value);
  }
}

// Both in one: {draft, clashes: [{key, what, mine, theirs}]}. Where both changed one thing, `choice.get(key)` says
// whose it is, mine unless told otherwise.
export function merged(base, mine, theirs, choice = new Map()) {
  const [old, own, other] = [facts(base), facts(mine), facts(theirs)];
  const words = new Words(base, mine, theirs);
  const found = new Map();
  const clashes = [];
  for (const key of new Set([...other.keys(), ...own.keys(), ...old.keys()])) {
    const [b, m, t] = [old.get(key), own.get(key), other.get(key)];
    const iChanged = changed(key, b, m);
    const theyChanged = changed(key, b, t);
    if (iChanged && theyChanged && changed(key, m, t) && isWhole(key, own, other)) {
      clashes.push({ key, what: words.what(key, b, m), mine: words.value(key, m) ?? (m ? "stays" : "goes"), theirs: words.value(key, t) ?? (t ? "stays" : "goes") });
      found.set(key, choice.get(key) === "theirs" ? t : m);
    } else found.set(key, iChanged ? m : t);
  }
  for (const clash of lost(mine, theirs, old, own, other, words)) {
    clashes.push(clash);
    const isThere = choice.get(clash.key) === "theirs" ? other.has(clash.key) : own.has(clash.key);
    found.set(clash.key, isThere || undefined);
  }
  return { draft: assembled(found, mine, theirs), clashes };
}

// A fact of a column that one of the two removed is no clash of its own.
function isWhole(key, own, other) {
  const [kind, uid, field] = key.split("/");
  if (kind === "moves") return own.has(key) && other.has(key);
  return field === undefined || (own.has(`${kind}/${uid}`) && other.has(`${kind}/${uid}`));
}

// Columns and types that one removed and the other changed.
function lost(mine, theirs, old, own, other, words) {
  const found = [];
  for (const key of old.keys()) {
    const [kind, uid, field] = key.split("/");
    if (!["columns", "types"].includes(kind) || uid === "order" || field || own.has(key) === other.has(key)) continue;
    const kept = own.has(key) ? own : other;
    const edited = [...kept.keys()].some((each) => each.startsWith(`${key}/`) && !same(kept.get(each), old.get(each)));
    if (!edited) continue;
    const noun = kind === "columns" ? "column" : "type";
    found.push({ key, what: `${noun} ${words.names.get(uid)}`, mine: own.has(key) ? "stays, as you changed it" : "goes", theirs: other.has(key) ? "stays, as they changed it" : "goes" });
  }
  return found;
}

// Those that the order lacks come in behind what they stand behind.
function insert(order, uids) {
  uids.forEach((uid, place) => {
    if (!order.includes(uid)) order.splice(place ? order.indexOf(uids[place - 1]) + 1 : 0, 0, uid);
  });
}

function assembled(found, mine, theirs) {
  const list = (kind, fields, own, other) => {
    const order = [...(found.get(`${kind}/order`) ?? [])];
    for (const items of [other, own]) insert(order, items.map(({ uid }) => uid));
    return order.filter((uid) => found.get(`${kind}/${uid}`)).map((uid) => {
      const base = own.find((item) => item.uid === uid) ?? other.find((item) => item.uid === uid);
      const values = Object.keys(fields).map((field) => [field, found.get(`${kind}/${uid}/${field}`)]);
      return { ...base, ...Object.fromEntries(values.filter(([, value]) => value !== undefined)) };
    });
  };
  const columns = list("columns", COLUMN, mine.columns, theirs.columns);
  const settings = {};
  for (const [key, value] of found) if (key.startsWith("settings/") && value !== undefined) settings[key.slice(9)] = value;
  return {
    name: found.get("name"), columns, types: list("types", TYPE, mine.types, theirs.types),
    initial: found.get("initial"), resolved: found.get("resolved"), fallback: found.get("fallback"),
    transitions: found.get("limited") ? Object.fromEntries(columns.map((from) => [from.uid, columns.filter((to) => found.get(`moves/${from.uid}/${to.uid}`)).map(({ uid }) => uid)])) : null,
    settings, moves: { ...mine.moves }, changes: { ...mine.changes },
  };
}
