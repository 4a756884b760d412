// The top of every page: the state in a word and a shape, its sentence, and what does not answer.

import { clock } from "./format.js";
import { $, attribute, make, setShape, text } from "./dom.js";

let dashboardLost = "";

export const drawHeader = (view) => {
  const face = view.face;
  const lost = view.lost !== null;
  attribute($("badge"), "data-tone", lost ? "trouble" : face.tone);
  text($("badge").querySelector("[data-word]"), lost ? "Coordinator lost" : face.word);
  setShape($("badge"), lost ? "cross" : face.shape);
  drawPromise(view.promise);
  attribute($("face"), "data-tone", face.tone);
  text($("sentence"), face.sentence);
  text($("advice"), face.advice);
  drawList($("notes"), face.notes);
  attribute($("model-line"), "data-there", view.stage === "Complete" && view.model ? "yes" : null);
  if (view.model) text($("model-code"), `mlflow.pyfunc.load_model("${view.model.uri}")`);
  drawLoss(view);
};

export const setDashboardLost = (sentence, view) => {
  dashboardLost = sentence;
  drawLoss(view);
};

const drawPromise = (promise) => {
  attribute($("privacy"), "data-private", promise.private ? "yes" : "no");
  attribute(document.body, "data-noised", promise.noised ? "yes" : "no");
  attribute($("privacy").querySelector("summary"), "title", promise.explained.join(" "));
  text($("privacy-label"), promise.label);
  $("privacy-bar").value = promise.share;
  drawList($("explained"), promise.explained);
  text($("promise"), promise.covers);
};

const drawList = (list, sentences) => {
  if ([...list.children].map((item) => item.textContent).join("\n") === sentences.join("\n")) return;
  list.replaceChildren(...sentences.map((sentence) => make("li", "", sentence)));
};

const drawLoss = (view) => {
  const sentence = dashboardLost || lossOf(view);
  $("loss").hidden = !sentence;
  text($("loss"), sentence);
};

const lossOf = (view) => {
  if (view.lost) return `The coordinator does not answer since ${clock(view.lost.since)}; retrying. (${view.lost.reason})`;
  if (view.unreachable) return `The federations' API does not answer since ${clock(view.unreachable.since)}; retrying. (${view.unreachable.reason})`;
  return "";
};

export const setUpHeader = () => {
  $("picker").addEventListener("change", (event) => {
    location.search = `?${new URLSearchParams({ federation: event.target.value })}`;
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && $("privacy").removeAttribute("open"));
  document.addEventListener("click", (event) => $("privacy").contains(event.target) || $("privacy").removeAttribute("open"));
  $("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText($("model-code").textContent);
    text($("copy"), "Copied");
  });
};
