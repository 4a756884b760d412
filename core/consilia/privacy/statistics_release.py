"""What a hospital sends in a private statistics run: its sums over patients, with their noise, and nothing else.

The rules of :mod:`consilia.privacy.clipping`: a record's part depends on that record alone, is cut towards zero to
whole multiples of the noise's grid, and parts are added exactly. No part needs to be shortened: each of its values is
bounded by its weight, whatever the record holds, and the sensitivity is the norm of all weights together. A record
with a value that is not finite counts as zeros.
"""

import numpy as np

from consilia.errors import InvalidPrivacy
from consilia.privacy.clipping import MOST_MULTIPLES, MOST_ROWS
from consilia.privacy.keystream import WordSource
from consilia.privacy.noise import Integers
from consilia.privacy.noise_plan import Planned
from consilia.privacy.releases import noised_sum
from consilia.privacy.statistics_plan import Weights
from consilia.statistics_sums import Axes
from consilia.vectors import FloatArray
from consilia.wording import counted


def noised_statistics(x: FloatArray, axes: Axes, planned: Planned, words: WordSource) -> FloatArray:
    """The sums over rows (n, F), n >= 0, with noise, in units of patients: see :class:`Axes`.

    Raises :class:`InvalidPrivacy`, before anything is computed, for a plan of another kind or of fewer features.
    """
    return noised_sum_of_statistics(weighted_sum(x, axes, planned), axes, planned, words)


def noised_sum_of_statistics(total: Integers, axes: Axes, planned: Planned, words: WordSource) -> FloatArray:
    """The same from parts' :func:`weighted_sum`, added up."""
    require_plan(axes, planned)
    return noised_sum("statistics", total, planned, words) / _by_value(Weights.of(axes.features), axes)


def weighted_sum(x: FloatArray, axes: Axes, planned: Planned) -> Integers:
    """The weighted sums over rows (n, F), **without noise**, in multiples of the noise's grid.

    Adding or removing one record changes them by at most the sensitivity. Refuses as :func:`noised_statistics`.
    """
    require_plan(axes, planned)
    if x.shape[0] > MOST_ROWS:
        raise InvalidPrivacy(f"the table has more rows than sums are exact for, {MOST_ROWS}: divide it into cohorts")
    weights, grid = Weights.of(axes.features), planned.noise.grid
    total = np.zeros(axes.size, dtype=np.int64)
    for part in axes.chunks(x):
        sums: list[Integers] = [
            np.array([part.records * int(weights.count / grid)], dtype=np.int64),
            _whole(part.first * (weights.first / grid)),
            _whole(part.second * (weights.second / grid)),
            part.counts.ravel() * int(weights.bin / grid),
        ]
        total += np.concatenate(sums)
    return total


def require_plan(axes: Axes, planned: Planned) -> None:
    """Raise :class:`InvalidPrivacy` for a plan whose noise is not that of statistics between these axes."""
    if planned.kind != "statistics":
        raise InvalidPrivacy(
            f"a release of kind statistics was given the noise of kind {planned.kind}: nothing is released"
        )
    if planned.sensitivity < Weights.of(axes.features).sensitivity(axes.features, planned.norm):
        raise InvalidPrivacy(
            f"statistics of {counted(axes.features, 'feature')} were given the noise of fewer (sensitivity "
            f"{planned.sensitivity:g}): nothing is released"
        )
    if planned.sensitivity > MOST_MULTIPLES * planned.noise.grid:
        raise InvalidPrivacy(
            f"a record may change the sums by {planned.sensitivity:g}, of which the noise's grid "
            f"{planned.noise.grid:g} is too small a part: lower privacy.epsilon"
        )


def _whole(parts: FloatArray) -> Integers:
    """Each value cut to a whole number, towards zero; then their exact sums (F,) over records (n, F)."""
    sums: Integers = np.trunc(parts).astype(np.int64).sum(axis=0)
    return sums


def _by_value(weights: Weights, axes: Axes) -> FloatArray:
    """The weight of each value of a vector of sums."""
    return np.repeat(
        [weights.count, weights.first, weights.second, weights.bin],
        [1, axes.features, axes.features, axes.features * axes.bins],
    )
