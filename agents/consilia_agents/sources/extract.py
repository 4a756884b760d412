"""What a data source is, and what it gives: a table as it was read, in the federation's names and units.

A source reads and converts; it judges nothing. What is missing stays missing (NaN) and what cannot be read is counted,
for :mod:`consilia_agents.findings` to judge. What a source does refuse (a file that is not there, a wrong password, a
column that is missing), it refuses in a sentence that never quotes a patient's value: the sentence leaves the hospital.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from consilia.dataset import Rows, Table
from consilia.experiment import Features
from consilia.vectors import FloatArray

Progress = Callable[[float], None]
"""Told the share that was read, from 0 to 1, as it grows; called from the thread that reads."""


def untold(share: float) -> None:
    """A progress that nobody listens to."""


@dataclass(frozen=True, eq=False)
class Extract:
    """A table as it was read: ``n`` records in the order in which the source has them.

    ``x`` (n, d) and ``y`` (n,) are float64 in the federation's units, NaN where nothing is there or can be read.
    ``unreadable`` counts, by feature (or label), values that are there and are no number; under the patient column's
    name, records that nobody can be told by, which have no row. ``fingerprint`` is a SHA-256 of all that was read:
    another one means another table. ``notes`` say where records are broken, by file and line and without a value; they
    stay at the hospital.
    """

    ids: tuple[str, ...]
    features: tuple[str, ...]
    label: str
    x: FloatArray
    y: FloatArray
    fingerprint: str
    unreadable: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def rows(self) -> Rows:
        """The records as they are."""
        return Rows(self.ids, self.x, self.y)

    @property
    def table(self) -> Table:
        """The same as a table whose last column is the label."""
        return Table(self.ids, (*self.features, self.label), np.column_stack([self.x, self.y]))


class DataSource(Protocol):
    """A hospital's table, read-only. Every source passes the suite in ``tests/agents/test_sources.py``."""

    def columns(self) -> tuple[str, ...]:
        """The names of the columns (codes, concepts) that there are, as the hospital calls them."""
        ...

    def extract(self, features: Features, progress: Progress = untold) -> Extract:
        """Read all records, with the features of the codebook in its order and the label.

        Raises :class:`consilia.errors.InvalidData` for what cannot be read as it is asked for (a missing column, named;
        a file that is cut off; a unit that does not convert) and :class:`consilia.errors.Unavailable` for what may come
        back by itself (a server that does not answer).
        """
        ...

    def stamp(self) -> str | None:
        """What changes when the table does and is cheap (sizes and times of files); None where only reading tells."""
        ...


def fingerprint(ids: Sequence[str], names: Sequence[str], x: FloatArray, y: FloatArray) -> str:
    """A SHA-256 over identities, columns and all values as bits, in their order."""
    digest = hashlib.sha256()
    for texts in (names, ids):
        digest.update(f"{len(texts)};".encode())
        for start in range(0, len(texts), 65536):
            digest.update("".join(f"{len(text)}:{text}" for text in texts[start : start + 65536]).encode())
    for values in (x, y):
        digest.update(np.ascontiguousarray(values).reshape(-1).data)
    return digest.hexdigest()
