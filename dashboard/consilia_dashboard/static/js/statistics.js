// The result of a statistics run: of each feature its histogram, its mean and its quantiles, with what noise can do.

import { $, make, svg, text } from "./dom.js";
import { HIDDEN } from "./format.js";

const [LEFT, RIGHT, TOP, PLOT, AXIS, ROW] = [46, 14, 22, 170, 22, 18]; // pixels
const NARROW = 420;
const DASH = "–";

export class Statistics {
  constructor(section) {
    this.section = section;
    this.drawn = "";
    this.statistics = [];
    this.width = 0;
    // A figure has as many pixels as its place, so that its words stay as large as all others.
    new ResizeObserver(() => this.resize()).observe($("figures"));
  }

  draw({ view }) {
    const told = JSON.stringify(view.statistics ?? null);
    if (told === this.drawn) return;
    this.drawn = told;
    this.statistics = view.statistics ?? [];
    const counted = this.statistics[0];
    text($("surveyed"), counted ? `${number(counted.count, counted.errors?.count)} patients` : "Statistics");
    $("waiting").hidden = this.statistics.length > 0;
    $("statistics-key").hidden = !this.statistics.length;
    text($("statistics-key"), key(this.statistics));
    $("figures").replaceChildren(...this.statistics.map(figure));
    this.width = 0;
    this.resize();
  }

  resize() {
    const width = $("figures").firstElementChild?.querySelector(".histogram")?.clientWidth ?? 0;
    if (!width || width === this.width) return;
    this.width = width;
    for (const [at, each] of this.statistics.entries()) {
      const place = $("figures").children[at].querySelector(".histogram");
      place.replaceChildren(each.histogram ? drawing(each, width) : make("p", "empty", `The histogram is ${HIDDEN}.`));
    }
  }
}

// A number with as many digits as its error bar leaves.
export const number = (value, error) => {
  if (typeof value !== "number") return DASH;
  if (typeof error !== "number" || error <= 0) return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
  const digits = Math.min(20, Math.max(0, 1 - Math.floor(Math.log10(error))));
  return `${value.toFixed(digits)} ± ${error.toFixed(digits)}`;
};

const short = (value) => String(Number(value.toPrecision(3)));
const interval = ({ value, low, high }) => `${number(value)} (${short(low)}–${short(high)})`;
const percents = (q) => `${Number((100 * q).toPrecision(4))} %`;

const key = (statistics) =>
  statistics.some((each) => each.errors)
    ? "Thin lines on the bars, the band around the mean and the lines through the quantiles: where each lies, 95 % of the time, for all that noise can do."
    : "Without noise: exact sums. The line through a quantile is the bin that it lies in.";

const figure = (each) => {
  const part = make("section", "figure");
  const heading = make("h3", "", each.name);
  if (each.unit) heading.append(make("span", "unit", ` in ${each.unit}`));
  part.setAttribute("aria-label", each.name);
  part.append(heading, make("div", "histogram"), facts(each), table(each));
  return part;
};

const facts = (each) => {
  const list = make("dl", "facts");
  const shown = (name) => (each.hidden?.includes(name) ? HIDDEN : number(each[name], each.errors?.[name]));
  const pairs = [["mean", shown("mean")], ["variance", shown("variance")]];
  for (const quantile of each.quantiles ?? []) pairs.push([percents(quantile.q), interval(quantile)]);
  if (each.hidden?.includes("quantiles")) pairs.push([each.quantiles ? "other quantiles" : "quantiles", HIDDEN]);
  for (const [name, value] of pairs) {
    const pair = make("div");
    pair.append(make("dt", "", name), make("dd", "", value));
    list.append(pair);
  }
  return list;
};

const table = ({ name, histogram }) => {
  const details = make("details");
  if (!histogram) return details;
  details.append(make("summary", "", "Histogram as a table"));
  const region = make("div", "table");
  region.tabIndex = 0;
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", `${name}, histogram, table`);
  const rows = make("table");
  const head = make("tr");
  for (const title of ["from", "to", "patients"]) head.append(heading("col", title));
  const body = make("tbody");
  for (const [at, count] of histogram.counts.entries()) {
    const row = make("tr");
    row.append(heading("row", short(histogram.edges[at])), make("td", "", short(histogram.edges[at + 1])), make("td", "", number(count, histogram.error)));
    body.append(row);
  }
  const top = make("thead");
  top.append(head);
  rows.append(top, body);
  region.append(rows);
  details.append(region);
  return details;
};

const heading = (scope, title) => {
  const cell = make("th", "", title);
  cell.scope = scope;
  return cell;
};

// The words of a figure for those who do not see it.
const described = ({ name, unit, mean, errors, hidden, quantiles, histogram }) => {
  const largest = histogram.counts.indexOf(Math.max(...histogram.counts));
  const parts = [`mean ${hidden?.includes("mean") ? HIDDEN : number(mean, errors?.mean)}`];
  for (const each of quantiles ?? []) parts.push(`${percents(each.q)} of patients at or below ${interval(each)}`);
  parts.push(`most patients between ${short(histogram.edges[largest])} and ${short(histogram.edges[largest + 1])}`);
  return `Histogram of ${name}${unit ? ` in ${unit}` : ""}: ${parts.join("; ")}.`;
};

const drawing = (each, width) => {
  const { edges, counts, error = 0 } = each.histogram;
  const quantiles = each.quantiles ?? [];
  const floor = TOP + PLOT;
  const height = floor + AXIS + ROW * quantiles.length + 4;
  const [low, high] = [edges[0], edges.at(-1)];
  const most = Math.max(...counts) + error || 1;
  const x = (value) => LEFT + ((value - low) / (high - low)) * (width - LEFT - RIGHT);
  const y = (count) => floor - (Math.max(0, count) / most) * PLOT;
  const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": described(each) });
  for (const tick of ticks(most)) {
    picture.append(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }));
    picture.append(label(LEFT - 6, y(tick) + 4, short(tick), "end"));
  }
  for (const [at, count] of counts.entries()) {
    const [from, to] = [x(edges[at]), x(edges[at + 1])];
    picture.append(svg("rect", { class: "bin", x: from + 0.5, y: y(count), width: Math.max(1, to - from - 1), height: floor - y(count) }));
    if (error > 0) picture.append(whisker((from + to) / 2, y(count + error), y(count - error), Math.min(4, (to - from) / 4)));
  }
  if (typeof each.mean === "number") picture.append(...mean(each, x, floor, width));
  picture.append(svg("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: floor, y2: floor }));
  const steps = width < NARROW ? 2 : 4;
  for (let step = 0; step <= steps; step += 1) {
    const value = low + ((high - low) * step) / steps;
    picture.append(label(x(value), floor + 16, short(value), "middle"));
  }
  for (const [at, quantile] of quantiles.entries()) picture.append(...diamond(quantile, x, floor + AXIS + ROW * at + ROW / 2));
  return picture;
};

const mean = ({ mean: value, errors }, x, floor, width) => {
  const error = errors?.mean ?? 0;
  const parts = [];
  const [from, to] = [Math.max(LEFT, x(value - error)), Math.min(width - RIGHT, x(value + error))];
  if (error > 0) parts.push(svg("rect", { class: "band", x: from, y: TOP, width: Math.max(1, to - from), height: floor - TOP }));
  parts.push(svg("line", { class: "mean", x1: x(value), x2: x(value), y1: TOP - 4, y2: floor }));
  const late = x(value) > width / 2;
  parts.push(label(x(value) + (late ? -5 : 5), TOP - 8, `mean ${number(value, error)}`, late ? "end" : "start"));
  return parts;
};

const diamond = ({ q, value, low, high }, x, y) => [
  label(LEFT - 6, y + 4, percents(q), "end"),
  svg("line", { class: "interval", x1: x(low), x2: x(high), y1: y, y2: y }),
  svg("path", { class: "quantile", d: `M ${x(value)} ${y - 5} l 5 5 l -5 5 l -5 -5 z` }),
];

const whisker = (x, top, bottom, reach) =>
  svg("path", { class: "whisker", d: `M ${x - reach} ${top} h ${2 * reach} M ${x} ${top} V ${bottom} M ${x - reach} ${bottom} h ${2 * reach}` });

const label = (x, y, words, anchor) => {
  const element = svg("text", { x, y, "text-anchor": anchor });
  element.textContent = words;
  return element;
};

// Round numbers up to `most`, three or four of them.
const ticks = (most) => {
  const rough = most / 3;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * unit).find((each) => each >= rough);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, at) => at * step);
};
