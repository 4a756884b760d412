"""Data sources: where a hospital's rows come from.

A source knows its columns and gives rows of those a federation names. What it refuses, it refuses in a sentence that
names the column and never quotes a patient's value: the sentence leaves the hospital.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from consilia import dataset, spec
from consilia.dataset import Rows, Table


class DataSource(Protocol):
    """A hospital's table. Every source passes the suite in ``tests/agents/test_sources.py``."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        ...

    def load(self, features: Sequence[str], label: str) -> Rows:
        """All rows, with these feature columns in this order and this label.

        Raises :class:`consilia.errors.InvalidData` for a missing column (named), NaN or infinity, a label other than
        0 or 1, and one class only.
        """
        ...

    def read(self, features: Sequence[str], label: str) -> Rows:
        """The same rows, whatever they hold, for a private run: there, a refusal would tell of a patient.

        Raises :class:`consilia.errors.InvalidData` for a missing column (named).
        """
        ...


@dataclass(frozen=True)
class BuiltinSource:
    """One shard of a public dataset, as if it were the hospital's own."""

    hospital: str
    dataset: str
    shard: int
    of: int
    alpha: float
    seed: int

    @classmethod
    def of_cohort(cls, cohort: spec.CohortSpec) -> Self:
        """The source that a Cohort asks for."""
        builtin = cohort.source.builtin
        return cls(cohort.hospital, builtin.dataset, builtin.shard, builtin.of, builtin.alpha, builtin.seed)

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`DataSource`."""
        return dataset.load(self.dataset).columns

    def load(self, features: Sequence[str], label: str) -> Rows:
        """See :class:`DataSource`."""
        return self._table().select(tuple(features), label, self._owner)

    def read(self, features: Sequence[str], label: str) -> Rows:
        """See :class:`DataSource`."""
        return self._table().project(tuple(features), label, self._owner)

    def _table(self) -> Table:
        train = dataset.split(dataset.load(self.dataset), self.seed).train
        return dataset.shard(train, self.shard, self.of, self.alpha, self.seed)

    @property
    def _owner(self) -> str:
        return f"hospital {self.hospital}"
