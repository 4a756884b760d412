// The order of the cards: by how bad a hospital's state is, then by its accuracy, or the r2 of a number.

const SETTLE_MILLISECONDS = 5000;

let held = { key: "", at: 0, names: [] };

// While all are well, accuracies overtake one another at every round: such changes wait a few seconds.
export const order = ({ hospitals, scores }) => {
  const key = hospitals.map(({ name, rank }) => `${name}:${rank}`).join();
  const now = performance.now();
  if (key !== held.key || now - held.at > SETTLE_MILLISECONDS) {
    const names = hospitals.toSorted(worse(scores[0])).map((hospital) => hospital.name);
    held = { key, at: now, names };
  }
  return held.names;
};

const worse = (score) => (a, b) => a.rank - b.rank || (a[score] ?? 2) - (b[score] ?? 2) || a.name.localeCompare(b.name);

// "5 hospitals: 1 lost, 4 training"
export const summary = ({ hospitals, hospitalCount }) => {
  const counts = new Map();
  const byWord = hospitals.toSorted((a, b) => a.rank - b.rank || a.word.localeCompare(b.word));
  for (const { word, rank } of byWord) counts.set(word, { rank, count: (counts.get(word)?.count ?? 0) + 1 });
  const parts = [...counts].map(([word, { count }]) => `${count} ${word}`);
  const total = `${hospitalCount} ${hospitalCount === 1 ? "hospital" : "hospitals"}`;
  return parts.length ? `${total}: ${parts.join(", ")}` : `${total}; the coordinator has not named them yet.`;
};
