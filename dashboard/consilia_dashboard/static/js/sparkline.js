// A hospital's accuracy over its last rounds (of a number its r2), as one small line.

import { make, svg, text } from "./dom.js";
import { isShare, metric, scored as withError, title } from "./format.js";

const WIDTH = 300;
const HEIGHT = 44;
const ROUNDS = 150;
// A wobble of a tenth of a point should not look like a mountain.
const LEAST_RANGE = 0.02;

export class Sparkline {
  constructor(name, score) {
    this.name = name;
    this.score = score;
    this.element = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    this.line = svg("polyline", { points: "" });
    this.element.append(svg("line", { x1: 0, y1: HEIGHT - 1, x2: WIDTH, y2: HEIGHT - 1 }), this.line);
    this.label = make("p", "spark-label");
    this.label.append(make("span"), make("span"));
  }

  // Where scores are noised they come once, and one score is no line.
  draw(records, noised) {
    const scored = records.filter((record) => typeof record.hospitals?.[this.name]?.[this.score] === "number").slice(-ROUNDS);
    const values = scored.map((record) => record.hospitals[this.name][this.score]);
    const low = Math.min(...values);
    const high = Math.max(...values);
    const bottom = Math.min(low, high - LEAST_RANGE);
    const once = !this.score || (noised && scored.length < 2);
    this.element.toggleAttribute("hidden", once);
    this.line.setAttribute("points", values.map((value, index) => point(value, index, values.length, bottom, high)).join(" "));
    const [from, range] = this.label.children;
    const [which, what] = once ? this.alone(records) : ranged(this.score, scored, low, high);
    text(from, which);
    text(range, what);
    this.element.setAttribute("aria-label", `${from.textContent}: ${range.textContent}`);
  }

  alone(records) {
    if (!this.score) return ["", ""]; // statistics score nobody
    const has = (scores) => typeof scores?.[this.score] === "number" || scores?.hidden?.includes(this.score);
    const last = records.findLast((record) => has(record.hospitals?.[this.name]));
    return last ? [`${title(this.score)}, round ${last.round}`, withError(this.score, last.hospitals[this.name])] : ["Scores come once, after the last round", ""];
  }
}

const ranged = (name, scored, low, high) =>
  scored.length
    ? [`${title(name)}, rounds ${scored[0].round}–${scored.at(-1).round}`, low === high ? metric(name, high) : `${isShare(name) ? (low * 100).toFixed(1) : metric(name, low)}–${metric(name, high)}`]
    : [`${title(name)} by round: nothing yet`, ""];

const point = (value, index, count, low, high) => {
  const x = count > 1 ? (index / (count - 1)) * WIDTH : WIDTH / 2;
  const y = HEIGHT - 5 - ((value - low) / (high - low)) * (HEIGHT - 10);
  return `${x.toFixed(1)},${y.toFixed(1)}`;
};
