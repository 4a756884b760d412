"""Records gathered batch by batch into one table.

Where the source tells how many will come, they are put into their places at once, and the table is all that is held;
else its batches are held and put together in the end, at about twice its size.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from consilia.dataset import Indices
from consilia.vectors import FloatArray
from consilia.wording import counted
from consilia_agents.sources.extract import Extract, Progress, fingerprint
from consilia_agents.sources.mapped import Mapped

MOST_NOTES = 20


class Records:
    """What was read so far; of about ``expected`` records, where that is known."""

    def __init__(self, mapped: Mapped, expected: int = 0) -> None:
        self._mapped = mapped
        self._ids: list[str] = []
        # Memory is taken by what is written, not by what is promised.
        self._x = np.empty((expected, len(mapped.features)))
        self._y = np.empty(expected)
        self._placed = 0
        self._chunks: list[FloatArray] = []
        self._unreadable: Counter[str] = Counter()
        self._bounds: Counter[str] = Counter()
        self._notes: list[str] = []
        self._more_notes = 0

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Sequence[str | None], columns: Sequence[FloatArray]) -> None:
        """A batch: identities (n), None where there is none, and for each mapped column its converted values (n,).

        A record without an identity gets no row.
        """
        chunk = np.empty((len(ids), len(columns)))
        for at, column in enumerate(columns):
            chunk[:, at] = column
        chunk[np.isnan(chunk)] = np.nan  # one NaN of the many there are, for the fingerprint
        known = np.array([each is not None for each in ids], dtype=bool)
        if not known.all():
            self.count(self._mapped.patient, int((~known).sum()))
            chunk = chunk[known]
        self._ids += [each for each in ids if each is not None]
        self._keep(chunk)

    def count(self, name: str, unreadable: int = 1) -> None:
        """So many values of a feature or the label (or records, by the patient column's name) are unreadable."""
        if unreadable:
            self._unreadable[name] += unreadable

    def bound(self, name: str, patients: int) -> None:
        """Of so many patients a feature, or the label, is only known to lie below or above something: it is missing."""
        if patients:
            self._bounds[name] += patients

    def broken(self, note: str) -> None:
        """A record that nobody can be told by; ``note`` says where it is."""
        self.count(self._mapped.patient)
        if len(self._notes) < MOST_NOTES:
            self._notes.append(note)
        else:
            self._more_notes += 1

    def drained(self) -> tuple[list[str], FloatArray, dict[str, int]]:
        """Identities (n), values (n, d + 1) and unreadable counts of what was added since the last time."""
        ids, chunks, unreadable = self._ids, self._chunks, dict(self._unreadable)
        self._ids, self._chunks = [], []
        self._unreadable.clear()
        return ids, np.concatenate(chunks) if chunks else np.empty((0, len(self._mapped.columns))), unreadable

    def extract(self, *, in_order_of_patients: bool = False) -> Extract:
        """The table. Where the source has no order of its own, as a database, its records are sorted by identity."""
        ids, order = self._ids, None
        if in_order_of_patients:
            sequence = sorted(range(len(ids)), key=ids.__getitem__)
            ids = [ids[at] for at in sequence]
            order = np.empty(len(ids), dtype=np.intp)
            order[sequence] = np.arange(len(ids))
        x, y = self._gathered(order)
        features = tuple(column.name for column in self._mapped.features)
        label = self._mapped.label.name
        bounds = [
            f"{name}: of {counted(count, 'patient')} the value is only known to lie below or above something; "
            "taken as missing"
            for name, count in sorted(self._bounds.items())
        ]
        more = [f"and {counted(self._more_notes, 'more record')} like these"] if self._more_notes else []
        return Extract(
            ids=tuple(ids),
            features=features,
            label=label,
            x=x,
            y=y,
            fingerprint=fingerprint(ids, (*features, label), x, y),
            unreadable=dict(self._unreadable),
            notes=(*self._notes, *more, *bounds),
        )

    def _keep(self, chunk: FloatArray) -> None:
        end = self._placed + len(chunk)
        if end <= len(self._y) and not self._chunks:
            self._x[self._placed : end], self._y[self._placed : end] = chunk[:, :-1], chunk[:, -1]
            self._placed = end
        else:
            self._chunks.append(chunk)

    def _gathered(self, order: Indices | None) -> tuple[FloatArray, FloatArray]:
        """All chunks in one, each let go of as it is copied; record i goes to row ``order[i]``."""
        if order is None and not self._chunks:
            return self._x[: self._placed], self._y[: self._placed]
        if self._placed:
            self._chunks.insert(0, np.column_stack([self._x[: self._placed], self._y[: self._placed]]))
        x = np.empty((len(self._ids), len(self._mapped.features)))
        y = np.empty(len(self._ids))
        start = 0
        self._chunks.reverse()
        while self._chunks:
            chunk = self._chunks.pop()
            rows = slice(start, start + len(chunk)) if order is None else order[start : start + len(chunk)]
            x[rows], y[rows] = chunk[:, :-1], chunk[:, -1]
            start += len(chunk)
        return x, y


class Share:
    """Tells a progress the share that was read: growing, below 1 until :meth:`finish`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._told = 0.0

    def tell(self, done: float, of: float) -> None:
        """``done`` of about ``of`` are read."""
        share = min(done / of, 0.999) if of > 0 else 0.0
        if share > self._told:
            self._told = share
            self._progress(share)

    def finish(self) -> None:
        """All is read."""
        self._progress(1.0)
