// Colours of the lines, from the page's own style, so that dark and light are written once.

const HUES = 6;
const DASHES = [[], [7, 4], [2, 3]];

const read = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const ink = () => ({ line: read("--ink"), axis: read("--ink-2"), grid: read("--grid"), card: read("--card") });

// A hospital's line: after six hues the dash changes, so that no two of eighteen are alike.
export const lineOf = (index) => ({
  color: read(`--line-${(index % HUES) + 1}`),
  dash: DASHES[Math.floor(index / HUES) % DASHES.length],
});

export const onSchemeChange = (redo) => matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redo);
