"""When something was measured, as one number that compares, and which of several values counts."""

import math
from datetime import UTC, date, datetime

import numpy as np

from consilia.model import Flags
from consilia.vectors import FloatArray

NO_TIME = math.nan
_MONTH, _YEAR = len("2024-11"), len("2024")


def moment(value: str | date | datetime | None) -> float:
    """Seconds since 1970 of a date or a time, as FHIR, SQL or a driver has it; NaN where there is none that is known.

    What is told coarsely (a year, a day) is its beginning, and a time without a zone is UTC.
    """
    if isinstance(value, str):
        text = value.strip()
        text += {_YEAR: "-01-01", _MONTH: "-01"}.get(len(text), "")
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            return NO_TIME
    if isinstance(value, datetime):
        told = value
    elif isinstance(value, date):
        told = datetime(value.year, value.month, value.day, tzinfo=UTC)
    else:
        return NO_TIME
    try:
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return NO_TIME


class Chosen:
    """One number a patient of the several that come, by their time: the latest, the earliest, or their mean.

    Of the same time, the one that is read last is the latest and the one read first the earliest; a value without a
    time gives way to any that has one. One that is only known to lie below or above something takes its turn as all
    do: an older number in its place would be of another time, and most often far from it.
    """

    def __init__(self, choose: str) -> None:
        self._choose = choose
        self._values = np.full(0, np.nan)
        self._others = np.zeros(0)  # times, or how many there were
        self._came = np.zeros(0, dtype=bool)
        self._bound = np.zeros(0, dtype=bool)

    def put(self, row: int, value: float, at: float) -> None:
        """One more value of the patient in ``row``: NaN where it is only known to lie below or above something."""
        self._grow(row + 1)
        came, bound = self._came[row], math.isnan(value)
        if self._choose == "mean":
            self._values[row] = self._values[row] + value if came else value
            self._others[row] += 1
            self._bound[row] |= bound
        elif not came or self._comes_before(at, self._others[row]):
            self._values[row], self._others[row], self._bound[row] = value, at, bound
        self._came[row] = True

    def bounds(self, rows: int) -> Flags:
        """Of all patients (rows,), whose number is NaN as what counts (of a mean, any of it) is but a bound."""
        self._grow(rows)
        return self._bound[:rows].copy()

    def values(self, rows: int) -> FloatArray:
        """The numbers of all patients (rows,), NaN where none came, or a bound counts."""
        self._grow(rows)
        if self._choose == "mean":
            with np.errstate(invalid="ignore"):
                return self._values[:rows] / np.maximum(self._others[:rows], 1)
        return self._values[:rows].copy()

    def _comes_before(self, at: float, other: float) -> bool:
        if math.isnan(at):
            return math.isnan(other) and self._choose == "latest"
        if math.isnan(other):
            return True
        return at >= other if self._choose == "latest" else at < other

    def _grow(self, rows: int) -> None:
        if rows > len(self._values):
            more = max(rows, 2 * len(self._values)) - len(self._values)
            self._values = np.append(self._values, np.full(more, np.nan))
            self._others = np.append(self._others, np.zeros(more))
            self._came = np.append(self._came, np.zeros(more, dtype=bool))
            self._bound = np.append(self._bound, np.zeros(more, dtype=bool))
