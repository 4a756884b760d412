"""Noise on a grid: the discrete Gaussian and the discrete Laplace distribution, from uniform words.

Noise made of floating-point numbers gives itself away: the sums that it can and cannot produce differ between
neighbouring tables, down to the last bits (Mironov 2012). So what is released are whole multiples of a grid, a power of
two at most 2^-30 of the scale: the exact sum (see :mod:`consilia.privacy.clipping`) plus noise that takes **every**
multiple k with its probability, proportional to ``f(k)``: ``exp(-k^2 / 2 scale^2)`` or ``exp(-|k| / scale)``.

The discrete Gaussian has the privacy of the continuous one (Canonne, Kamath & Steinke 2020): at 2^30 multiples to a
scale the two differ by less than 2^-54 of any probability within 8 scales. Adding discrete Laplace noise to whole
numbers is the geometric mechanism (Ghosh, Roughgarden & Sundararajan 2009), private exactly as the continuous one.

How: rejection from steps (Devroye 1986, chapter II.3). Magnitudes below ``CELLS`` cells of ``CELL`` multiples are
proposed by a table of 2^16 slots, of which a cell has a whole number; beyond, cells get half the chance of the one
before. A multiple is uniform in its cell, and stays with probability ``f(k)`` over its proposal's. All of it is integer
arithmetic but that last comparison, so each probability is right to 2^-44 of itself within 8 sigma or 30 Laplace scales
(beyond them lies less than 2^-43 of all), and no multiple there is impossible: v values in t releases cost less than
``v t 2^-43`` of epsilon more. The time that a draw takes depends on what is rejected, and not on what is kept.
"""

from dataclasses import dataclass
from functools import cached_property
from math import frexp, ldexp
from typing import Literal

import numpy as np
import numpy.typing as npt

from consilia.errors import InvalidPrivacy
from consilia.privacy.keystream import Words, WordSource
from consilia.vectors import FloatArray

Integers = npt.NDArray[np.int64]
Mechanism = Literal["Gaussian", "Laplace"]

FINENESS = 30
"""A scale has 2^30 to 2^31 multiples of its grid."""
CELL_BITS = 27
CELL = 1 << CELL_BITS
CELLS = 64
SLOT_BITS = 16
SLOTS = 1 << SLOT_BITS
TAIL_BITS = {"Gaussian": 29, "Laplace": 31}
"""Width of a tail's cells: over one, f falls to half or less, as the chance to be proposed does."""
BATCH = 1 << 15
"""Values drawn at a time: what they need stays in a core's cache."""
_TWO_64 = 2.0**64
_BELOW_1 = 1.0 - 2.0**-53


@dataclass(frozen=True)
class Noise:
    """Noise of a mechanism; ``scale`` (2^-400 to 2^400, in the unit of what it is added to) is sigma, or Laplace's."""

    mechanism: Mechanism
    scale: float

    def __post_init__(self) -> None:
        if self.mechanism not in TAIL_BITS:
            raise InvalidPrivacy(f'mechanism "{self.mechanism}" is unknown: use one of {", ".join(TAIL_BITS)}')
        if not 2.0**-400 <= self.scale <= 2.0**400:
            raise InvalidPrivacy(f"noise of scale {self.scale:g} cannot be made: it must be above 0 and finite")

    @property
    def grid(self) -> float:
        """The power of two of which everything released is a multiple."""
        return ldexp(1.0, frexp(self.scale)[1] - 1 - FINENESS)

    def draw(self, count: int, words: WordSource) -> Integers:
        """Noise (count,) in multiples of the grid; ``count`` >= 0."""
        drawn = np.empty(count, dtype=np.int64)
        filled = 0
        while filled < count:
            kept = self._propose(min(BATCH, count - filled + (count - filled) // 8 + 4), words)[: count - filled]
            drawn[filled : filled + kept.size] = kept
            filled += kept.size
        return drawn

    def _propose(self, count: int, words: WordSource) -> Integers:
        """Draw ``count`` proposals; the kept ones."""
        steps = self._steps
        taken = words.take(2 * count)
        word, chance = taken[:count], taken[count:]
        cell = steps.slots[word & np.uint64(SLOTS - 1)]
        word = word >> np.uint64(SLOT_BITS)
        negative = _low_bits(word, 1)
        word >>= np.uint64(1)
        magnitude = _low_bits(word, CELL_BITS)
        magnitude += cell.astype(np.int64) << CELL_BITS
        keep = chance < steps.surely[cell]
        unsure = np.flatnonzero(~keep)
        weight = steps.weights[cell[unsure]]
        tail = np.flatnonzero(cell[unsure] == CELLS)
        if tail.size:
            at = unsure[tail]
            further = _zeros(words.take(at.size))
            bits = TAIL_BITS[self.mechanism]
            magnitude[at] = (CELLS << CELL_BITS) + (further << bits) + _low_bits(word[at], bits)
            weight[tail] = np.ldexp(weight[tail], CELL_BITS - bits - 1 - further)
        likely = steps.height * self._density(magnitude[unsure] + negative[unsure]) / weight
        keep[unsure] = chance[unsure] < (np.minimum(likely, _BELOW_1) * _TWO_64).astype(np.uint64)
        # Magnitude m with a minus is -m - 1: zero is proposed once, and both signs are alike.
        kept: Integers = (magnitude ^ -negative)[keep]
        return kept

    def _density(self, multiples: Integers) -> FloatArray:
        """f, up to a factor, of magnitudes in multiples of the grid."""
        x = multiples / (self.scale / self.grid)
        return np.exp(-x * x / 2 if self.mechanism == "Gaussian" else -x)

    @cached_property
    def _steps(self) -> "_Steps":
        ends = self._density(np.arange(CELLS + 1, dtype=np.int64) << CELL_BITS)
        least = ends[1:].copy()
        # Whole slots for each cell, at least height * f at its start. The tail's first cell has half of the tail's.
        ends[-1] *= 2 << TAIL_BITS[self.mechanism] - CELL_BITS
        height = (SLOTS - CELLS - 2) / ends.sum()
        counts = np.floor(height * ends).astype(np.int64) + 1
        counts[0] += SLOTS - counts.sum()
        sure = np.append(height * least / counts[:-1] * (1 - 2.0**-40), 0.0)
        return _Steps(
            slots=np.repeat(np.arange(CELLS + 1, dtype=np.uint8), counts),
            weights=counts.astype(np.float64),
            surely=(sure * _TWO_64).astype(np.uint64),
            height=float(height),
        )


@dataclass(frozen=True)
class _Steps:
    """The steps below which f times ``height`` lies: cell of each slot; slots of each cell (the tail is the last); and,
    out of 2^64, the chance at which all of a cell's multiples stay."""

    slots: npt.NDArray[np.uint8]
    weights: FloatArray
    surely: Words
    height: float


def _low_bits(words: Words, bits: int) -> Integers:
    low: Integers = (words & np.uint64((1 << bits) - 1)).view(np.int64)
    return low


def _zeros(words: Words) -> Integers:
    """How many bits of each word are 0 below its lowest 1: n with probability 2^-(n + 1)."""
    lowest = words & (~words + np.uint64(1))
    exponents: Integers = np.frexp(lowest.astype(np.float64))[1].astype(np.int64)
    return exponents - 1
