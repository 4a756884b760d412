"""From round records to MLflow metrics: which entries exist, and which of them MLflow does not have yet.

Pure. A record is published again when hospitals' scores of its round are in, so that an entry may be seen many times;
it is logged once for each value that it takes. Scores of round r arrive while round r + 1 is collected: two rounds
later a record does not change any more.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from consilia.status import MetricErrors, Metrics, RoundRecord

GLOBAL = "global"
ROUND = "round"
LIMIT = 1000
"""The most metrics that MLflow takes in one request."""


@dataclass(frozen=True)
class Entry:
    """One value of one metric: ``step`` is the round, ``timestamp`` in ms since 1970 when it was committed."""

    key: str
    value: float
    step: int
    timestamp: int


@dataclass(frozen=True)
class Batch:
    """At most ``LIMIT`` entries for one request. Once it is logged, rounds up to ``settled`` need no second look."""

    entries: tuple[Entry, ...]
    settled: int


def entries_of(record: RoundRecord) -> list[Entry]:
    """Every entry of a record: ``global/accuracy`` ..., ``<hospital>/accuracy`` ..., and how the round went.

    In a private run also ``<hospital>/accuracy_error`` ..., what noise can do to a score, and what the run has cost so
    far: ``<hospital>/epsilon_spent``, and the most of them as ``round/epsilon_spent``. Undefined values are left out.
    Hospitals come in the order of names.
    """
    at = milliseconds(record.at)
    scores: list[tuple[str, Metrics]] = [] if record.metrics is None else [(GLOBAL, record.metrics)]
    scores += [(group_of(name), record.hospitals[name]) for name in sorted(record.hospitals)]
    values = [
        (f"{group}/{metric}", getattr(score, metric)) for group, score in scores for metric in Metrics.model_fields
    ]
    values += _of_privacy(record)
    values += [(f"{ROUND}/seconds", record.seconds), (f"{ROUND}/hospitals", float(len(record.participants)))]
    return [
        Entry(key, float(value), record.round, at)
        for key, value in values
        if value is not None and math.isfinite(value)
    ]


def _of_privacy(record: RoundRecord) -> list[tuple[str, float | None]]:
    values: list[tuple[str, float | None]] = [
        (f"{group_of(name)}/{score}_error", getattr(errors, score))
        for name, errors in sorted((name, scores.errors) for name, scores in record.hospitals.items() if scores.errors)
        for score in MetricErrors.model_fields
    ]
    epsilons = record.epsilons or {}
    values += [(f"{group_of(name)}/epsilon_spent", epsilon) for name, epsilon in sorted(epsilons.items())]
    return [*values, (f"{ROUND}/epsilon_spent", max(epsilons.values(), default=None))]


def group_of(hospital: str) -> str:
    """The first part of a hospital's metric names: its own, unless that already means something else."""
    return f"hospital {hospital}" if hospital in (GLOBAL, ROUND) else hospital


def milliseconds(at: str) -> int:
    """ISO 8601 as milliseconds since 1970."""
    return round(datetime.fromisoformat(at).timestamp() * 1000)


@dataclass
class Book:
    """What MLflow has of one run: rounds (from 1) up to ``settled``, and the entries of the rounds after it."""

    settled: int = 0
    logged: dict[int, frozenset[Entry]] = field(default_factory=dict)

    def missing(self, records: Iterable[RoundRecord], *, ended: bool = False) -> list[Batch]:
        """The batches that MLflow lacks, in the order of rounds; with ``ended``, no record changes any more.

        A round travels in one request; rounds that piled up share one, as many as fit.
        """
        wanted = sorted((r for r in records if r.round > self.settled), key=lambda record: record.round)
        if not wanted:
            return []
        last = max(self.settled, wanted[-1].round - (0 if ended else 2))
        batches: list[Batch] = []
        pending: list[Entry] = []
        for record in wanted:
            known = self.logged.get(record.round, frozenset())
            fresh = [entry for entry in entries_of(record) if entry not in known]
            if pending and len(pending) + len(fresh) > LIMIT:
                batches += _cut(pending, min(last, record.round - 1), self.settled)
                pending = []
            pending += fresh
        return [*batches, *_cut(pending, last, self.settled)]

    def note(self, batch: Batch) -> None:
        """``batch`` is in MLflow."""
        for entry in batch.entries:
            self.logged[entry.step] = self.logged.get(entry.step, frozenset()) | {entry}
        self.settled = max(self.settled, batch.settled)
        for step in [step for step in self.logged if step <= self.settled]:
            del self.logged[step]


def _cut(entries: Sequence[Entry], settled: int, before: int) -> list[Batch]:
    """Cut what is left into requests; only the last of them settles anything."""
    parts = [tuple(entries[start : start + LIMIT]) for start in range(0, len(entries), LIMIT)]
    if not parts:
        return [Batch((), settled)] if settled > before else []
    return [Batch(part, before) for part in parts[:-1]] + [Batch(parts[-1], settled)]
