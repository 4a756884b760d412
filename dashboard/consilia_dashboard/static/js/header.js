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
  $("privacy").hidden = view.private;
  attribute($("face"), "data-tone", face.tone);
  text($("sentence"), face.sentence);
  text($("advice"), face.advice);
  drawNotes(face.notes);
  attribute($("model-line"), "data-there", view.stage === "Complete" && view.model ? "yes" : null);
  if (view.model) text($("model-code"), `mlflow.pyfunc.load_model("${view.model.uri}")`);
  drawLoss(view);
};

export const setDashboardLost = (sentence, view) => {
  dashboardLost = sentence;
  drawLoss(view);
};

const drawNotes = (notes) => {
  const list = $("notes");
  if ([...list.children].map((item) => item.textContent).join("\n") === notes.join("\n")) return;
  list.replaceChildren(...notes.map((note) => make("li", "", note)));
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
  $("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText($("model-code").textContent);
    text($("copy"), "Copied");
  });
};
