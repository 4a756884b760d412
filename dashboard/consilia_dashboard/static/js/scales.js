// The axes of scores: between which values a chart goes, and where its lines across are.

import { isShare } from "./format.js";

const SHARE_STEPS = [0.01, 0.02, 0.05, 0.1, 0.2];
const LOSS_STEPS = [-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));
const LEAST_LOSS = 1e-5;

export const stepsOf = (name) => (name === "loss" ? LOSS_STEPS : SHARE_STEPS);
export const rangeOf = (name, low, high) => (name === "loss" ? lossRange(high) : shareRange(low, high, isShare(name) ? 0 : -1));

export const tick = (name, value, step) => {
  if (isShare(name)) return `${Math.round(value * 1000) / 10} %`;
  return (value + 0).toFixed(Math.max(2, Math.ceil(-Math.log10(step) - 1e-9)));
};

// Steps of 5 points, so that the axis stands still while a run converges.
const shareRange = (low, high, lowest) => {
  const bottom = Math.max(lowest, Math.floor((low ?? 0.5) * 20 - 0.2) / 20);
  return roomy(bottom, Math.min(1, Math.max(bottom + 0.1, Math.ceil((high ?? 1) * 20) / 20)));
};

// Tenths, and of losses as small as those of numbers the tenths of a tenth, and so on.
const lossRange = (high) => {
  const most = Math.max(high ?? 0.7, LEAST_LOSS);
  const step = Math.min(0.1, 10 ** Math.floor(Math.log10(most)));
  return roomy(0, Math.ceil(most / step + 0.2) * step);
};

// A line along the edge (100 %, a loss of 0) keeps its whole width.
const roomy = (low, high) => [low - (high - low) * 0.012, high + (high - low) * 0.012];
