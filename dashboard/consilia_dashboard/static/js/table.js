// The numbers behind a chart, for screen readers and for anybody: kept up to date while it is open.

import { atMostEvery, make } from "./dom.js";
import { scored } from "./format.js";

export class RoundTable {
  constructor(details, metricName) {
    this.details = details;
    this.metricName = metricName;
    this.records = [];
    this.names = [];
    this.redraw = atMostEvery(1000, () => this.fill());
    details.addEventListener("toggle", () => details.open && this.fill());
  }

  draw(records, names) {
    this.records = records;
    this.names = names;
    if (this.details.open) this.redraw();
  }

  fill() {
    const head = make("tr");
    head.append(...["Round", "global", ...this.names].map((name) => heading("col", name)));
    this.details.querySelector("thead").replaceChildren(head);
    this.details.querySelector("tbody").replaceChildren(...this.records.map((record) => this.row(record)));
  }

  row(record) {
    const row = make("tr");
    const scores = [record.metrics, ...this.names.map((name) => record.hospitals?.[name])];
    row.append(heading("row", String(record.round)), ...scores.map((each) => make("td", "", scored(this.metricName, each))));
    return row;
  }
}

const heading = (scope, name) => {
  const cell = make("th", "", name);
  cell.scope = scope;
  return cell;
};
