// What noise may have done to hospitals' scores, drawn: a band along a line, a bar where a score stands alone.

const FAINT = "2b";
const SOLID = "ff";
const ALONE_SPREAD = 26;
const ALONE_STEP = 7;

// The lowest and the highest that a score may have been without its noise: [lows, highs], null where it has none.
export const edges = (records, hospital, metricName) => {
  const top = metricName === "loss" ? Infinity : 1;
  const pairs = records.map((record) => {
    const scores = record.hospitals?.[hospital];
    const [value, error] = [scores?.[metricName], scores?.errors?.[metricName]];
    return typeof value === "number" && typeof error === "number" ? [Math.max(0, value - error), Math.min(top, value + error)] : [null, null];
  });
  return [pairs.map(([low]) => low), pairs.map(([, high]) => high)];
};

// Where a band would have no width to be seen: scores with an error whose neighbours have none.
export const alone = (lows) => lows.flatMap((low, at) => (low !== null && (lows[at - 1] ?? null) === null && (lows[at + 1] ?? null) === null ? [at] : []));

// Two series without a line for each hospital, the first of all series, and a band between them.
export const bandSeries = (hospitals) => hospitals.flatMap(() => [edge(), edge()]);
const edge = () => ({ width: 0, spanGaps: false, points: { show: false } });

// A line that is pointed at is not faint: the others are, and its edges with them.
export const bands = (colors, highlighted) =>
  colors.map((color, index) => ({ series: [2 * index + 2, 2 * index + 1], fill: () => color + (highlighted() === index ? SOLID : FAINT) }));

// A bar with caps and its point for every score that stands alone, side by side where several do: mostly to the left of
// their round, which is the last one.
// lines: [{ color, values, lows, highs, alone, alpha }] by hospital.
export const drawAlone = (plot, lines, ratio) => {
  const context = plot.ctx;
  const beside = new Map();
  for (const line of lines) for (const at of line.alone) beside.set(at, [...(beside.get(at) ?? []), line]);
  context.save();
  context.lineWidth = 1.6 * ratio;
  for (const [at, group] of beside) {
    const step = group.length > 1 ? Math.min(ALONE_STEP, ALONE_SPREAD / (group.length - 1)) : 0;
    group.forEach((line, index) => bar(plot, context, line, at, ((index - group.length + 1) * step + ALONE_STEP) * ratio, ratio));
  }
  context.restore();
};

const bar = (plot, context, { color, values, lows, highs, alpha }, at, shift, ratio) => {
  const x = plot.valToPos(plot.data[0][at], "x", true) + shift;
  const [low, value, high] = [lows[at], values[at], highs[at]].map((each) => plot.valToPos(each, "y", true));
  context.globalAlpha = alpha;
  context.strokeStyle = context.fillStyle = color;
  context.beginPath();
  context.moveTo(x, low);
  context.lineTo(x, high);
  for (const end of [low, high]) {
    context.moveTo(x - 2.5 * ratio, end);
    context.lineTo(x + 2.5 * ratio, end);
  }
  context.stroke();
  context.beginPath();
  context.arc(x, value, 2.6 * ratio, 0, 2 * Math.PI);
  context.fill();
};
