// The board editor: a draft of the board beside its preview, until it is saved.

import { announce, call, csrf, element, icon, later, newKey, openSignIn, Refusal, toast, toastRefusal, button } from "./actions.js";
import { changeLines, showConflict } from "./editorconflict.js";
import { differences } from "./editordiff.js";
import { Faults } from "./editorfaults.js";
import { copyBoard, download, Import } from "./editorimport.js";
import { Moves } from "./editormoves.js";
import { Columns, drawLeaving, Types, whole } from "./editorrows.js";
import { asSaved, Draft, tickets, toBoard, toDraft, toMoves } from "./editorstate.js";
import { follow } from "./live.js";
import { openMenu } from "./menu.js";
import { Drafts } from "./ticketdrafts.js";

const DRAW_AFTER = 80; // ms
const PREVIEW_AFTER = 250; // ms
const SHORT = 25; // lines of what changes
const data = JSON.parse(document.getElementById("editor-data").textContent);
const at = (name) => document.querySelector(`[data-${name}]`);
const act = (name) => document.querySelector(`[data-act="${name}"]`);
const form = at("form");
const says = at("says");
const kept = new Drafts(data.me, `board:${data.workflow}`);
const shortcutOf = (event) => (event.ctrlKey || event.metaKey) && !event.altKey ? event.key.toLowerCase() : "";

let { version, uses } = data;
let saving = false;
let saveKey = newKey();
let asked = 0; // number of the newest preview
let untell = () => {};
let arrived = null; // {version, who}: somebody else's board that is not taken over yet

const page = { data, uses: () => uses, draft: null };
const draft = page.draft = new Draft(data.board, (source, isTyped) => changed(source, isTyped));
const columns = new Columns(page, at("columns"));
const types = new Types(page, at("types"));
const moves = new Moves(page, at("moves"), document.getElementById("be-limited"));
const faults = new Faults(page, form, says);

// ── draw ──

function changed(source, isTyped) {
  saveKey = newKey();
  if (isTyped) {
    typedIn.add(source);
    soonDraw();
  } else draw(new Set([source]));
  if (draft.isDirty) kept.keep("draft", JSON.stringify(draft.now), { base: draft.saved, version });
  else kept.drop("draft");
  soonPreview();
}

let typedIn = new Set();
// What follows from typing waits for a pause in it: fifty columns have a grid of 2,450 boxes.
const soonDraw = later(DRAW_AFTER, () => {
  draw(typedIn);
  typedIn = new Set();
});

// Everything but the parts in which changes were made: they are right already, and someone is in them.
function draw(sources = new Set()) {
  if (!sources.has("columns")) columns.draw();
  if (!sources.has("types")) types.draw();
  if (!sources.has("moves")) moves.draw();
  drawGone();
  drawChoices();
  if (!sources.has("plain")) drawPlain();
  faults.paint();
  drawTools();
}

function drawGone() {
  drawLeaving(at("leaving-columns"), page, {
    field: "columns", kind: "columns", choice: "moves", place: "move_tickets",
    ask: ({ count }) => `Its ${tickets(count)} go${count === 1 ? "es" : ""} to`,
    fits: (gone, { category }) => gone.category === category,
    none: ({ category }) => `No other ${category} column`,
  });
  drawLeaving(at("leaving-types"), page, {
    field: "ticket_types", kind: "types", choice: "changes", place: "change_types",
    ask: ({ count }) => `Its ${tickets(count)} become${count === 1 ? "s" : ""}`,
    fits: () => true,
    none: () => "No other type",
  });
}

function drawChoices() {
  const fill = (id, items, chosen) => {
    const select = document.getElementById(id);
    const options = items.map(({ uid, id: own, name }) => element("option", { value: uid, selected: uid === chosen }, name || own));
    select.replaceChildren(...options);
    select.disabled = !data.maintains;
  };
  const { columns: all, types: kinds, initial, resolved, fallback } = draft.now;
  fill("be-initial", all, initial);
  fill("be-resolved", all.filter(({ category }) => category === "final"), resolved);
  fill("be-default", kinds, fallback);
}

function drawPlain() {
  const name = document.getElementById("be-name");
  name.disabled = !data.maintains;
  if (name.value !== draft.now.name) name.value = draft.now.name;
  for (const control of form.querySelectorAll("[data-key^='settings.']")) {
    const value = draft.now.settings[control.dataset.key.slice(9)];
    if (control.type === "checkbox") control.checked = value;
    else if (control.value !== String(value ?? "")) control.value = value ?? "";
  }
  drawTimeout();
}

function drawTimeout() {
  const seconds = draft.now.settings.approval_timeout_seconds;
  const units = [["day", 86_400], ["hour", 3600], ["minute", 60]];
  const [word, unit] = units.find(([, size]) => seconds >= size) ?? [];
  const count = unit && Math.round(seconds / unit * 10) / 10;
  at("timeout").textContent = unit ? `, ${seconds % unit ? "about " : ""}${count} ${word}${count === 1 ? "" : "s"}` : "";
}

function drawTools() {
  const dirty = draft.isDirty;
  const rows = dirty ? differences(toDraft(draft.saved), draft.now) : [];
  const off = (name, isOff) => act(name)?.setAttribute("aria-disabled", String(isOff));
  off("undo", !draft.canUndo);
  off("redo", !draft.canRedo);
  off("discard", !dirty);
  off("save", !dirty || saving);
  const many = `${rows.length} change${rows.length === 1 ? "" : "s"}, not saved`;
  const text = saving ? "Saving" : dirty ? many : `Version ${version}`;
  if (at("state").textContent !== text) at("state").textContent = text;
  at("changes").hidden = !rows.length;
  const rest = rows.length > SHORT ? [element("li", {}, `and ${rows.length - SHORT} more`)] : [];
  at("changes").querySelector("ul").replaceChildren(...changeLines(rows.slice(0, SHORT)), ...rest);
}

// ── preview ──

async function askPreview(board, more = {}) {
  let answer;
  try {
    answer = await fetch("/board-settings/preview", {
      method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrf() },
      body: JSON.stringify({ workflow_id: data.workflow, board, ...more }),
    });
  } catch {
    throw new Refusal(0, { code: "offline", message: "The server did not answer. Nothing is lost.", retryable: true });
  }
  const found = await answer.json().catch(() => null);
  if (answer.ok && found) return found;
  throw new Refusal(answer.status, found?.error ?? { code: "failed", message: `The server answered ${answer.status}.`, retryable: true });
}

const soonPreview = later(PREVIEW_AFTER, preview);

async function preview() {
  const number = asked += 1;
  const note = at("drawing");
  try {
    const answer = await askPreview(toBoard(draft.now), toMoves(draft.now));
    if (number !== asked) return;
    faults.keep(answer.faults ?? []);
    note.textContent = answer.faults ? "The last draft without a fault" : "";
    if (answer.html) showPreview(answer.html);
    if (JSON.stringify(answer.uses) !== JSON.stringify(uses)) {
      uses = answer.uses;
      columns.draw();
      types.draw();
      drawGone();
    }
  } catch (refusal) {
    if (refusal.code === undefined) throw refusal;
    if (number !== asked) return;
    const out = refusal.code === "unauthenticated";
    if (refusal.status === 400) faults.keep([refusal]);
    else note.replaceChildren(out ? "You are signed out. " : "Not drawn. ", out ? button("Sign in", openSignIn, "btn-quiet") : button("Try again", preview, "btn-quiet"));
  }
  faults.paint();
}

function showPreview(html) {
  const host = at("preview");
  const scrolled = host.querySelector(".be-preview-scroll")?.scrollLeft ?? 0;
  host.innerHTML = html; // the server's own templates made it
  const again = host.querySelector(".be-preview-scroll");
  again.scrollLeft = scrolled;
}

// ── save ──

async function save() {
  if (saving || !draft.isDirty || !data.maintains) return;
  if (faults.own.size) return faults.show();
  saving = true;
  drawTools();
  const sent = structuredClone(draft.now);
  try {
    const body = { board: toBoard(draft.now), ...toMoves(draft.now), expected_version: version };
    const { board_config: config } = await call(`workflows/${encodeURIComponent(data.workflow)}/board`, body, { method: "PUT", key: saveKey });
    version = config.version;
    settle(boardOf(config), sent);
    announce(`Board saved. Version ${version}.`);
  } catch (refusal) {
    if (refusal.code === undefined) throw refusal;
    saving = false;
    refused(refusal);
  } finally {
    saving = false;
    drawTools();
  }
  if (arrived) await takeIn(arrived);
}

// The draft is what is in force, unless something was typed while `sent` was saved.
function settle(board, sent) {
  const focus = focused(sent);
  if (JSON.stringify(sent) === JSON.stringify(draft.now)) {
    draft.reset(board);
    faults.keep([]);
    says.querySelector("[data-conflict]")?.remove();
  } else draft.reset(board, asSaved(draft.now, sent));
  changed(null);
  focus();
}

// Brings the focus back to a field of what goes by another id now, the one under which it was saved.
function focused(sent) {
  const { dataset, selectionStart: start, selectionEnd: end } = document.activeElement ?? {};
  const [, uid, field] = /^(.+)\.(\w+)$/.exec(dataset?.key ?? "") ?? [];
  const items = document.activeElement?.closest("[data-types]") ? sent.types : sent.columns;
  const id = items.find((item) => item.uid === uid)?.id;
  return () => {
    const again = id && document.querySelector(`[data-key="${CSS.escape(`=${id}.${field}`)}"]`);
    if (!again || again === document.activeElement) return;
    again.focus();
    if (again.matches("input")) again.setSelectionRange(start, end);
  };
}

function refused(refusal) {
  if (refusal.code === "conflict" && refusal.field === "expected_version") return meet();
  if (refusal.field && refusal.status !== 401) {
    faults.keep(refusal.details ?? [refusal]);
    soonCounts();
    return faults.show();
  }
  toastRefusal("The board was not saved.", refusal, save);
}

// ── what others save ──

const boardOf = ({ name, columns: list, ticket_types, default_ticket_type, initial_status, resolved_status, transitions, settings }) => ({
  name, columns: list.map(({ ticket_count, ...column }) => column), ticket_types, default_ticket_type, initial_status, resolved_status, transitions, settings,
});

async function inForce() {
  const { board_config: config } = await call(`workflows/${encodeURIComponent(data.workflow)}/board`, {}, { method: "GET" });
  return { board: boardOf(config), version: config.version };
}

async function takeIn(news) {
  arrived = null;
  if (news.version <= version) return;
  if (draft.isDirty) return meet(news.who);
  const found = await inForce().catch(() => null);
  if (!found) return;
  version = found.version;
  draft.reset(found.board);
  draw();
  soonPreview();
  untell();
  untell = toast(`${news.who ?? "Somebody"} changed the board. You see version ${version}.`);
}

async function meet(who = null) {
  try {
    const theirs = await inForce();
    const box = showConflict(says, {
      draft, theirs: theirs.board, who,
      take(now) {
        version = theirs.version;
        draft.rebase(theirs.board, now);
        announce("Merged. Look at it, then save.");
        act("save").focus();
      },
      drop() {
        version = theirs.version;
        draft.rebase(theirs.board, toDraft(theirs.board));
        announce("This is their board. Undo brings yours back.");
        act("undo").focus();
      },
    });
    box.querySelector("h2").scrollIntoView({ block: "center" });
    if (!form.contains(document.activeElement)) box.querySelector("h2").focus();
    announce(box.querySelector("h2").textContent);
  } catch (refusal) {
    if (refusal.code === undefined) throw refusal;
    toastRefusal("Somebody saved the board meanwhile, but it could not be read.", refusal, () => meet(who));
  }
}

const soonCounts = later(1500, preview);
follow(data.workflow, Number(document.querySelector("[data-seq]").dataset.seq), async (events, isStale) => {
  const news = events.filter(({ type, data: what }) => type === "board_updated" && what.version > version).at(-1);
  if (news || isStale) {
    const fresh = news ? { version: news.data.version, who: news.agent_id } : await inForce().then((found) => ({ version: found.version, who: null }));
    if (saving) arrived = fresh;
    else await takeIn(fresh);
  }
  if (isStale || events.some(({ type }) => ["ticket_created", "status_changed", "ticket_updated", "ticket_rejected"].includes(type))) soonCounts();
});

// ── what a person does ──

if (data.maintains) {
  const importer = new Import(at("import"), act("import"), {
    check: (board) => askPreview(board),
    use(board, notes) {
      draft.replace(board);
      announce(`The draft is now the imported board: ${board.columns.length} columns, ${board.ticket_types.length} types.`);
      if (notes.length) toast(`Read ${notes.join("; ")}.`, { ms: 15_000 });
    },
  });
  const doing = {
    save, undo: () => draft.undo(), redo: () => draft.redo(),
    discard() {
      draft.change((now) => Object.assign(now, toDraft(draft.saved)));
      kept.drop("draft");
      announce("Discarded. Undo brings it back.");
      act("undo").focus();
    },
    "add-column": () => columns.add({ category: draft.now.columns.length ? "active" : "final", wip_limit: null }),
    "add-type": () => types.add({ icon: "" }),
    import: () => importer.toggle(),
    examples: () => openMenu(act("examples"), "Start from", data.examples.map(({ board }) => ({
      word: board.name === "Board" ? "Plain board" : board.name, glyph: "board", end: `${board.columns.length} columns`,
      run() {
        draft.replace(board.name === "Board" ? { ...board, name: draft.now.name } : board);
        announce(`The draft is now ${board.name}. Undo brings yours back.`);
        act("examples").focus();
      },
    }))),
  };
  document.addEventListener("click", ({ target }) => {
    const found = target.closest("[data-act]");
    if (found && found.getAttribute("aria-disabled") !== "true") doing[found.dataset.act]?.();
  });
  addEventListener("keydown", (event) => {
    const key = shortcutOf(event);
    const run = key === "s" ? save : key === "z" && event.shiftKey ? doing.redo : key === "z" ? doing.undo : key === "y" ? doing.redo : null;
    // In the text to import, the browser's own undo is the right one.
    if (!run || event.target.closest?.("[data-import], dialog")) return;
    event.preventDefault();
    run();
  });
  addEventListener("beforeunload", (event) => { if (draft.isDirty) event.preventDefault(); });
}

act("export").addEventListener("click", () => openMenu(act("export"), draft.isDirty ? "Export the draft" : "Export the board", [
  { word: "Download as a file", glyph: "download", run: () => { download(toBoard(draft.now), data.prefix); act("export").focus(); } },
  { word: "Copy as JSON", glyph: "copy", run: () => { copyBoard(toBoard(draft.now)); act("export").focus(); } },
]));

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", ({ target }) => {
  const { key } = target.dataset;
  if (key === "name") draft.change((now) => { now.name = target.value; }, { key, source: "plain" });
  else if (key?.startsWith("settings.")) {
    const value = target.type === "checkbox" ? target.checked : whole(target.value);
    draft.change((now) => { now.settings[key.slice(9)] = value; }, { key, source: "plain" });
    drawTimeout();
  }
});
form.addEventListener("change", ({ target }) => {
  const field = { initial: "initial", resolved: "resolved", default: "fallback" }[target.dataset.key];
  if (field) draft.change((now) => { now[field] = target.value; }, { source: "plain" });
});

// ── what was not saved when this page was last left ──

function offerKept() {
  const found = data.maintains ? kept.get("draft") : null;
  if (!found) return;
  const box = element("div", { class: "notice notice-wait", "data-kept": true }, icon("clock"),
    element("p", {}, `You left changes of this board unsaved${found.at ? `, ${new Date(found.at).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" })}` : ""}.`),
    element("span", { class: "btn-row" },
      button("Restore", () => {
        box.remove();
        if (found.version === version) return draft.rebase(draft.saved, JSON.parse(found.text));
        draft.saved = found.base;
        draft.now = JSON.parse(found.text);
        draw();
        meet();
      }),
      button("Forget", () => { box.remove(); kept.drop("draft"); }, "btn-quiet")));
  says.prepend(box);
}

draw();
preview();
offerKept();
