"""Sums over patients from which statistics are computed: what a hospital sends in a statistics run.

Of every feature, values are clipped to the codebook's public bounds and placed on [-1, 1]: ``v``. A hospital sums the
first two Chebyshev polynomials of it, ``v`` and ``2 v^2 - 1``, because both fill [-1, 1]: of all ways to write a sum
and a sum of squares they leave noise the least to hide. Mean and variance are linear in them. The histogram counts
values between equally spaced edges.

A record is in all sums or in none: one with a value that is not finite counts nowhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from consilia.errors import InvalidData, InvalidManifest
from consilia.experiment import Features
from consilia.vectors import FloatArray
from consilia.wording import counted

CHUNK = 1 << 16
"""Values of a table in work at a time."""

Bins = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Axes:
    """F features' public bounds, and the number B of bins between them.

    Sums over patients are vectors of ``1 + F (2 + B)`` values: how many patients; of each feature the sum of ``v``;
    of each that of ``2 v^2 - 1``; and then each feature's B counts, from the lower bound on.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    bins: int

    @classmethod
    def of(cls, features: Features, bins: int) -> Self:
        """The axes of all features of a codebook. Raises :class:`InvalidManifest` where one has no bounds."""
        low: list[float] = []
        high: list[float] = []
        for feature in features.codebook:
            if feature.min is None or feature.max is None:
                raise InvalidManifest(
                    f'feature "{feature.name}" has no bounds, which statistics need: give min and max'
                )
            low.append(feature.min)
            high.append(feature.max)
        return cls(tuple(low), tuple(high), bins)

    @property
    def features(self) -> int:
        """F."""
        return len(self.low)

    @property
    def size(self) -> int:
        """Length of a vector of sums."""
        return 1 + self.features * (2 + self.bins)

    @cached_property
    def edges(self) -> FloatArray:
        """Edges of the bins (F, B + 1), each row from a feature's lower bound to its upper one."""
        return np.linspace(self.low, self.high, self.bins + 1, axis=1)

    def split(self, total: FloatArray) -> tuple[float, FloatArray, FloatArray, FloatArray]:
        """A vector of sums as the number of patients, both sums (F,) each, and the counts (F, B)."""
        first, second, counts = np.split(total[1:], [self.features, 2 * self.features])
        return float(total[0]), first, second, counts.reshape(self.features, self.bins)

    def chunks(self, x: FloatArray) -> "Iterator[Part]":
        """The usable records of rows (n, F), n >= 0, a few at a time.

        Raises :class:`InvalidData` for another number of columns.
        """
        if x.ndim != 2 or x.shape[1] != self.features:
            raise InvalidData(f"the table has other columns than the {counted(self.features, 'feature')} asked for")
        step = max(1, CHUNK // self.features)
        for start in range(0, x.shape[0], step):
            rows = x[start : start + step]
            yield self._part(rows[np.logical_and.reduce(np.isfinite(rows), axis=1)])

    def _part(self, rows: FloatArray) -> "Part":
        low, high = np.asarray(self.low), np.asarray(self.high)
        clipped = np.clip(rows, low, high)
        v = np.clip(2.0 * ((clipped - low) / (high - low)) - 1.0, -1.0, 1.0)
        counts = np.zeros((self.features, self.bins), dtype=np.int64)
        for feature, edges in enumerate(self.edges):
            at = np.searchsorted(edges, clipped[:, feature], side="right") - 1
            counts[feature] = np.bincount(np.clip(at, 0, self.bins - 1), minlength=self.bins)
        return Part(rows.shape[0], v, 2.0 * np.square(v) - 1.0, counts)


@dataclass(frozen=True)
class Part:
    """Some records: how many, ``v`` (n, F), ``2 v^2 - 1`` (n, F), both within [-1, 1], and their counts (F, B)."""

    records: int
    first: FloatArray
    second: FloatArray
    counts: Bins


def statistic_sums(x: FloatArray, axes: Axes) -> FloatArray:
    """The sums over rows (n, F) without noise: see :class:`Axes`."""
    total = np.zeros(axes.size)
    for part in axes.chunks(x):
        total += np.concatenate(
            ([part.records], part.first.sum(axis=0), part.second.sum(axis=0), part.counts.ravel()), dtype=np.float64
        )
    return total
