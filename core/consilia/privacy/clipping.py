"""Sums over patients' records, each clipped: what a release is made of before its noise.

The noise is right only if one record changes a sum by at most its sensitivity, whatever the record holds and to the
last bit. So:

* A record's part depends on that record alone. Products of matrices do not promise that: their last bits may change
  with the number of rows. Here every row is summed by itself.
* A part is cut, towards zero, to whole multiples of the noise's grid, after clipping to ``1 - MARGIN`` of the bound:
  the rounding of norm and factor is far below the margin, and cutting makes no part longer.
* Whole multiples are added exactly. So ``S(D + r) - S(D)`` **is** the part of r, of norm at most the bound, and the
  sensitivity needs no allowance for rounding.
* A record with NaN or infinity, with a label that is not between 0 and 1, or whose norm is above 1e100, counts
  as zeros. It is not refused: a refusal would tell that it is there.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from consilia.errors import InvalidPrivacy
from consilia.model import sigmoid
from consilia.privacy.noise import Integers
from consilia.vectors import LARGEST, FloatArray

MARGIN = 1e-9
"""Share of the bound that no part reaches: more than the rounding of a norm of up to a million values."""

MOST_MULTIPLES = 2.0**36
"""Multiples of the grid in a bound, at most: 2^17 such parts add up exactly in float64, and 2^26 in 64-bit integers."""
MOST_ROWS = 1 << 26
CHUNK = 1 << 16
"""Values of a table in work at a time: a few copies of them stay in a core's cache."""

Norm = Literal["L1", "L2"]
Flags = npt.NDArray[np.bool_]


def gradient_sum(z: FloatArray, y: FloatArray, w: FloatArray, bound: float, grid: float, norm: Norm = "L2") -> Integers:
    """The sum of the records' clipped gradients of the log loss at ``w`` (d + 1): (d + 1) multiples of ``grid``.

    For design rows (n, d + 1), n >= 0, and labels (n,): ``g = (sigmoid(w.z) - y) z``, times ``min(1, bound / |g|)``
    (Abadi et al. 2016, algorithm 1). Adding or removing one record changes the result by at most ``bound`` in that
    norm. Raises :class:`InvalidPrivacy` where ``bound`` has more than 2^36 multiples.
    """
    total = _empty_sum(z, bound, grid)
    for rows in _chunks(z):
        with np.errstate(over="ignore", invalid="ignore"):
            residual = sigmoid(np.add.reduce(z[rows] * w, axis=1)) - y[rows]
        residual[~((y[rows] >= 0) & (y[rows] <= 1))] = np.nan
        total += _clipped_sum(z[rows], residual, bound, grid, norm)
    return total


def row_sum(z: FloatArray, bound: float, grid: float, norm: Norm = "L2") -> Integers:
    """The sum of design rows (n, d + 1), each clipped to ``bound``: (d + 1) multiples of ``grid``.

    As :func:`gradient_sum` otherwise.
    """
    total = _empty_sum(z, bound, grid)
    for rows in _chunks(z):
        total += _clipped_sum(z[rows], np.ones(z[rows].shape[0]), bound, grid, norm)
    return total


def _empty_sum(z: FloatArray, bound: float, grid: float) -> Integers:
    if not 0 < bound <= MOST_MULTIPLES * grid:
        raise InvalidPrivacy(
            f"a record may change the sum by {bound:g}, of which the noise's grid {grid:g} is too small a part: "
            "raise the noise, or give a clip norm above 0"
        )
    if z.shape[0] > MOST_ROWS:
        raise InvalidPrivacy(f"the table has more rows than sums are exact for, {MOST_ROWS}: divide it into cohorts")
    return np.zeros(z.shape[1], dtype=np.int64)


def _clipped_sum(z: FloatArray, factor: FloatArray, bound: float, grid: float, norm: Norm) -> Integers:
    """Sum ``factor[i] * z[i]``, clipped, over rows few enough for float64 to be exact."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        size = np.sqrt(np.add.reduce(z * z, axis=1)) if norm == "L2" else np.add.reduce(np.abs(z), axis=1)
        length = np.abs(factor) * size
        shortened = factor * np.minimum(1.0, bound * (1 - MARGIN) / length)
        parts = z * (shortened / grid)[:, None]
    parts[~_counts(size, length)] = 0.0
    multiples: FloatArray = np.add.reduce(np.trunc(parts, out=parts), axis=0)
    return multiples.astype(np.int64)


def _counts(size: FloatArray, length: FloatArray) -> Flags:
    """Which records count; one of length 0 adds nothing either way, and its 0 / 0 is left out.

    One larger than any that is mapped by honest bounds is left out as well: the bound's share of it could be a number
    of so few bits that rounding would pass the margin.
    """
    return np.isfinite(length) & (length > 0) & (size <= LARGEST)


def _chunks(z: FloatArray) -> list[slice]:
    rows = max(1, CHUNK // z.shape[1])
    return [slice(start, start + rows) for start in range(0, z.shape[0], rows)]
