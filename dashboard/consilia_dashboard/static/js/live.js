// Brings a page to life: its first view from the page itself, then the stream.

import { $, eachFrame } from "./dom.js";
import { Federation } from "./federation.js";
import { drawHeader, setDashboardLost, setUpHeader } from "./header.js";
import { Updates } from "./updates.js";

// draw(federation) is called at most once a frame. Returns the federation and its base URL.
export const live = (draw) => {
  const federation = new Federation(JSON.parse($("first").textContent));
  const scores = federation.view.scores.join();
  const url = `/federations/${federation.view.namespace}/${federation.view.name}`;
  const redraw = eachFrame(() => {
    drawHeader(federation.view);
    draw(federation);
  });
  setUpHeader();
  new Updates(
    `${url}/events`,
    (update) => {
      federation.apply(update);
      // A run of another kind of model has other scores, and the page other places for them.
      if (federation.view.scores.join() !== scores) location.reload();
      redraw();
    },
    (sentence) => setDashboardLost(sentence, federation.view),
  );
  redraw();
  return { federation, url, redraw };
};
