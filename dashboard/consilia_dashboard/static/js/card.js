// The card of one hospital.

import { attribute, make, setShape, shape, text } from "./dom.js";
import { ago, scored, title } from "./format.js";
import { Sparkline } from "./sparkline.js";

// What fills the bar of a loss: that of a coin; of a number, that of the middle told of one at a bound.
const COIN_LOSS = Math.LN2;
const MIDDLE_LOSS = 0.5;

export class HospitalCard {
  constructor(name, metrics) {
    this.name = name;
    this.fullLoss = metrics.includes("accuracy") ? COIN_LOSS : MIDDLE_LOSS;
    this.element = make("li", "card");
    this.element.dataset.name = name;
    this.state = make("p", "state");
    this.word = make("span");
    this.state.append(shape("dotted"), this.word);
    this.why = make("p", "why");
    this.advice = make("p", "advice");
    this.facts = make("p", "facts");
    [this.engine, this.round, this.rows, this.holdout, this.seen] = ["engine", "round", "rows", "holdout", "seen"].map((each) => make("span", each));
    this.facts.append(this.engine, this.round, this.rows, this.holdout, this.seen);
    this.metrics = new Map(metrics.map((each) => [each, meter(each)]));
    const list = make("dl", "metrics");
    list.append(...[...this.metrics.values()].map((each) => each.row));
    this.budget = budgetRow();
    this.spark = new Sparkline(name, metrics[0]);
    this.element.append(make("h2", "", name), this.state, this.why, this.advice, this.facts, list, ...this.budget.elements, this.spark.element, this.spark.label);
    this.lastSeen = null;
  }

  draw(hospital, records) {
    attribute(this.element, "data-tone", hospital.tone);
    attribute(this.state, "data-tone", hospital.tone);
    setShape(this.state, hospital.shape);
    text(this.word, hospital.share ? `${hospital.word} ${hospital.share}` : hospital.word);
    show(this.why, hospital.reason);
    show(this.advice, hospital.advice);
    show(this.engine, hospital.engine);
    show(this.round, hospital.round === null || hospital.round === undefined ? "" : `round ${hospital.round}`);
    show(this.rows, hospital.rows ? `${hospital.rows} patients` : "");
    show(this.holdout, hospital.scores);
    for (const [name, meter] of this.metrics) drawMetric(name, hospital, meter, this.fullLoss);
    drawBudget(this.budget, hospital.budget);
    this.spark.draw(records, hospital.budget && hospital.ledger?.exact === false);
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

// A name, a bar and a figure. The bar says nothing that the figure does not.
const row = (title) => {
  const element = make("div");
  const bar = make("span", "meter");
  bar.setAttribute("aria-hidden", "true");
  const [fill, noise] = [make("i"), make("b")];
  noise.hidden = true;
  bar.append(fill, noise);
  const value = make("dd", "", "–");
  element.append(make("dt", "", title), bar, value);
  return { row: element, value, fill, noise };
};

const meter = (name) => {
  const made = row(title(name));
  made.row.dataset.metric = name;
  return made;
};

const within = (share) => Math.min(1, Math.max(0, share));

const drawMetric = (name, scores, { value, fill, noise }, fullLoss) => {
  text(value, scored(name, scores));
  const whole = name === "loss" ? fullLoss : 1;
  const [score, error] = [scores[name] ?? 0, scores.errors?.[name] ?? 0];
  fill.style.transform = `scaleX(${within(score / whole).toFixed(4)})`;
  const [low, high] = [within((score - error) / whole), within((score + error) / whole)];
  noise.hidden = !error;
  noise.style.left = `${(low * 100).toFixed(2)}%`;
  noise.style.width = `${((high - low) * 100).toFixed(2)}%`;
};

const budgetRow = () => {
  const made = row("Epsilon");
  const list = make("dl", "metrics budget");
  list.append(made.row);
  const left = make("p", "left");
  return { ...made, list, left, elements: [list, left] };
};

const drawBudget = ({ list, left, value, fill }, budget) => {
  list.hidden = left.hidden = !budget;
  if (!budget) return;
  text(value, budget.text);
  attribute(list, "title", budget.explained || null);
  fill.style.transform = `scaleX(${within(budget.share).toFixed(4)})`;
  text(left, budget.left);
};
