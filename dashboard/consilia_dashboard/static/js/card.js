// The card of one hospital.

import { attribute, make, setShape, shape, text } from "./dom.js";
import { ago, metric } from "./format.js";
import { Sparkline } from "./sparkline.js";

const METRICS = ["accuracy", "loss", "precision", "recall"];
const COIN_LOSS = Math.LN2;

export class HospitalCard {
  constructor(name) {
    this.name = name;
    this.element = make("li", "card");
    this.element.dataset.name = name;
    this.state = make("p", "state");
    this.word = make("span");
    this.state.append(shape("dotted"), this.word);
    this.why = make("p", "why");
    this.advice = make("p", "advice");
    this.facts = make("p", "facts");
    [this.engine, this.round, this.rows, this.seen] = ["engine", "round", "rows", "seen"].map((each) => make("span", each));
    this.facts.append(this.engine, this.round, this.rows, this.seen);
    this.metrics = new Map(METRICS.map((each) => [each, meter(each)]));
    const list = make("dl", "metrics");
    list.append(...[...this.metrics.values()].map((each) => each.row));
    this.spark = new Sparkline(name);
    this.element.append(make("h2", "", name), this.state, this.why, this.advice, this.facts, list, this.spark.element, this.spark.label);
    this.lastSeen = null;
  }

  draw(hospital, records) {
    attribute(this.element, "data-tone", hospital.tone);
    attribute(this.state, "data-tone", hospital.tone);
    setShape(this.state, hospital.shape);
    text(this.word, hospital.word);
    show(this.why, hospital.reason);
    show(this.advice, hospital.advice);
    show(this.engine, hospital.engine);
    show(this.round, hospital.round === null || hospital.round === undefined ? "" : `round ${hospital.round}`);
    show(this.rows, hospital.rows ? `${hospital.rows} patients` : "");
    for (const [name, { value, fill }] of this.metrics) drawMetric(name, hospital[name], value, fill);
    this.spark.draw(records);
    this.lastSeen = hospital.lastSeen ? Date.parse(hospital.lastSeen) : null;
  }

  tick(now) {
    show(this.seen, this.lastSeen === null ? "" : `seen ${ago(now - this.lastSeen)}`);
  }
}

const show = (element, content) => {
  element.hidden = !content;
  text(element, content || "");
};

const meter = (name) => {
  const row = make("div");
  row.dataset.metric = name;
  const bar = make("span", "meter");
  bar.setAttribute("aria-hidden", "true");
  const fill = make("i");
  bar.append(fill);
  const value = make("dd", "", "–");
  row.append(make("dt", "", name.charAt(0).toUpperCase() + name.slice(1)), bar, value);
  return { row, value, fill };
};

const drawMetric = (name, score, value, fill) => {
  text(value, metric(name, score));
  const share = score === null || score === undefined ? 0 : name === "loss" ? score / COIN_LOSS : score;
  fill.style.transform = `scaleX(${Math.min(1, Math.max(0, share)).toFixed(4)})`;
};
