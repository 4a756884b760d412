"""What the hospitals' summed values say of each feature: count, mean, variance, histogram, quantiles, with error bars.

Post-processing of one release a hospital, and so free of privacy. The sums (:class:`consilia.statistics_sums.Axes`)
carry independent noises of known deviation: ``s0`` the count, ``s1`` and ``s2`` the two polynomials, ``s3`` each bin.
With ``m = A / n`` and ``b = B / n`` of the sums A, B and the count n, on the scale where the bounds are -1 and 1:

* the mean is m, of variance ``(s1^2 + m^2 s0^2) / n^2`` (the delta method, Casella & Berger 2002, section 5.5.4);
* the variance is ``(b + 1) / 2 - m^2``, whose gradient by (n, A, B) is ``(2 m^2 - b / 2, -2 m, 1/2) / n``; noise makes
  ``m^2`` too large by the mean's own variance, which is added again;
* a quantile q is where the cumulated counts reach q of all, the cumulated counts being made monotone by isotonic
  regression (Barlow et al. 1972) and the patients of a bin taken to be spread evenly. Its interval inverts a test
  (Woodruff 1952 does it for samples): ``D_k = (1 - q) (c_1 + ... + c_k) - q (c_k+1 + ... + c_B)`` is below 0 where the
  quantile is at or above edge k, and above 0 where it is below; its noise has variance
  ``s3^2 ((1 - q)^2 k + q^2 (B - k))``. Edges are tested from the outside in, up to the first that stands, so that each
  end is wrong in at most 2.5 % of all runs, however many bins there are.

Refuses nothing. What noise hides is not told: see the constants. Whether it is hidden depends on the noise too: of all
runs, told or hidden, 5 % tell a number that is off by more than its bar. Without noise, nothing is hidden but what has
no patients, and the interval of a quantile is the bin that it lies in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Self

import numpy as np

from consilia.privacy.noise_plan import Planned
from consilia.privacy.statistics_plan import Weights
from consilia.statistics_sums import Axes
from consilia.status import (
    FeatureStatistics,
    Histogram,
    QuantileStatistic,
    StatisticErrors,
    StatisticName,
)
from consilia.vectors import FloatArray

NORMAL_95 = 1.96
"""95 % of normal noise is within so many standard deviations."""
LAPLACE_95 = log(20) / sqrt(2)
"""95 % of one Laplace noise is, and more than that of sums of several."""

CLEARLY = 5.0
"""Standard deviations of its own by which a count must be above 0; nearer to it the delta method is wrong."""
NOISIEST_MEAN = 0.25
"""Error bar from which on a mean is hidden, as a share of the width of the bounds."""
WIDEST_QUANTILE = 0.5
"""Interval above which a quantile is hidden, as a share of the width of the bounds."""


@dataclass(frozen=True)
class Deviations:
    """Standard deviations of the noise in each kind of sum, in patients; ``quantile`` of them hold 95 %."""

    count: float = 0.0
    first: float = 0.0
    second: float = 0.0
    bin: float = 0.0
    quantile: float = NORMAL_95

    @classmethod
    def of(cls, planned: Planned, features: int, hospitals: int) -> Self:
        """Those of sums over ``hospitals``, each noised as ``planned`` says for F ``features``."""
        gaussian = planned.noise.mechanism == "Gaussian"
        weights, deviation = Weights.of(features), planned.noise.scale * sqrt(hospitals) * (1 if gaussian else sqrt(2))
        return cls(
            deviation / weights.count,
            deviation / weights.first,
            deviation / weights.second,
            deviation / weights.bin,
            NORMAL_95 if gaussian else LAPLACE_95,
        )


EXACT = Deviations()


@dataclass(frozen=True)
class _Feature:
    """One feature's sums on its axis, from ``low`` to ``high``."""

    low: float
    high: float
    edges: FloatArray
    count: float
    first: float
    second: float
    counts: FloatArray
    noise: Deviations

    @property
    def half(self) -> float:
        """What 1 on [-1, 1] is in the feature's unit."""
        return (self.high - self.low) / 2


def statistics_of(
    names: Sequence[tuple[str, str | None]],
    axes: Axes,
    quantiles: Sequence[float],
    total: FloatArray,
    noise: Deviations = EXACT,
) -> list[FeatureStatistics]:
    """The statistics of each feature, from the hospitals' summed vector ``total`` (``axes.size``,).

    ``names``: each feature's name and unit, in the order of the axes; ``quantiles``: shares between 0 and 1.
    """
    count, first, second, counts = axes.split(total)
    told = []
    for at, (name, unit) in enumerate(names):
        feature = _Feature(
            axes.low[at], axes.high[at], axes.edges[at], count, float(first[at]), float(second[at]), counts[at], noise
        )
        told.append(_described(name, unit, feature, sorted(quantiles)))
    return told


def middle_mean_error(noise: Deviations, patients: int) -> float:
    """The 95 % error bar of a mean in the middle of its bounds over ``patients`` >= 1, as a share of their width,
    before anything is released."""
    return noise.quantile * noise.first / patients / 2


def _described(name: str, unit: str | None, feature: _Feature, quantiles: Sequence[float]) -> FeatureStatistics:
    noise = feature.noise
    mean, mean_error = _mean(feature)
    variance, variance_error = _variance(feature)
    found = [_quantile(feature, q) for q in quantiles]
    told = [each for each in found if each is not None]
    histogram = _histogram(feature)
    missing: list[tuple[StatisticName, bool]] = [
        ("mean", mean is None),
        ("variance", variance is None),
        ("quantiles", len(told) < len(found)),
        ("histogram", histogram is None),
    ]
    errors = StatisticErrors(count=noise.quantile * noise.count, mean=mean_error, variance=variance_error)
    return FeatureStatistics(
        name=name,
        unit=unit,
        count=max(feature.count, 0.0),
        mean=mean,
        variance=variance,
        quantiles=told or None,
        histogram=histogram,
        errors=errors if noise.count > 0 else None,
        hidden=[what for what, is_missing in missing if is_missing] or None,
    )


def _counts_clearly(feature: _Feature) -> bool:
    return feature.count > CLEARLY * feature.noise.count


def _moments(feature: _Feature) -> tuple[float, float, float]:
    """m and b as the sums have them, and the standard deviation of m."""
    n, noise = feature.count, feature.noise
    m, b = feature.first / n, feature.second / n
    within = min(max(m, -1.0), 1.0)
    return m, b, sqrt(noise.first**2 + (within * noise.count) ** 2) / n


def _mean(feature: _Feature) -> tuple[float | None, float | None]:
    """The mean and its error bar, in the feature's unit; both None where the noise hides it."""
    if not _counts_clearly(feature):
        return None, None
    m, _, deviation = _moments(feature)
    error = feature.noise.quantile * deviation
    if error > 2 * NOISIEST_MEAN:
        return None, None
    value = feature.low + (min(max(m, -1.0), 1.0) + 1) * feature.half
    return value, error * feature.half if deviation > 0 else None


def _variance(feature: _Feature) -> tuple[float | None, float | None]:
    """The variance and its error bar, in the feature's unit squared; both None where it may as well be 0."""
    if not _counts_clearly(feature):
        return None, None
    noise, n = feature.noise, feature.count
    m, b, deviation = _moments(feature)
    value = min(max((b + 1) / 2 - m * m + deviation**2, 0.0), 1.0)
    gradient = np.array([2 * m * m - b / 2, -2 * m, 0.5]) / n
    error = noise.quantile * float(np.linalg.norm(gradient * [noise.count, noise.first, noise.second]))
    if 0 < error >= value:
        return None, None
    scale = feature.half**2
    return value * scale, error * scale if error > 0 else None


def _histogram(feature: _Feature) -> Histogram | None:
    """The counts, none below 0; None where not even the largest stands out of the noise."""
    error = feature.noise.quantile * feature.noise.bin
    counts = np.maximum(feature.counts, 0.0)
    if counts.max() <= error:
        return None
    return Histogram(edges=feature.edges.tolist(), counts=counts.tolist(), error=error if error > 0 else None)


def _quantile(feature: _Feature, q: float) -> QuantileStatistic | None:
    """The quantile q with its interval; None where the noise hides it."""
    noise, bins = feature.noise, feature.counts.size
    cumulated = np.concatenate(([0.0], np.cumsum(feature.counts)))
    whole = float(cumulated[-1])
    if whole <= CLEARLY * noise.bin * sqrt(bins):
        return None
    k = np.arange(bins + 1)
    surely = noise.quantile * noise.bin * np.sqrt((1 - q) ** 2 * k + q**2 * (bins - k))
    above = cumulated - q * whole
    at_or_after = _leading(above < -surely)
    before = _leading((above > surely)[::-1])
    low = feature.edges[max(at_or_after - 1, 0)]
    high = feature.edges[min(bins - before + 1, bins)]
    if noise.bin > 0 and high - low > WIDEST_QUANTILE * (feature.high - feature.low):
        return None
    value = float(np.interp(q * whole, _isotonic(cumulated), feature.edges))
    return QuantileStatistic(q=q, value=min(max(value, low), high), low=low, high=high)


def _leading(holds: "np.typing.NDArray[np.bool_]") -> int:
    """How many hold, from the first on, before one does not."""
    return int(np.argmin(holds)) if not holds.all() else holds.size


def _isotonic(values: FloatArray) -> FloatArray:
    """The nearest sequence, by least squares, that never falls: ``max over i <= k of min over j >= k`` of the mean of
    values i to j (Barlow et al. 1972, theorem 1.4)."""
    count = values.size
    sums = np.concatenate(([0.0], np.cumsum(values)))
    start, end = np.arange(count)[:, None], np.arange(count)[None, :]
    means = np.where(end >= start, (sums[end + 1] - sums[start]) / np.maximum(end - start + 1, 1), np.inf)
    least = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
    best: FloatArray = np.where(start <= end, least, -np.inf).max(axis=0)
    return best
