"""When something was measured, as one number that compares, and which of several values counts."""

import math
from datetime import UTC, date, datetime

import numpy as np

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
    time gives way to any that has one.
    """

    def __init__(self, choose: str) -> None:
        self._choose = choose
        self._values = np.full(0, np.nan)
        self._others = np.zeros(0)  # times, or how many there were

    def put(self, row: int, value: float, at: float) -> None:
        """One more value of the patient in ``row``."""
        self._grow(row + 1)
        if self._choose == "mean":
            count = self._others[row] + 1
            before = self._values[row] if count > 1 else 0.0
            self._values[row], self._others[row] = before + value, count
        elif math.isnan(self._values[row]) or self._comes_before(at, self._others[row]):
            self._values[row], self._others[row] = value, at

    def values(self, rows: int) -> FloatArray:
        """The numbers of all patients (rows,), NaN where none came."""
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
