"""The builtin source: a shard of a public dataset, as if it were a hospital's own."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from consilia import data_source, dataset
from consilia.data_source import TableMapping
from consilia.dataset import Table
from consilia.experiment import Features
from consilia_agents.sources.extract import Extract, Progress, fingerprint, untold
from consilia_agents.sources.mapped import Mapped


@dataclass(frozen=True)
class BuiltinSource:
    """One shard of a public dataset. Its columns may be mapped as those of any table."""

    hospital: str
    dataset: str
    shard: int
    of: int
    alpha: float
    seed: int
    mapping: TableMapping = field(default_factory=TableMapping)

    @classmethod
    def named(cls, hospital: str, builtin: data_source.BuiltinSource, mapping: TableMapping | None = None) -> Self:
        """The source that a Cohort of ``hospital`` asks for."""
        chosen = mapping or TableMapping()
        return cls(hospital, builtin.dataset, builtin.shard, builtin.of, builtin.alpha, builtin.seed, chosen)

    def columns(self) -> tuple[str, ...]:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        return dataset.load(self.dataset).columns

    def extract(self, features: Features, progress: Progress = untold) -> Extract:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        mapped = Mapped.of_table(self.hospital, self.mapping, features)
        rows = self._table().project(
            [column.column for column in mapped.features], mapped.label.column, f"hospital {self.hospital}"
        )
        columns = [column.conversion.apply(rows.x[:, at]) for at, column in enumerate(mapped.features)]
        x = np.column_stack(columns)
        progress(1.0)
        names = tuple(features.names)
        told = fingerprint(rows.ids, (*names, features.label), x, rows.y)
        return Extract(rows.ids, names, features.label, x, rows.y, told)

    def stamp(self) -> str | None:
        """See :class:`consilia_agents.sources.extract.DataSource`: it never changes."""
        return "builtin"

    def _table(self) -> Table:
        train = dataset.split(dataset.load(self.dataset), self.seed).train
        return dataset.shard(train, self.shard, self.of, self.alpha, self.seed)
