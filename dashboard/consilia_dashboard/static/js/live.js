// Brings a page to life: its first view from the page itself, then the stream.

import { $, eachFrame } from "./dom.js";
import { Federation } from "./federation.js";
import { drawHeader, setDashboardLost, setUpHeader } from "./header.js";
import { Updates } from "./updates.js";

// draw(federation) is called at most once a frame. Returns the federation and its base URL.
export const live = (draw) => {
  const federation = new Federation(JSON.parse($("first").textContent));
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
      redraw();
    },
    (sentence) => setDashboardLost(sentence, federation.view),
  );
  redraw();
  return { federation, url, redraw };
};
