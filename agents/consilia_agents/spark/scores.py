"""Scores of a model on a side: those of :mod:`consilia.metrics`, whatever number of rows the side has.

Up to :data:`MOST_COLLECTED` values, predictions come to this process and are scored as those of rows in memory. Beyond,
counts and sums do. The area under the ROC curve is of ranks among all rows: they are divided by their predictions among
partitions, each of which then needs to know only how many rows of either class come before it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from consilia.metrics import log_loss, losses, score
from consilia.model import Family, Linear, Softmax
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia_agents.spark.passes import Blocks, Predictions, summed
from consilia_agents.spark.session import Session

MOST_COLLECTED = 1 << 21
"""Values of labels and predictions that come to this process: 16 MiB."""
MARKS = 1000
"""Predictions of a partition by which all of them are divided evenly."""


@dataclass(frozen=True)
class Scored:
    """A side's design rows in Spark, and the model's predictions of them. ``most``: see :data:`MOST_COLLECTED`."""

    session: Session
    rows: Any
    predictions: Predictions
    most: int = MOST_COLLECTED

    @property
    def _family(self) -> Family:
        return self.predictions.design.family

    def metrics(self, count: int) -> Metrics:
        """All scores of a side of at most ``count`` rows; every score is None where there are none."""
        if count == 0:
            return Metrics()
        if count * (1 + self._family.outputs) <= self.most:
            return self._collected()
        if self._family.classes is None:
            return self._of_numbers()
        return self._of_classes(self._family.classes)

    def _collected(self) -> Metrics:
        found = self._collect(self.predictions.usable)
        if not found:
            return Metrics()
        y, prediction = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return score(y, prediction, self._family)

    def _of_classes(self, classes: int) -> Metrics:
        found = self._sum(ClassCounts(self.predictions, classes), np.zeros(2 + 3 * classes))
        (n, loss), (having, told, hits) = found[:2], found[2:].reshape(3, classes)
        if n == 0:
            return Metrics()
        common = {"accuracy": float(hits.sum() / n), "loss": float(loss / n)}
        if isinstance(self._family, Softmax):
            seen = having + told > 0
            shares = [float(np.mean(hits[seen] / np.maximum(of[seen], 1))) for of in (told, having)]
            return Metrics(**common, precision=shares[0], recall=shares[1])
        precision, recall = (float(hits[1] / of[1]) if of[1] else None for of in (told, having))
        return Metrics(**common, precision=precision, recall=recall, auc=self._auc())

    def _of_numbers(self) -> Metrics:
        parts = self._collect(NumberCounts(self.predictions))
        n, loss, label = np.sum([part[:3] for part in parts], axis=0) if parts else (0.0, 0.0, 0.0)
        if n == 0 or not np.isfinite(loss):
            return Metrics()
        if min(part[3] for part in parts) == max(part[4] for part in parts):
            return Metrics(loss=float(loss / n))
        of_the_mean = self._sum(LossOfMean(self.predictions, float(label / n)), np.zeros(1))
        return Metrics(loss=float(loss / n), r2=float(1.0 - loss / of_the_mean[0]))

    def _auc(self) -> float | None:
        parts = max(1, int(self.session.run(self.rows.getNumPartitions)))
        marks = np.sort(np.concatenate([*self._collect(Marks(self.predictions)), np.zeros(0)]))
        bounds = np.unique(marks[np.linspace(0, max(len(marks) - 1, 0), parts + 1).astype(np.intp)[1:-1]])
        ranked = self.session.run(
            lambda: (
                self.rows.mapPartitions(partial(divide, self.predictions, bounds))
                .partitionBy(len(bounds) + 1, int)
                .mapPartitions(rank)
                .collect()
            )
        )
        twice = before = positives = negatives = 0
        for positive, negative, own in ranked:
            twice += own + 2 * positive * before
            before += negative
            positives, negatives = positives + positive, negatives + negative
        return twice / 2 / (positives * negatives) if positives and negatives else None

    def _collect(self, of: Any) -> list[Any]:
        found: list[Any] = self.session.run(lambda: self.rows.mapPartitions(of).collect())
        return found

    def _sum(self, of: Any, total: FloatArray) -> FloatArray:
        for part in self._collect(partial(summed, of)):
            total += part
        return total


@dataclass(frozen=True)
class ClassCounts:
    """Rows, sum of losses, and by class: rows that have it, that it is told of, and where that is right: (2 + 3K)."""

    predictions: Predictions
    classes: int

    def __call__(self, blocks: Blocks) -> Iterator[FloatArray]:
        """One block's after another."""
        family = self.predictions.design.family
        for y, prediction in self.predictions.usable(blocks):
            if isinstance(family, Softmax):
                labels, predicted = y.astype(np.intp), prediction.argmax(axis=1)
                loss = float(losses(y, prediction, family).sum())
            else:
                labels, predicted = (y > 0.5).astype(np.intp), (prediction >= 0.5).astype(np.intp)
                loss = log_loss(y, prediction) * y.size if y.size else 0.0
            counts = [
                np.bincount(of, minlength=self.classes) for of in (labels, predicted, labels[labels == predicted])
            ]
            yield np.concatenate([[y.size, loss], *counts]).astype(np.float64)


@dataclass(frozen=True)
class NumberCounts:
    """Of a partition: rows, sum of losses, sum of labels as training sees them in their unit, least and largest."""

    predictions: Predictions

    def __call__(self, blocks: Blocks) -> list[tuple[float, float, float, float, float]]:
        """The partition's; none where it has no rows."""
        family = self.predictions.design.family
        n, loss, total, least, largest = 0, 0.0, 0.0, np.inf, -np.inf
        for y, prediction in self.predictions.usable(blocks):
            if y.size:
                label = _label(y, family)
                n, total = n + y.size, total + float(label.sum())
                loss += float(losses(y, prediction, family).sum())
                least, largest = min(least, float(label.min())), max(largest, float(label.max()))
        return [(float(n), loss, total, least, largest)] if n else []


@dataclass(frozen=True)
class LossOfMean:
    """The sum of losses where ``mean`` is told of everybody: (1,)."""

    predictions: Predictions
    mean: float

    def __call__(self, blocks: Blocks) -> Iterator[FloatArray]:
        """One block's after another."""
        family = self.predictions.design.family
        for y, _ in self.predictions.usable(blocks):
            label = _label(y, family)
            yield np.array([losses(label, np.full(y.size, self.mean), family).sum()])


@dataclass(frozen=True)
class Marks:
    """Some of a partition's predictions, evenly among them."""

    predictions: Predictions

    def __call__(self, blocks: Blocks) -> list[FloatArray]:
        """The partition's; none where it has no rows."""
        found = np.sort(np.concatenate([*(each for _, each in self.predictions.usable(blocks)), np.zeros(0)]))
        return [found[np.linspace(0, len(found) - 1, MARKS).astype(np.intp)]] if len(found) else []


def divide(predictions: Predictions, bounds: FloatArray, blocks: Blocks) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    """Rows by the part that their prediction lies in; equal ones are in one."""
    for y, prediction in predictions.usable(blocks):
        part = np.searchsorted(bounds, prediction, side="right")
        for number in np.unique(part).tolist():
            here = part == number
            yield number, (prediction[here].tobytes(), (y[here] > 0.5).tobytes())


def rank(gathered: Iterable[tuple[int, tuple[bytes, bytes]]]) -> list[tuple[int, int, int]]:
    """Of a part: positives, negatives, and twice how often a positive ranks above a negative, a tie counting half."""
    found = [data for _, data in gathered]
    prediction = np.frombuffer(b"".join(each for each, _ in found), np.float64)
    positive = np.frombuffer(b"".join(each for _, each in found), np.bool_)
    negatives, positives = np.sort(prediction[~positive]), prediction[positive]
    below = np.searchsorted(negatives, positives, side="left")
    up_to = np.searchsorted(negatives, positives, side="right")
    return [(len(positives), len(negatives), int(below.sum()) + int(up_to.sum()))]


def _label(y: FloatArray, family: Family) -> FloatArray:
    target = family.target(y)
    return family.middle + family.half * target if isinstance(family, Linear) else target
