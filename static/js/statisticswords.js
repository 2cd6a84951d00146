// How the figures are said: lengths of time, days, shares, people.

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

// 20400 → [["5", "h"], ["40", "m"]]: the two largest parts.
export function parts(seconds) {
  const size = Math.abs(seconds);
  if (size < 60) return [[`${Math.round(size)}`, "s"]];
  const minutes = Math.round(size / 60);
  if (minutes < 60) return [[`${minutes}`, "m"]];
  if (minutes < 48 * 60) return [[`${Math.floor(minutes / 60)}`, "h"], [String(minutes % 60).padStart(2, "0"), "m"]];
  const hours = Math.round(size / 3600);
  if (hours >= 2400) return [[number(Math.round(hours / 24)), "d"]];
  return [[`${Math.floor(hours / 24)}`, "d"], [`${hours % 24}`, "h"]];
}

export function lasting(seconds) {
  if (seconds == null) return "–";
  return (seconds < 0 ? "−" : "") + parts(seconds).map((part) => part.join("")).join(" ");
}

// "2026-11-09" → "9 Nov"; with the year where it is not `year`.
export function day(iso, year) {
  if (!iso) return "–";
  const [y, m, d] = iso.split("-").map(Number);
  return `${d} ${MONTHS[m - 1]}${year === undefined || y === year ? "" : ` ${y}`}`;
}

export function number(value) {
  return value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: 2 }).replaceAll(",", "\u202f").replace("-", "−");
}

export function cell(value, unit, year) {
  if (value == null) return "–";
  if (unit === "seconds") return lasting(value);
  if (unit === "date") return day(value, year);
  if (unit === "milliseconds") return `${number(value)} ms`;
  if (unit === "percent") return `${number(value)} %`;
  return typeof value === "number" ? number(value) : value;
}

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
