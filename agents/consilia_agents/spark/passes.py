"""What Spark's workers compute: one function a pass over a partition's blocks, each with NumPy and core alone.

They call the very functions that rows in memory go through, so that both engines give the same numbers. A partition's
result is one sum, added in the order of its blocks; the driver adds those in the order of partitions. A refusal is
raised here and told by :mod:`consilia_agents.spark.session`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from consilia.features import FeatureMap, moments
from consilia.model import Family
from consilia.privacy.cells import usable as predictable
from consilia.privacy.clipping import gradient_sum, predictor_alone, row_sum
from consilia.privacy.dp_fedsgd import Centre, private_rows
from consilia.privacy.noise import Integers
from consilia.privacy.noise_plan import Planned
from consilia.privacy.releases import score_sum
from consilia.privacy.statistics_release import weighted_sum
from consilia.statistics_sums import Axes, statistic_sums
from consilia.vectors import FloatArray
from consilia_agents.spark.blocks import Block

Blocks = Iterable[bytes]
Sum = TypeVar("Sum", FloatArray, Integers)
Pass = Callable[[Blocks], Iterator[Sum]]


@dataclass(frozen=True)
class Design:
    """Rows of one side as a model sees them: z (n, d + 1), and beside each its label, or its target where it trains.

    ``private``: whatever a row holds it is mapped, and it counts as nothing where it is not usable.
    """

    feature_map: FeatureMap
    family: Family
    held: bool
    private: bool = False
    centre: Centre | None = None

    @property
    def width(self) -> int:
        """Values of a row, with its label."""
        return self.feature_map.size + 1

    def made(self, blocks: Blocks) -> Iterator[bytes]:
        """The design rows of blocks as they were read."""
        for data in blocks:
            block = Block.unpack(data)
            values = block.values[block.held == self.held]
            if len(values):
                yield self._rows(values[:, :-1], values[:, -1]).tobytes()

    def split(self, data: bytes) -> tuple[FloatArray, FloatArray]:
        """Rows (n, d + 1) and labels (n,) of a block that was made."""
        rows = np.frombuffer(data, np.float64).reshape(-1, self.width)
        return rows[:, :-1], rows[:, -1]

    def _rows(self, x: FloatArray, y: FloatArray) -> FloatArray:
        rows = np.empty((len(y), self.width))
        rows[:, -1] = y
        if self.private:
            z = private_rows(self.feature_map, x)
            rows[:, :-1] = z if self.centre is None else self.centre.rows(z)
            return rows
        rows[:, :-1] = self.feature_map.apply(x)
        if not self.held:
            rows[:, -1] = self.family.target(y)
        return rows


@dataclass(frozen=True)
class Moments:
    """Summed moments of the training rows as they were read: 1 + 2d values."""

    def __call__(self, blocks: Blocks) -> Iterator[FloatArray]:
        """One partition's."""
        for data in blocks:
            block = Block.unpack(data)
            yield moments(block.values[~block.held, :-1])


@dataclass(frozen=True)
class Statistics:
    """Sums over the training rows as they were read, for statistics."""

    axes: Axes

    def __call__(self, blocks: Blocks) -> Iterator[FloatArray]:
        """One partition's."""
        for data in blocks:
            block = Block.unpack(data)
            yield statistic_sums(block.values[~block.held, :-1], self.axes)


@dataclass(frozen=True)
class Gradient:
    """The sum of the records' gradients at ``w``, as long as ``w``."""

    design: Design
    w: FloatArray

    def __call__(self, blocks: Blocks) -> Iterator[FloatArray]:
        """One partition's."""
        family = self.design.family
        with np.errstate(over="ignore", invalid="ignore"):
            for data in blocks:
                z, target = self.design.split(data)
                yield (family.residual(family.predictor(z, self.w), target).T @ z).reshape(-1)


@dataclass(frozen=True)
class ClippedGradient:
    """The sum of the records' clipped gradients at ``w`` in whole multiples of the noise's grid, as long as ``w``."""

    design: Design
    w: FloatArray
    planned: Planned

    def __call__(self, blocks: Blocks) -> Iterator[Integers]:
        """One partition's."""
        planned, family = self.planned, self.design.family
        for data in blocks:
            z, y = self.design.split(data)
            yield gradient_sum(z, y, self.w, planned.sensitivity, planned.noise.grid, planned.norm, family)


@dataclass(frozen=True)
class ClippedRows:
    """The sum of clipped design rows in whole multiples of the noise's grid: (d + 1)."""

    design: Design
    planned: Planned

    def __call__(self, blocks: Blocks) -> Iterator[Integers]:
        """One partition's."""
        planned = self.planned
        for data in blocks:
            z, _ = self.design.split(data)
            yield row_sum(z, planned.sensitivity, planned.noise.grid, planned.norm)


@dataclass(frozen=True)
class Predictions:
    """What a model expects of the rows: labels (n,) and predictions (n,), or one probability a class.

    In a private run each row is looked at by itself.
    """

    design: Design
    w: FloatArray

    def __call__(self, blocks: Blocks) -> Iterator[tuple[FloatArray, FloatArray]]:
        """One block's after another."""
        design, family = self.design, self.design.family
        predictor = predictor_alone if design.private else _predictor
        with np.errstate(over="ignore", invalid="ignore"):
            for data in blocks:
                z, y = design.split(data)
                yield y, family.mean(predictor(z, self.w, family))

    def usable(self, blocks: Blocks) -> Iterator[tuple[FloatArray, FloatArray]]:
        """The same without the rows of a private run that are not usable."""
        family = self.design.family
        for y, prediction in self(blocks):
            if self.design.private:
                kept = predictable(y, prediction, family) & family.label_ok(y)
                yield y[kept], prediction[kept]
            else:
                yield y, prediction


@dataclass(frozen=True)
class Cells:
    """The cells and losses of an evaluation, in whole multiples of the noise's grid."""

    predictions: Predictions
    planned: Planned

    def __call__(self, blocks: Blocks) -> Iterator[Integers]:
        """One partition's."""
        for y, prediction in self.predictions(blocks):
            yield score_sum(y, prediction, self.planned, self.predictions.design.family)


@dataclass(frozen=True)
class WeightedStatistics:
    """The same sums in whole multiples of the noise's grid, each by its weight."""

    axes: Axes
    planned: Planned

    def __call__(self, blocks: Blocks) -> Iterator[Integers]:
        """One partition's."""
        for data in blocks:
            block = Block.unpack(data)
            yield weighted_sum(block.values[~block.held, :-1], self.axes, self.planned)


def summed(of: Pass[Sum], blocks: Blocks) -> list[Sum]:
    """One sum a partition; none where it has no blocks."""
    parts = of(blocks)
    total = next(parts, None)
    if total is None:
        return []
    total = total.copy()
    for part in parts:
        total += part
    return [total]


def _predictor(z: FloatArray, w: FloatArray, family: Family) -> FloatArray:
    return family.predictor(z, w)
