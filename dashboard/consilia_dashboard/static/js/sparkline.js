// A hospital's accuracy over its last rounds, as one small line.

import { make, svg, text } from "./dom.js";
import { percent, scored as told } from "./format.js";

const WIDTH = 300;
const HEIGHT = 44;
const ROUNDS = 150;
// A wobble of a tenth of a point should not look like a mountain.
const LEAST_RANGE = 0.02;

export class Sparkline {
  constructor(name) {
    this.name = name;
    this.element = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    this.line = svg("polyline", { points: "" });
    this.element.append(svg("line", { x1: 0, y1: HEIGHT - 1, x2: WIDTH, y2: HEIGHT - 1 }), this.line);
    this.label = make("p", "spark-label");
    this.label.append(make("span"), make("span"));
  }

  // Where scores are noised they come once, and one score is no line.
  draw(records, noised) {
    const scored = records.filter((record) => typeof record.hospitals?.[this.name]?.accuracy === "number").slice(-ROUNDS);
    const values = scored.map((record) => record.hospitals[this.name].accuracy);
    const low = Math.min(...values);
    const high = Math.max(...values);
    const bottom = Math.min(low, high - LEAST_RANGE);
    this.line.setAttribute("points", values.map((value, index) => point(value, index, values.length, bottom, high)).join(" "));
    const [from, range] = this.label.children;
    this.element.toggleAttribute("hidden", noised && scored.length < 2);
    if (noised && scored.length < 2) {
      const last = records.findLast((record) => record.hospitals?.[this.name]);
      text(from, last ? `Accuracy, round ${last.round}` : "Scores come once, after the last round");
      text(range, last ? told("accuracy", last.hospitals[this.name]) : "");
      return;
    }
    text(from, scored.length ? `Accuracy, rounds ${scored[0].round}–${scored.at(-1).round}` : "Accuracy by round: nothing yet");
    text(range, scored.length ? low === high ? percent(high) : `${(low * 100).toFixed(1)}–${percent(high)}` : "");
    this.element.setAttribute("aria-label", `${from.textContent}: ${range.textContent}`);
  }
}

const point = (value, index, count, low, high) => {
  const x = count > 1 ? (index / (count - 1)) * WIDTH : WIDTH / 2;
  const y = HEIGHT - 5 - ((value - low) / (high - low)) * (HEIGHT - 10);
  return `${x.toFixed(1)},${y.toFixed(1)}`;
};
