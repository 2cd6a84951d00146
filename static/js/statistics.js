// The statistics page: draws the figures that came with it, asks for new ones when something happens.

import { announce, call, element, icon } from "./actions.js";
import { follow } from "./live.js";
import { openMenu } from "./menu.js";
import { CHARTS, TITLED } from "./statisticscharts.js";
import { cell, day, lasting, number, parts, plural } from "./statisticswords.js";

const REST = 3000; // ms: a busy fleet asks no oftener
const main = document.getElementById("main");
const store = main.querySelector("[data-metrics]");
const lost = main.querySelector("[data-lost]");
const page = {
  people: JSON.parse(main.querySelector("[data-people]").textContent),
  final: new Set(JSON.parse(main.querySelector("[data-final]").textContent)),
  figure: (id) => metrics.figures.find((figure) => figure.id === id),
  avatar,
};
let metrics = JSON.parse(store.textContent);
const shown = new Map(); // figure → what of it is drawn, as JSON

function avatar(id, name, kind) {
  const words = name.replace(/[^\p{L}\p{N}]+/gu, " ").trim().split(" ").filter(Boolean);
  const letters = words.length > 1 ? [...words[0]][0] + [...words.at(-1)][0] : [...(words[0] ?? "?")].slice(0, 2).join("");
  return element("span", { class: `avatar hue-${kind === "system" ? 0 : crc(name) % 8 + 1}${kind === "human" ? " avatar-human" : ""}`, "aria-hidden": "true" }, letters.toUpperCase());
}

// The server picks hues by CRC-32, too.
function crc(text) {
  let found = ~0;
  for (const byte of new TextEncoder().encode(text)) {
    found ^= byte;
    for (let bit = 0; bit < 8; bit++) found = (found >>> 1) ^ (found & 1 ? 0xedb88320 : 0);
  }
  return ~found >>> 0;
}

// ── the figures at the top ──

const small = (text) => element("small", {}, text);
const delta = (...children) => element("p", { class: "delta" }, ...children);
const time = (seconds) => (seconds == null ? ["–"] : parts(seconds).flatMap(([value, unit]) => [value, small(unit)]));

// How a figure compares with the days before, and what that is set against. `less`: whether less of it is better.
function change(now, before, said, against, less = false) {
  if (now == null || before == null) return [];
  if (now === before) return ["no change", against];
  const isGood = now < before === less;
  return [element("span", { class: isGood ? "good" : "bad" }, `${now > before ? "▲" : "▼"} ${said(Math.abs(now - before))}`), against];
}

function headline() {
  const at = metrics.headline;
  const days = `the ${plural(dayCount(), "day")} before`;
  const year = Number(metrics.last_day.slice(0, 4));
  const over = at.wip_limit == null ? 0 : at.in_progress - at.wip_limit;
  const longest = at.longest_blocked;
  return [
    ["Completed", [number(at.completed), delta(...change(at.completed, at.completed_before, number, ` on ${days}`))]],
    ["Cycle time, median", [...time(at.cycle_median), delta(...change(at.cycle_median, at.cycle_median_before, lasting, " · ", true), at.completed ? `85th ${lasting(at.cycle_p85)}` : "nothing completed")]],
    ["In progress", [number(at.in_progress), at.wip_limit == null ? "" : small(` / ${number(at.wip_limit)}`),
      delta(over > 0 ? element("span", { class: "bad" }, `${number(over)} over the limit`) : at.wip_limit == null ? "active columns" : "within the limit")]],
    ["Blocked", [number(at.blocked), delta(...(longest ? ["longest ", element("a", { href: `/tickets/${longest.key}`, title: longest.title }, longest.key), `, ${lasting(longest.seconds)}`] : ["nothing waits"]))]],
    ["Reopened", [at.completed_ever ? number(Math.round((1000 * at.reopened) / at.completed_ever) / 10) : "–", at.completed_ever ? small("%") : "", delta(`${number(at.reopened)} of ${number(at.completed_ever)}`)]],
    ["Open tickets done by", at.open ? [day(at.likely_done, year), delta(at.likely_done ? `85 % likely · 50 %: ${day(at.even_odds, year)}` : "no date can be foreseen")] : ["–", delta("nothing is open")]],
  ].map(([name, content]) => element("div", { class: "kpi" }, element("dt", {}, name), element("dd", {}, ...content)));
}

const dayCount = () => (Date.parse(metrics.last_day) - Date.parse(metrics.first_day)) / 86_400_000 + 1;

function bottleneck() {
  const found = metrics.bottleneck;
  if (!found) return [];
  const text = element("p", {}, element("b", { dir: "auto" }, `${found.name} is the bottleneck.`),
    ` ${found.days ? `Its tickets have grown in number for ${plural(found.days, "day")}; ` : ""}${plural(found.tickets, "ticket")} ${found.tickets === 1 ? "waits" : "wait"} there, ${lasting(found.waiting_seconds)} on average.`);
  const board = `/tickets?${new URLSearchParams({ workflow: main.dataset.workflow, status: found.status })}`;
  return [element("div", { class: "notice notice-wait", role: "status" }, icon("warn"), text,
    element("span", { class: "btn-row" }, element("a", { class: "btn btn-sm", href: board }, `Show the ${plural(found.tickets, "ticket")}`)))];
}

// ── a chart and its table ──

function table(figure) {
  const year = Number(metrics.last_day.slice(0, 4));
  const head = element("tr", {});
  const isMixed = figure.id === "success";
  const columns = figure.columns.filter((one) => !(isMixed && one.id === "unit"));
  head.append(...columns.map((one) => element("th", { scope: "col", dir: "auto" }, one.name)));
  const body = element("tbody", {});
  for (const row of figure.rows) {
    const line = element("tr", {});
    for (const one of columns) {
      const place = figure.columns.indexOf(one);
      const unit = isMixed && one.id === "value" ? row[3] : one.unit;
      const said = place === 0 && figure.columns[0].id === "agent" ? page.people[row[0]]?.[0] ?? row[0] : cell(row[place], unit, year);
      line.append(element(place ? "td" : "th", { ...(place ? {} : { scope: "row" }), class: one.unit === "text" && place ? "is-text" : null },
        element("span", { dir: "auto" }, said)));
    }
    body.append(line);
  }
  return element("table", { class: "data" }, element("thead", {}, head), body);
}

function draw(section) {
  const figure = page.figure(section.dataset.figure);
  const needed = figure && [figure, page.figure("forecast"), figure.id === "status" && page.figure("cumulative_flow").columns];
  const told = JSON.stringify(needed ?? null);
  if (!figure || shown.get(figure.id) === told) return;
  shown.set(figure.id, told);
  const body = section.querySelector("[data-body]");
  let picture = body.querySelector("[data-picture]");
  if (!picture) {
    const title = section.querySelector("h2").firstChild.textContent.trim();
    const scroll = element("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": `${title}, table` });
    const details = element("details", { open: "open" in section.dataset }, element("summary", {}, icon("table"), TITLED), scroll);
    // A closed table is not made.
    details.addEventListener("toggle", () => { if (details.open) scroll.replaceChildren(table(page.figure(figure.id))); });
    body.append(picture = element("div", { "data-picture": "" }), details);
  }
  // What has the focus stays: the next change draws it.
  if (picture.contains(document.activeElement)) return shown.delete(figure.id);
  picture.replaceChildren(...CHARTS[figure.id](figure, page).filter(Boolean));
  const details = body.querySelector("details");
  if (details.open) details.querySelector(".table-scroll").replaceChildren(table(figure));
}

function replace(host, nodes) {
  const told = nodes.map((node) => node.outerHTML).join("");
  if (host.innerHTML === told || host.contains(document.activeElement)) return;
  host.replaceChildren(...nodes);
}

function render() {
  replace(main.querySelector("[data-headline]"), headline());
  replace(main.querySelector("[data-bottleneck]"), bottleneck());
  for (const section of main.querySelectorAll("[data-figure]")) draw(section);
  const mark = main.querySelector(".page-head time");
  mark.dateTime = metrics.as_of;
}

// ── downloads ──

main.addEventListener("click", (event) => {
  const button = event.target.closest("[data-download]");
  if (!button) return;
  const section = button.closest("[data-figure]");
  const title = section.querySelector("h2").firstChild.textContent.trim();
  openMenu(button, `Download ${title}`, [
    { word: "CSV, the table", glyph: "table", run: () => { save(section.dataset.csv); button.focus(); } },
    { word: "PNG, the chart", glyph: "chart", run: async () => {
      button.focus();
      const { picture } = await import("./statisticspng.js");
      save(await picture(section, title), `${section.dataset.figure.replaceAll("_", "-")}-${metrics.first_day}-${metrics.last_day}.png`);
      announce(`${title} saved as PNG.`);
    } },
  ]);
});

function save(href, name = "") {
  const link = element("a", { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

// ── live ──

let timer = 0;
let asked = 0;

function soon() {
  timer ||= setTimeout(refresh, Math.max(0, asked + REST - Date.now()));
}

async function refresh() {
  asked = Date.now();
  try {
    const query = store.dataset.query;
    metrics = await call(`workflows/${encodeURIComponent(main.dataset.workflow)}/metrics${query ? `?${query}` : ""}`, {}, { method: "GET" });
    lost.hidden = true;
    main.querySelector("[data-nothing]")?.remove();
    render();
  } catch {
    lost.hidden = false;
  }
  timer = 0;
}

main.querySelector("[data-retry]").addEventListener("click", refresh);
render();
follow(main.dataset.workflow, Number(main.dataset.seq), soon);
