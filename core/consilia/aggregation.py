"""Strategies: how the coordinator combines what the hospitals sent.

A vector may be larger than memory allows five hundred times, so updates come as readers of chunks (of a spooled file,
say) and are reduced one after the other into one result: O(model) memory, whatever the number of hospitals. Always in
the order of names, so that the result has the same bits whatever the order of arrival.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from consilia.errors import InvalidMessage
from consilia.vectors import FloatArray, all_usable
from consilia.wording import counted

CHUNK = 1 << 17
"""Values a chunk should have: 1 MiB, which stays in a core's cache between the passes over it."""


@dataclass(frozen=True)
class Update:
    """What a hospital sent for a round: its parameters (read afresh by ``read``) and the rows (>= 1) behind them."""

    hospital: str
    rows: int
    read: Callable[[], Iterable[FloatArray]]


class Strategy(Protocol):
    """Combines the updates of a round. Every strategy passes the suite in ``tests/core/test_aggregation.py``."""

    def reduce(self, updates: Iterable[Update], length: int) -> FloatArray:
        """The next global parameters (``length``,).

        Raises :class:`InvalidMessage`, naming the hospital, for a vector of another length or with NaN or infinity.
        """
        ...


@dataclass(frozen=True)
class FedAvg:
    """Federated averaging: the mean of the parameters, weighted by rows (McMahan et al. 2017, algorithm 1)."""

    def reduce(self, updates: Iterable[Update], length: int) -> FloatArray:
        """See :class:`Strategy`."""
        ordered = _in_order(updates)
        for update in ordered:
            if update.rows < 1:
                raise InvalidMessage(
                    f'update of hospital "{update.hospital}" has {counted(update.rows, "row")}: at least 1 needed'
                )
        total = np.zeros(length)
        for update in ordered:
            _add(total, update, float(update.rows))
        total /= sum(update.rows for update in ordered)
        return total


def sum_vectors(updates: Iterable[Update], length: int) -> FloatArray:
    """The sum of the hospitals' vectors (``length``,), for moments: each counts once, whatever its rows."""
    total = np.zeros(length)
    for update in _in_order(updates):
        _add(total, update, 1.0)
    return total


def chunks(vector: FloatArray) -> Iterator[FloatArray]:
    """A vector in memory, as the chunks that an :class:`Update` reads."""
    return (vector[start : start + CHUNK] for start in range(0, vector.size, CHUNK))


def checked(hospital: str, parts: Iterable[FloatArray], length: int) -> Iterator[FloatArray]:
    """Pass chunks on; refuse NaN, infinity and another total than ``length``, naming the hospital."""
    seen = 0
    for part in parts:
        seen += part.size
        if seen > length:
            break
        if not all_usable(part):
            raise InvalidMessage(
                f'vector of hospital "{hospital}" holds NaN, infinity or a value beyond 1e100: it is not used'
            )
        yield part
    if seen != length:
        size = f"more than {counted(length, 'value')}" if seen > length else counted(seen, "value")
        raise InvalidMessage(f'vector of hospital "{hospital}" has {size}: expected {length}')


def _in_order(updates: Iterable[Update]) -> list[Update]:
    ordered = sorted(updates, key=lambda update: update.hospital)
    if not ordered:
        raise InvalidMessage("there is no update to combine: a round needs at least one hospital")
    for first, second in pairwise(ordered):
        if first.hospital == second.hospital:
            raise InvalidMessage(f'hospital "{first.hospital}" has two updates in one round: only one counts')
    return ordered


def _add(total: FloatArray, update: Update, weight: float) -> None:
    """Add ``weight`` times the update to ``total``, in place, by way of one chunk of scratch."""
    scratch = np.empty(0)
    start = 0
    for part in checked(update.hospital, update.read(), total.size):
        if scratch.size < part.size:
            scratch = np.empty(part.size)
        product = np.multiply(part, weight, out=scratch[: part.size])
        total[start : start + part.size] += product
        start += part.size
