// A metric by round: a thick line for the global model, a thin one for each hospital.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { attribute, atMostEvery, text } from "./dom.js";
import { metric } from "./format.js";
import { Legend } from "./legend.js";
import { ink, lineOf, onSchemeChange } from "./palette.js";
import { RoundTable } from "./table.js";

const ROUND_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];

const SHARE_STEPS = [0.01, 0.02, 0.05, 0.1, 0.2];
const LOSS_STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50];

export class Chart {
  constructor(section) {
    this.name = section.dataset.metric;
    this.host = section.querySelector(".plot");
    this.empty = section.querySelector(".empty");
    this.legend = new Legend(section.querySelector(".legend"), this.name, (index) => this.highlight(index));
    this.table = new RoundTable(section.querySelector("details"), this.name);
    this.hospitals = null;
    this.plot = null;
    this.data = [[]];
    this.target = 1;
    this.describe = atMostEvery(1000, () => attribute(this.host, "aria-label", this.sentence()));
    new ResizeObserver(() => this.fit()).observe(this.host);
    onSchemeChange(() => this.rebuild());
  }

  draw(federation) {
    const records = federation.ordered;
    const names = federation.hospitals;
    this.target = Math.max(federation.view.status.target, 1);
    this.data = columns(records, names, this.name);
    this.legend.data = this.data;
    if (names.join() !== this.hospitals?.join()) {
      this.hospitals = names;
      this.legend.name(["global", ...names]);
      this.rebuild();
    } else this.plot.setData(this.data);
    this.empty.hidden = this.data[0].length > 0;
    text(this.empty, federation.view.lost ? "Rounds are drawn when the coordinator answers." : "The first round draws the first point.");
    this.legend.show(this.plot.cursor.idx);
    this.table.draw(records, names);
    this.describe();
  }

  rebuild() {
    if (this.hospitals === null) return;
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), this.data, this.host);
    this.legend.paint(["global", ...this.hospitals].map((_, index) => (index ? lineOf(index - 1) : { color: ink().line, dash: [], width: 3 })));
  }

  fit() {
    this.plot?.setSize({ width: this.host.clientWidth, height: this.host.clientHeight });
  }

  highlight(index) {
    this.plot?.setSeries(index, { focus: true });
  }

  options() {
    const colors = ink();
    const axis = { stroke: colors.axis, font: "12px system-ui, sans-serif", grid: { stroke: colors.grid, width: 1 }, ticks: { show: false } };
    return {
      width: this.host.clientWidth,
      height: this.host.clientHeight,
      padding: [10, 14, 0, 0],
      legend: { show: false },
      focus: { alpha: 0.25 },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false }, sync: { key: "rounds" } },
      scales: {
        x: { time: false, range: (plot) => [Math.min(1, plot.data[0][0] ?? 1), Math.max(this.target, plot.data[0].at(-1) ?? 1, 2)] },
        y: { range: (_plot, low, high) => (this.name === "loss" ? lossRange(high) : shareRange(low, high)) },
      },
      axes: [
        { ...axis, incrs: ROUND_STEPS, space: 36, size: 30 },
        { ...axis, size: 58, space: 34, incrs: this.name === "loss" ? LOSS_STEPS : SHARE_STEPS, values: (_plot, ticks) => ticks.map((tick) => this.tick(tick)) },
      ],
      series: [{}, ...this.series(colors)],
      hooks: { setCursor: [(plot) => this.legend.show(plot.cursor.idx)] },
    };
  }

  series(colors) {
    const few = (plot) => plot.data[0].length < 40;
    const thin = this.hospitals.map((name, index) => {
      const { color, dash } = lineOf(index);
      return { label: name, stroke: color, width: 1.4, dash, spanGaps: true, points: { show: few, size: 4, fill: color, width: 0 } };
    });
    return [{ label: "global", stroke: colors.line, width: 3, spanGaps: true, points: { show: few, size: 7, fill: colors.line, width: 0 } }, ...thin];
  }

  tick(value) {
    return this.name === "loss" ? (value + 0).toFixed(2) : `${Math.round(value * 1000) / 10} %`;
  }

  sentence() {
    const last = this.data[0].length - 1;
    if (last < 0) return `${this.name} by round: nothing yet`;
    const parts = ["global", ...this.hospitals].map((name, index) => `${name} ${metric(this.name, lastOf(this.data[index + 1]))}`);
    return `${this.name} by round, at round ${this.data[0][last]}: ${parts.join(", ")}. The table below holds every round.`;
  }
}

const columns = (records, names, metricName) => [
  records.map((record) => record.round),
  records.map((record) => record.metrics?.[metricName] ?? null),
  ...names.map((name) => records.map((record) => record.hospitals?.[name]?.[metricName] ?? null)),
];

export const lastOf = (column) => column.findLast((value) => value !== null);

// Steps of 5 points, so that the axis stands still while a run converges.
const shareRange = (low, high) => {
  const bottom = Math.max(0, Math.floor((low ?? 0.5) * 20 - 0.2) / 20);
  return roomy(bottom, Math.min(1, Math.max(bottom + 0.1, Math.ceil((high ?? 1) * 20) / 20)));
};

const lossRange = (high) => roomy(0, Math.max(0.1, Math.ceil((high ?? 0.7) * 10 + 0.2) / 10));

// A line along the edge (100 %, a loss of 0) keeps its whole width.
const roomy = (low, high) => [low - (high - low) * 0.012, high + (high - low) * 0.012];
