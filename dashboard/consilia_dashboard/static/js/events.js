// What happened, newest first.

import { $, make, shape } from "./dom.js";
import { clock } from "./format.js";

let drawn = "";

export const drawEvents = ({ events }) => {
  const key = `${events.length} ${events.at(-1)?.sequence ?? ""}`;
  if (key === drawn || events.length === 0) return;
  drawn = key;
  $("events").replaceChildren(...events.toReversed().map(item));
};

const item = (event) => {
  const warning = event.type === "Warning";
  const line = make("li");
  line.dataset.tone = warning ? "trouble" : "calm";
  const time = make("time", "", clock(event.at));
  time.dateTime = event.at;
  const sentence = make("p");
  if (warning) sentence.append(make("span", "hidden", "Warning: "));
  sentence.append(make("b", "", words(event.reason)), ` ${event.message}`);
  line.append(time, shape(warning ? "triangle" : "ring"), sentence);
  return line;
};

// "HospitalLost" as people read it: "Hospital lost".
const words = (reason) => {
  const spaced = String(reason).replace(/(?<=[a-z0-9])(?=[A-Z])/g, " ").toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
};
