"""The trainers of engine spark: what a hospital computes in a round, each step one pass over design rows in Spark.

Design rows are kept in memory, and on disk what does not fit, for the last feature map of either side.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from consilia.features import FeatureMap
from consilia.model import LOGISTIC, Family, Work
from consilia.statistics_sums import Axes
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia_agents.spark.passes import Design, Gradient, Moments, Pass, Predictions, Statistics, Sum, summed
from consilia_agents.spark.rows import IN_MEMORY, of_bytes
from consilia_agents.spark.scores import Scored
from consilia_agents.spark.session import Session
from consilia_agents.trainers import require_converged, require_length


@dataclass(frozen=True)
class Sides:
    """The records that count, as an RDD of blocks with d ``columns``, and how many of either side there are."""

    session: Session
    blocks: Any
    columns: int
    training: int
    held: int


class Designs:
    """Design rows of the two sides, each kept until another map or centre is asked for."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self._kept: dict[bool, tuple[Design, Any]] = {}

    def added(self, design: Design, of: Pass[Sum], nothing: Sum) -> Sum:
        """One pass over a side: the sum over all records, which is ``nothing`` where there are none."""
        return added(self.sides.session, self.rows(design), of, nothing)

    def rows(self, design: Design) -> Any:
        """A side's design rows, as an RDD of bytes."""
        kept = self._kept.get(design.held)
        if kept is None or kept[0] != design:
            self.release(design.held)
            made = self.sides.session.run(
                lambda: of_bytes(self.sides.blocks.mapPartitions(design.made)).persist(IN_MEMORY)
            )
            kept = self._kept[design.held] = (design, made)
        return kept[1]

    def release(self, *held: bool) -> None:
        """Let go of the design rows of these sides."""
        for side in held:
            if side in self._kept:
                self.sides.session.let_go(self._kept.pop(side)[1].unpersist)


def added(session: Session, rows: Any, of: Pass[Sum], nothing: Sum) -> Sum:
    """The sum of a pass over an RDD of bytes: of the parts of partitions, in their order."""
    total = nothing.copy()
    for part in session.run(lambda: rows.mapPartitions(partial(summed, of)).collect()):
        total += part
    return total


class SparkTrainer:
    """See :class:`consilia_agents.backend.Trainer`."""

    def __init__(self, sides: Sides, family: Family = LOGISTIC) -> None:
        self.sides = sides
        self._family = family
        self._designs = Designs(sides)

    @property
    def rows(self) -> int:
        """See :class:`consilia_agents.backend.Trainer`."""
        return self.sides.training

    def moments(self) -> FloatArray:
        """See :class:`consilia_agents.backend.Trainer`."""
        return added(self.sides.session, self.sides.blocks, Moments(), np.zeros(1 + 2 * self.sides.columns))

    def statistics(self, axes: Axes) -> FloatArray:
        """See :class:`consilia_agents.backend.Trainer`."""
        return added(self.sides.session, self.sides.blocks, Statistics(axes), np.zeros(axes.size))

    def train(self, feature_map: FeatureMap, w0: FloatArray, work: Work) -> FloatArray:
        """See :class:`consilia_agents.backend.Trainer`: ``localEpochs`` passes, as
        :func:`consilia.model.train_local`."""
        family = self._family
        require_length(family, feature_map, w0)
        design = Design(feature_map, family, held=False)
        w = w0.copy()
        penalised = np.tile(np.append(np.ones(feature_map.size - 1), 0.0), family.outputs)
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(work.local_epochs):
                gradient = self._designs.added(design, Gradient(design, w), np.zeros(w.size)) / self.sides.training
                gradient += work.l2 * penalised * w
                w -= work.learning_rate * gradient
                if not np.isfinite(w).all():
                    break
        require_converged(family, w, work)
        return w

    def evaluate(self, feature_map: FeatureMap, w: FloatArray) -> Metrics:
        """See :class:`consilia_agents.backend.Trainer`."""
        require_length(self._family, feature_map, w)
        design = self.holdout_design(feature_map)
        return Scored(self.sides.session, self._designs.rows(design), Predictions(design, w)).metrics(self.sides.held)

    def holdout_design(self, feature_map: FeatureMap) -> Design:
        """Of the rows that are scored."""
        return Design(feature_map, self._family, held=True)

    def release(self) -> None:
        """Let go of what is kept in Spark."""
        self._designs.release(False, True)
