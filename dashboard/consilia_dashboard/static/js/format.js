// Numbers and times as people read them; figures keep their width.

const DASH = "–";
const defined = (value) => typeof value === "number" && Number.isFinite(value);

export const percent = (value) => (defined(value) ? `${(value * 100).toFixed(1)} %` : DASH);
// Three decimals, and four of what is below a hundredth, as losses of numbers are.
const decimals = (value) => (value !== 0 && Math.abs(value) < 0.01 ? 4 : 3);
export const loss = (value) => (defined(value) ? value.toFixed(decimals(value)) : DASH);
// Loss and r2 are numbers, all else is a share.
export const isShare = (name) => name !== "loss" && name !== "r2";
export const metric = (name, value) => (isShare(name) ? percent(value) : loss(value));
export const title = (name) => (name === "r2" ? "R²" : name.charAt(0).toUpperCase() + name.slice(1));

// A hospital's score with what noise may have done to it ("95.0 ± 3.1 %"), or that noise hides it.
export const HIDDEN = "hidden: noise";
export const scored = (name, scores) => {
  if (scores?.hidden?.includes(name)) return HIDDEN;
  const [value, error] = [scores?.[name], scores?.errors?.[name]];
  if (!defined(value) || !defined(error)) return metric(name, value);
  return isShare(name) ? `${(value * 100).toFixed(1)} ± ${percent(error)}` : `${loss(value)} ± ${loss(error)}`;
};

export const counted = (number, noun) => `${number} ${noun}${Number(number) === 1 ? "" : "s"}`;

export const clock = (iso) => {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? "" : time.toLocaleTimeString("en-GB");
};

export const pace = (seconds) => {
  if (!defined(seconds) || seconds <= 0) return "";
  return seconds < 0.1 ? `${(seconds * 1000).toFixed(0)} ms a round` : `${seconds.toFixed(seconds < 10 ? 2 : 0)} s a round`;
};

export const ago = (milliseconds) => {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 1) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
};

// The change since the round before, with its direction: { text, good: "yes" | "no" | "" }.
export const delta = (name, now, before) => {
  if (!defined(now) || !defined(before)) return { text: "", good: "" };
  const change = isShare(name) ? (now - before) * 100 : now - before;
  const text = Math.abs(change).toFixed(isShare(name) ? 1 : decimals(now));
  if (Number(text) === 0) return { text: `= ${text}`, good: "" };
  return { text: `${change > 0 ? "▲" : "▼"} ${text}`, good: (change > 0) === (name !== "loss") ? "yes" : "no" };
};
