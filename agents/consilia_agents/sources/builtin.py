"""The builtin source: a shard of a public dataset, as if it were a hospital's own."""

import hashlib
from dataclasses import dataclass
from typing import Self

from consilia import data_source, dataset
from consilia.dataset import Table
from consilia.experiment import Features
from consilia_agents.sources.extract import Extract, Progress, untold


@dataclass(frozen=True)
class BuiltinSource:
    """One shard of a public dataset. Its units are the dataset's own, whatever a codebook says."""

    hospital: str
    dataset: str
    shard: int
    of: int
    alpha: float
    seed: int

    @classmethod
    def named(cls, hospital: str, builtin: data_source.BuiltinSource) -> Self:
        """The source that a Cohort of ``hospital`` asks for."""
        return cls(hospital, builtin.dataset, builtin.shard, builtin.of, builtin.alpha, builtin.seed)

    def columns(self) -> tuple[str, ...]:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        return dataset.load(self.dataset).columns

    def extract(self, features: Features, progress: Progress = untold) -> Extract:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        table = self._table()
        rows = table.project(tuple(features.names), features.label, f"hospital {self.hospital}")
        progress(1.0)
        fingerprint = hashlib.sha256("\n".join(table.ids).encode()).hexdigest()
        return Extract(rows.ids, tuple(features.names), features.label, rows.x, rows.y, fingerprint)

    def stamp(self) -> str | None:
        """See :class:`consilia_agents.sources.extract.DataSource`: it never changes."""
        return "builtin"

    def _table(self) -> Table:
        train = dataset.split(dataset.load(self.dataset), self.seed).train
        return dataset.shard(train, self.shard, self.of, self.alpha, self.seed)
