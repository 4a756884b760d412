// A metric by round: a thick line for the global model, a thin one for each hospital, with what noise may have done to it.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { attribute, atMostEvery, text } from "./dom.js";
import { isShare, scored, title } from "./format.js";
import { Legend } from "./legend.js";
import { alone, bands, bandSeries, drawAlone, edges } from "./noise.js";
import { ink, lineOf, onSchemeChange } from "./palette.js";
import { rangeOf, stepsOf, tick } from "./scales.js";
import { RoundTable } from "./table.js";

const ROUND_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];

const FADED = 0.25;

export class Chart {
  constructor(section) {
    this.name = section.dataset.metric;
    this.host = section.querySelector(".plot");
    this.empty = section.querySelector(".empty");
    this.legend = new Legend(section.querySelector(".legend"), (line, at) => this.tell(line, at), (index) => this.highlight(index));
    this.table = new RoundTable(section.querySelector("details"), this.name);
    this.bandKey = section.querySelector(".band-key");
    this.hospitals = null;
    this.noised = false;
    this.highlighted = null;
    this.records = [];
    this.edges = [];
    this.alone = [];
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
    this.records = records;
    const { noised } = federation.view.promise;
    this.edges = noised ? names.map((name) => edges(records, name, this.name)) : [];
    this.alone = this.edges.map(([lows]) => alone(lows));
    const [rounds, ...lines] = columns(records, names, this.name);
    this.data = [rounds, ...this.edges.flat(), ...lines];
    this.bandKey.hidden = !noised;
    if (names.join() !== this.hospitals?.join() || noised !== this.noised) {
      this.noised = noised;
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
    this.highlighted = index;
    this.plot?.setSeries(index === null ? null : index + this.behind, { focus: true });
  }

  // Series of the bands, which are drawn first, so that no line is shaded.
  get behind() {
    return this.noised ? 2 * this.hospitals.length : 0;
  }

  // The score of a line (0: the global model) at a round's index, or its last one.
  tell(line, at) {
    const scoresOf = (record) => (line ? record?.hospitals?.[this.hospitals[line - 1]] : record?.metrics);
    const has = (scores) => typeof scores?.[this.name] === "number" || scores?.hidden?.includes(this.name);
    const record = at === null ? this.records.findLast((each) => has(scoresOf(each))) : this.records[at];
    return scored(this.name, scoresOf(record));
  }

  options() {
    const colors = ink();
    const axis = { stroke: colors.axis, font: "12px system-ui, sans-serif", grid: { stroke: colors.grid, width: 1 }, ticks: { show: false } };
    return {
      width: this.host.clientWidth,
      height: this.host.clientHeight,
      padding: [10, 14, 0, 0],
      legend: { show: false },
      focus: { alpha: FADED },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false }, sync: { key: "rounds" } },
      scales: {
        x: { time: false, range: (plot) => [Math.min(1, plot.data[0][0] ?? 1), Math.max(this.target, plot.data[0].at(-1) ?? 1, 2)] },
        y: { range: (_plot, low, high) => rangeOf(this.name, low, high) },
      },
      axes: [
        { ...axis, incrs: ROUND_STEPS, space: 36, size: 30 },
        { ...axis, size: 58, space: 34, incrs: stepsOf(this.name), values: (_plot, ticks, _axis, _space, step) => ticks.map((at) => tick(this.name, at, step)) },
      ],
      series: [{}, ...(this.noised ? bandSeries(this.hospitals) : []), ...this.series(colors)],
      bands: this.noised ? bands(this.hospitals.map((_, index) => lineOf(index).color), () => this.line) : [],
      hooks: { setCursor: [(plot) => this.legend.show(plot.cursor.idx)], draw: [(plot) => this.noised && drawAlone(plot, this.lines(), uPlot.pxRatio)] },
    };
  }

  series(colors) {
    const few = (plot) => plot.data[0].length < 40;
    const thin = this.hospitals.map((name, index) => {
      const { color, dash } = lineOf(index);
      return { label: name, stroke: color, width: 1.4, dash, spanGaps: true, points: { show: few, filter: this.besides(index), size: 4, fill: color, width: 0 } };
    });
    return [{ label: "global", stroke: colors.line, width: 3, spanGaps: true, points: { show: few, size: 7, fill: colors.line, width: 0 } }, ...thin];
  }

  // The hospital that is pointed at, from 0.
  get line() {
    return this.highlighted === null ? null : this.highlighted - 2;
  }

  lines() {
    return this.hospitals.map((_, index) => {
      const [lows, highs] = this.edges[index];
      const alpha = this.line === null || this.line === index ? 1 : FADED;
      return { color: lineOf(index).color, values: this.data[this.behind + index + 2], lows, highs, alone: this.alone[index], alpha };
    });
  }

  // The points that are no bars.
  besides(index) {
    return (plot, series, show) => {
      const bars = this.alone[index] ?? [];
      if (!show || bars.length === 0) return null;
      return plot.data[series].flatMap((value, at) => (value === null || bars.includes(at) ? [] : [at]));
    };
  }

  sentence() {
    const last = this.data[0].length - 1;
    if (last < 0) return `${title(this.name)} by round: nothing yet`;
    const parts = ["global", ...this.hospitals].map((name, line) => `${name} ${this.tell(line, null)}`);
    return `${title(this.name)} by round, at round ${this.data[0][last]}: ${parts.join(", ")}. The table below holds every round.`;
  }
}

const columns = (records, names, metricName) => [
  records.map((record) => record.round),
  records.map((record) => record.metrics?.[metricName] ?? null),
  ...names.map((name) => records.map((record) => record.hospitals?.[name]?.[metricName] ?? null)),
];
