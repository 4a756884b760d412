// `/`: the federation as a whole.

import { Actions } from "./actions.js";
import { Chart } from "./chart.js";
import { $ } from "./dom.js";
import { drawEvents } from "./events.js";
import { live } from "./live.js";
import { drawRun, drawStats } from "./run.js";
import { Statistics } from "./statistics.js";

const statistics = $("statistics") && new Statistics($("statistics"));
const charts = [...document.querySelectorAll("section.chart")].map((section) => new Chart(section));
let actions = null;

const { url, redraw } = live((federation) => {
  drawRun(federation);
  drawStats(federation);
  drawEvents(federation);
  for (const chart of charts) chart.draw(federation);
  statistics?.draw(federation);
  actions?.draw(federation.view);
});
actions = new Actions(url, redraw);
