// Where the run is: round n of N, its pace, its links, and the cards of global scores.

import { $, attribute, text } from "./dom.js";
import { delta, metric, pace } from "./format.js";

export const drawRun = ({ view }) => {
  const { round, target, secondsPerRound } = view.status;
  text($("round"), String(round ?? 0));
  text($("target"), String(target));
  text($("pace"), pace(secondsPerRound));
  $("bar").max = Math.max(target, 1);
  $("bar").value = Math.min(round ?? 0, $("bar").max);
  attribute($("mlflow"), "href", view.links.mlflow);
  attribute($("model"), "href", view.links.model);
  text($("model-name"), view.model ? `Model v${view.model.version}` : "Model");
};

export const drawStats = (federation) => {
  const { view } = federation;
  const scored = federation.ordered.filter((record) => record.metrics);
  const now = scored.at(-1)?.metrics ?? view.status.metrics ?? {};
  const before = scored.at(-2)?.metrics ?? {};
  for (const card of $("stats").children) {
    const name = card.dataset.metric;
    if (name === "hospitals") drawHospitals(card, view);
    else drawStat(card, metric(name, now[name]), delta(name, now[name], before[name]));
  }
};

const drawStat = (card, value, change) => {
  text(card.querySelector(".value"), value);
  const element = card.querySelector(".delta");
  text(element, change.text);
  attribute(element, "data-good", change.good || null);
};

const drawHospitals = (card, view) => {
  drawStat(card, `${view.status.connected ?? 0}/${view.hospitalCount}`, {
    text: view.status.quorum ? `quorum ${view.status.quorum}` : "",
    good: "",
  });
};
