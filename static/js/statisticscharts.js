// What each figure looks like. A chart takes the figure's rows and returns what goes above its table.

import { element } from "./actions.js";
import { bands, columns, legend, line, plot, rails, ring, scale, segment, thinned, tone } from "./statisticsdraw.js";
import { cell, day, lasting, number, plural } from "./statisticswords.js";

const column = (figure, id) => figure.rows.map((row) => row[figure.columns.findIndex((one) => one.id === id)]);
const names = (figure) => figure.rows.map((row) => row[0]);
const most = (values) => values.reduce((found, value) => Math.max(found, value ?? 0), 0);
const sums = (figure, skip = 1) => figure.rows.map((row) => row.slice(skip).reduce((sum, value) => sum + value, 0));
const bidi = (text) => element("span", { dir: "auto", class: "clip", title: text }, text);
const nothing = (text) => element("p", { class: "chart-empty" }, text);

export const TITLED = "Table"; // what the summary of a chart's table says

// Tones of the board's columns: what is done has one of its own.
function tones(figure, page) {
  let place = 0;
  return figure.columns.slice(1).map(({ id }) => (page.final.has(id) ? tone(0, true) : tone(place++)));
}

function person(id, page) {
  const [name, kind] = page.people[id] ?? [id, "ai"];
  const agent = element("span", { class: "agent" }, page.avatar(id, name, kind), element("span", { class: "agent-name", dir: "auto" }, name));
  if (id === "Nobody") agent.firstChild.remove();
  return agent;
}

function cumulativeFlow(figure, page) {
  const paint = tones(figure, page);
  const last = figure.rows.at(-1);
  const { top, ticks } = scale(most(sums(figure)));
  const series = figure.columns.slice(1).map((_, place) => ({ values: figure.rows.map((row) => row[place + 1]), tone: paint[place] }));
  const tips = figure.rows.map((row) => `${day(row[0])}: ${figure.columns.slice(1).map((one, place) => `${one.name} ${number(row[place + 1])}`).join(", ")}`);
  return [
    legend(figure.columns.slice(1).map((one, place) => ({ tone: paint[place], word: one.name, value: last[place + 1] }))),
    plot({
      label: `Cumulative flow, ${plural(figure.rows.length, "day")}. Now ${tips.at(-1)}.`,
      ticks, labels: thinned(names(figure)).map((text) => day(text)), shapes: bands(series, top), tips,
    }),
  ];
}

function workload(figure, page) {
  if (!figure.rows.length) return [nothing("No open tickets.")];
  const whole = most(column(figure, "open"));
  const rows = figure.rows.map(([id, active, queued, blocked, open]) => ({
    name: person(id, page), value: number(open),
    parts: [{ size: active, tone: "c3" }, { size: queued, tone: "c1" }, { size: blocked, tone: "c2" }],
  }));
  const shown = rows.slice(0, 12);
  return [
    legend([{ tone: "c3", word: "active" }, { tone: "c1", word: "queued" }, { tone: "c2", word: "blocked" }]),
    rails(shown, whole),
    rows.length > shown.length && element("p", { class: "hint" }, `and ${plural(rows.length - shown.length, "more", "more")} in the table`),
  ];
}

// Median, and paler up to the 85th percentile.
function spreads(figure) {
  const [median, p85] = [column(figure, "median"), column(figure, "p85")];
  const whole = most(p85);
  if (!whole) return [nothing("Nothing to measure in these days yet.")];
  return [
    legend([{ tone: "c2", word: "median" }, { word: "to the 85th percentile, paler" }]),
    rails(figure.rows.map((row, place) => ({
      name: bidi(row[0]),
      parts: [{ size: p85[place] ?? 0, tone: tone(place), isSoft: true }, { size: median[place] ?? 0, tone: tone(place) }],
      value: median[place] == null ? "–" : `${lasting(median[place])} / ${lasting(p85[place])}`,
    })), whole, true),
  ];
}

function velocity(figure) {
  const [completed, mean] = [column(figure, "completed"), column(figure, "mean")];
  const { top, ticks } = scale(Math.max(most(completed), most(mean)));
  const isWeeks = figure.columns[0].id === "week";
  const labels = names(figure).map((text) => day(text));
  const over = figure.columns.at(-1).name.toLowerCase();
  return [
    legend([{ tone: "c6", word: `completed per ${isWeeks ? "week" : "day"}` }, { word: `line: ${over}`, value: mean.at(-1) }]),
    plot({
      label: `Velocity, ${plural(figure.rows.length, figure.columns[0].id)}, up to ${number(most(completed))} completed`,
      ticks, labels: labels.length > 14 ? thinned(labels) : labels, isBands: labels.length <= 14, width: figure.rows.length * 10,
      shapes: [...columns([{ values: completed, tone: "c6" }], top), line(mean, top)],
      tips: figure.rows.map((row) => `${isWeeks ? "Week of " : ""}${day(row[0])}: ${number(row[2])} completed, ${plural(row[3], "point")}, ${number(row[1])} created`),
    }),
  ];
}

const ahead = (iso, days) => new Date(Date.parse(iso) + days * 86_400_000).toISOString().slice(0, 10);

function burndown(figure, page) {
  const open = column(figure, "open");
  const { top, ticks } = scale(most(open));
  const past = open.length - 1;
  const odds = new Map(page.figure("forecast").rows.map(([likelihood, , days]) => [likelihood, days]));
  const known = [50, 85].map((likelihood) => odds.get(likelihood)).filter((days) => days > 0);
  // As far ahead as the days go back, at most one and a half times.
  const span = Math.max(past + Math.min(Math.max(0, ...known), Math.ceil(past * 1.5) || 1), 1);
  const at = (days) => (100 * days) / span;
  const now = open.at(-1);
  const height = (value) => 100 - (100 * value) / top;
  const lines = known.map((days) => {
    const until = Math.min(days, span - past);
    return segment("ahead", at(past), height(now), at(past + until), height(now * (1 - until / days)));
  });
  const tips = figure.rows.map((row) => `${day(row[0])}: ${number(row[1])} open, ${number(row[2])} created, ${number(row[3])} completed`);
  for (let days = 1; days <= span - past; days++) tips.push(`${day(ahead(figure.rows.at(-1)[0], days))}: ahead`);
  const axis = Array.from({ length: 6 }, (_, place) => Math.round((place * span) / 5)).filter((days, place, all) => all.indexOf(days) === place);
  return [
    legend([{ tone: "c2", word: "open", value: now }, ...(known.length ? [{ word: "dashed: done with 50 % and 85 % likelihood" }] : [])]),
    plot({
      label: `Burndown: ${number(open[0])} open on ${day(figure.rows[0][0])}, ${number(now)} on ${day(figure.rows.at(-1)[0])}`,
      ticks, labels: axis.map((days) => day(ahead(figure.rows[0][0], days))), tips,
      shapes: [...bands([{ values: open, tone: "c2" }], top, past ? at(past) : 100), ...lines],
    }),
  ];
}

function forecast(figure) {
  const rows = figure.rows.filter(([, , days]) => days != null);
  if (!figure.rows.length) return [nothing("Nothing was completed in these days, so nothing can be foreseen.")];
  if (!rows.length) return [nothing("At this pace it takes more than three years.")];
  if (!rows.at(-1)[2]) return [nothing("Nothing is open.")];
  const last = rows.at(-1)[2];
  // A little of the days before the first run ends, too.
  const first = rows[0][2] - Math.max(1, Math.round((last - rows[0][2]) / 10));
  const width = last - first;
  const shares = Array.from({ length: width + 1 }, (_, days) => rows.filter((row) => row[2] <= first + days).at(-1)?.[0] ?? 0);
  const said = (likelihood) => {
    const row = rows.find(([share]) => share === likelihood);
    return { word: `${likelihood} % by`, value: undefined, day: row ? day(row[1]) : "–" };
  };
  const list = legend([]);
  for (const { word, day: text } of [said(50), said(85), said(95)]) list.append(element("li", {}, `${word} `, element("b", {}, text)));
  const base = ahead(rows[0][1], -rows[0][2]);
  const labels = shares.map((_, days) => day(ahead(base, first + days)));
  return [
    list,
    plot({
      label: `Forecast: ${rows.map(([share, iso]) => `${share} % by ${day(iso)}`).filter((_, place) => place % 3 === 0).join(", ")}`,
      ticks: [100, 75, 50, 25, 0], unit: " %", labels: thinned(labels), isBands: false,
      shapes: [...bands([{ values: shares, tone: "c3" }], 100)],
      tips: shares.map((share, days) => `${labels[days]}: ${share} % likely`),
    }),
  ];
}

// The board gives its columns colours: they paint the same tones here as above.
function status(figure, page) {
  const counts = column(figure, "tickets");
  const { top, ticks } = scale(most(counts));
  const flow = tones(page.figure("cumulative_flow"), page);
  const series = counts.map((_, place) => ({ values: counts.map((count, other) => (other === place ? count : 0)), tone: flow[place] ?? tone(place) }));
  return [
    plot({
      label: `Tickets by status: ${figure.rows.map(([name, count]) => `${name} ${count}`).join(", ")}`,
      ticks, labels: names(figure), isBands: true, width: counts.length * 10,
      shapes: counts.flatMap((count, place) => columns([series[place]], top).filter((bar) => Number(bar.getAttribute("height")) > 0)),
      tips: figure.rows.map(([name, count]) => `${name}: ${plural(count, "ticket")}`),
    }),
  ];
}

function type(figure) {
  const whole = column(figure, "tickets").reduce((sum, count) => sum + count, 0);
  if (!whole) return [nothing("No tickets.")];
  const paint = figure.rows.map((_, place) => `c${(place % 6) + 1}`);
  const list = legend(figure.rows.map(([name, count], place) => ({ tone: paint[place], word: `${name}, ${number(Math.round((100 * count) / whole))} %`, value: count })));
  list.classList.add("is-list");
  return [element("div", { class: "ring-box" },
    ring(figure.rows.map(([, count], place) => ({ size: count, tone: paint[place] })), `Tickets by type: ${figure.rows.map(([name, count]) => `${name} ${count}`).join(", ")}`),
    list)];
}

function priority(figure, page) {
  const paint = tones(figure, page);
  const whole = most(sums(figure));
  return [
    legend(figure.columns.slice(1).map((one, place) => ({ tone: paint[place], word: one.name }))),
    rails(figure.rows.map((row) => ({
      name: element("span", {}, row[0]), value: number(row.slice(1).reduce((sum, count) => sum + count, 0)),
      parts: row.slice(1).map((size, place) => ({ size, tone: paint[place] })),
    })), whole),
  ];
}

function waiting(figure) {
  const grew = column(figure, "grew");
  if (!figure.rows.length) return [nothing("No columns to wait in.")];
  return [
    legend([{ tone: "c4", word: "longer, all tickets there together" }, { word: "a minus: shorter" }]),
    rails(figure.rows.map((row, place) => ({
      name: bidi(row[0]), parts: [{ size: Math.max(0, grew[place]), tone: "c4" }],
      value: `${lasting(grew[place])} · ${number(row[3])} there`,
    })), most(grew), true),
  ];
}

function agents(figure, page) {
  if (!figure.rows.length) return [nothing("No agent has tickets or did anything in these days.")];
  const whole = most(column(figure, "completed"));
  const share = (value) => (value == null ? "–" : `${number(value)} %`);
  return [rails(figure.rows.slice(0, 15).map(([id, , completed, median, , , again, , , lost]) => ({
    name: person(id, page), parts: [{ size: completed, tone: "c6" }],
    value: `${number(completed)} · median ${lasting(median)} · reopened ${share(again)} · claims lost ${share(lost)}`,
  })), whole, true)];
}

function blocked(figure, page) {
  if (!figure.rows.length) return [nothing("Nothing is blocked.")];
  return [rails(figure.rows.slice(0, 10).map(([key, title, , , seconds]) => ({
    name: element("a", { class: "blocked-ticket", href: `/tickets/${key}`, title }, element("span", { class: "key" }, key), " ", element("span", { class: "clip", dir: "auto" }, title)),
    parts: [{ size: seconds, tone: "c2" }], value: lasting(seconds),
  })), figure.rows[0][4]),
  page.figure("blocked").rows.length > 10 && element("p", { class: "hint" }, `and ${number(figure.rows.length - 10)} more in the table`)];
}

function wip(figure) {
  if (!figure.rows.length) return [nothing("No column has a limit.")];
  return [rails(figure.rows.map(([name, count, limit, within]) => ({
    name: bidi(name), parts: [{ size: within ?? 0, tone: "c6" }], isOver: count > limit,
    value: `${within == null ? "–" : `${number(within)} % of the time`} · now ${number(count)} / ${number(limit)}`,
  })), 100, true)];
}

function activity(figure) {
  const series = figure.columns.slice(1).map((_, place) => ({ values: figure.rows.map((row) => row[place + 1]), tone: `c${place + 2}` }));
  const { top, ticks } = scale(most(sums(figure)));
  return [
    legend(figure.columns.slice(1).map((one, place) => ({ tone: `c${place + 2}`, word: one.name.toLowerCase(), value: series[place].values.reduce((sum, value) => sum + value, 0) }))),
    plot({
      label: `Activity, ${plural(figure.rows.length, "day")}`, ticks, labels: thinned(names(figure)).map((text) => day(text)),
      shapes: bands(series, top),
      tips: figure.rows.map((row) => `${day(row[0])}: ${figure.columns.slice(1).map((one, place) => `${number(row[place + 1])} ${one.name.toLowerCase()}`).join(", ")}`),
    }),
  ];
}

function success(figure) {
  const box = element("div", { class: "measures" });
  for (const group of new Set(names(figure))) {
    const list = element("dl", {});
    for (const [, measure, value, unit, basis] of figure.rows.filter(([name]) => name === group)) {
      list.append(element("div", {}, element("dt", {}, measure), element("dd", {}, cell(value, unit), element("small", {}, basis))));
    }
    box.append(element("section", {}, element("h3", {}, group), list));
  }
  return [box];
}

export const CHARTS = {
  cumulative_flow: cumulativeFlow, workload, time_in_status: spreads, velocity, burndown, forecast, status, type, priority,
  cycle_time: spreads, waiting, agents, blocked, wip, activity, success,
};
