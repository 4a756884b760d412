// `/agents`: a card for each hospital, the worst first.

import { HospitalCard } from "./card.js";
import { $, text } from "./dom.js";
import { live } from "./live.js";
import { order, summary } from "./ranking.js";

const cards = new Map();
let clockSkew = 0;
let lastView = null;

live((federation) => {
  if (cards.size === 0) $("cards").replaceChildren();
  const { view } = federation;
  if (view !== lastView) clockSkew = Date.now() - Date.parse(view.now);
  lastView = view;
  const records = federation.ordered;
  for (const hospital of view.hospitals) {
    if (!cards.has(hospital.name)) cards.set(hospital.name, new HospitalCard(hospital.name, view.scores));
    cards.get(hospital.name).draw(hospital, records);
  }
  place(order(view));
  text($("summary"), summary(view));
  tick();
});

// Moves cards only when their order changed: a card under the pointer should not run away.
const place = (names) => {
  const wanted = names.map((name) => cards.get(name).element);
  const now = [...$("cards").children];
  if (wanted.length === now.length && wanted.every((element, index) => element === now[index])) return;
  $("cards").replaceChildren(...wanted);
};

const tick = () => {
  for (const card of cards.values()) card.tick(Date.now() - clockSkew);
};

setInterval(() => document.hidden || tick(), 1000);
