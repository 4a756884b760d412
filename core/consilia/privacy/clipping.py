"""Sums over patients' records, each clipped: what a release is made of before its noise.

The noise is right only if one record changes a sum by at most its sensitivity, whatever the record holds and to the
last bit. So:

* A record's part depends on that record alone. Products of matrices do not promise that: their last bits may change
  with the number of rows. Here every row is summed by itself.
* A part is cut, towards zero, to whole multiples of the noise's grid, after clipping to ``1 - MARGIN`` of the bound:
  the rounding of norm and factor is far below the margin, and cutting makes no part longer.
* Whole multiples are added exactly. So ``S(D + r) - S(D)`` **is** the part of r, of norm at most the bound, and the
  sensitivity needs no allowance for rounding.
* A record with NaN or infinity, with a label that is none of the model's, or whose norm is above 1e100, counts
  as zeros. It is not refused: a refusal would tell that it is there.
"""

from typing import Literal

import numpy as np

from consilia.errors import InvalidPrivacy
from consilia.model import LOGISTIC, Family, Flags
from consilia.privacy.noise import Integers
from consilia.vectors import LARGEST, FloatArray

MARGIN = 1e-9
"""Share of the bound that no part reaches: more than the rounding of a norm of up to a million values."""

MOST_MULTIPLES = 2.0**36
"""Multiples of the grid in a bound, at most: 2^17 such parts add up exactly in float64, and 2^26 in 64-bit integers."""
MOST_ROWS = 1 << 26
CHUNK = 1 << 16
"""Values of a table in work at a time: a few copies of them stay in a core's cache."""

LARGEST_RESIDUAL = 1e12
"""A residual of a number beyond it is cut to it: the norm to which the gradient is clipped is below it by far, and a
bound's share of a length without limit could be a number of so few bits that rounding would pass the margin."""

Norm = Literal["L1", "L2"]


def gradient_sum(
    z: FloatArray,
    y: FloatArray,
    w: FloatArray,
    bound: float,
    grid: float,
    norm: Norm = "L2",
    family: Family = LOGISTIC,
) -> Integers:
    """The sum of the records' clipped gradients of the loss at ``w``: as many multiples of ``grid``.

    For design rows (n, d + 1), n >= 0, and labels (n,): ``g = residual(W z, y) (outer) z``, of norm
    ``|residual| |z|``, times ``min(1, bound / |g|)`` (Abadi et al. 2016, algorithm 1); for logistic regression
    ``(sigmoid(w.z) - y) z``. Adding or removing one record changes the result by at most ``bound`` in that norm. Raises
    :class:`InvalidPrivacy` where ``bound`` has more than 2^36 multiples.
    """
    total = _empty_sum(z, bound, grid, family.outputs)
    for rows in _chunks(z):
        with np.errstate(over="ignore", invalid="ignore"):
            residual = family.residual(_predictor(z[rows], w, family), family.target(y[rows]))
        if family.classes is None:
            np.clip(residual, -LARGEST_RESIDUAL, LARGEST_RESIDUAL, out=residual)
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


def predictor_alone(z: FloatArray, w: FloatArray, family: Family) -> FloatArray:
    """``eta`` of design rows (n, d + 1), each from that row alone: (n,), or (n, outputs).

    The last bits of a product of matrices depend on how many rows there are, and so would what is told of one patient
    on the presence of another.
    """
    eta = np.empty(z.shape[0] if family.outputs == 1 else (z.shape[0], family.outputs))
    for rows in _chunks(z):
        eta[rows] = _predictor(z[rows], w, family)
    return eta


def _predictor(z: FloatArray, w: FloatArray, family: Family) -> FloatArray:
    if family.outputs == 1:
        eta: FloatArray = np.add.reduce(z * w, axis=1)
        return eta
    return np.stack([np.add.reduce(z * row, axis=1) for row in w.reshape(family.outputs, -1)], axis=1)


def _empty_sum(z: FloatArray, bound: float, grid: float, outputs: int = 1) -> Integers:
    if not 0 < bound <= MOST_MULTIPLES * grid:
        raise InvalidPrivacy(
            f"a record may change the sum by {bound:g}, of which the noise's grid {grid:g} is too small a part: "
            "raise the noise, or give a clip norm above 0"
        )
    if z.shape[0] > MOST_ROWS:
        raise InvalidPrivacy(f"the table has more rows than sums are exact for, {MOST_ROWS}: divide it into cohorts")
    return np.zeros(outputs * z.shape[1], dtype=np.int64)


def _clipped_sum(z: FloatArray, factor: FloatArray, bound: float, grid: float, norm: Norm) -> Integers:
    """Sum ``factor[i] (outer) z[i]``, clipped, over rows few enough for float64 to be exact; a factor is one value, or
    one an output."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        size = _norms(z, norm)
        length = (np.abs(factor) if factor.ndim == 1 else _norms_of_factors(factor, norm)) * size
        shortened = np.atleast_2d(factor.T * np.minimum(1.0, bound * (1 - MARGIN) / length))
    sums = [_sum_of_multiples(z, one / grid, _counts(size, length)) for one in shortened]
    return np.concatenate(sums)


def _norms(rows: FloatArray, norm: Norm) -> FloatArray:
    lengths: FloatArray = np.add.reduce(rows * rows if norm == "L2" else np.abs(rows), axis=1)
    return np.sqrt(lengths) if norm == "L2" else lengths


def _norms_of_factors(factor: FloatArray, norm: Norm) -> FloatArray:
    """Norms of factors (n, outputs) of any size: the squares of very small ones would vanish one by one, and what is
    longer than its norm says would pass the bound."""
    largest = np.abs(factor).max(axis=1)
    lengths: FloatArray = largest * _norms(factor / largest[:, None], norm)
    return lengths


def _sum_of_multiples(z: FloatArray, factor: FloatArray, counts: Flags) -> Integers:
    with np.errstate(over="ignore", invalid="ignore"):
        parts = z * factor[:, None]
    parts[~counts] = 0.0
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
