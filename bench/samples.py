"""Measured values with their noise.

A figure of the bench is never one number: a machine that others share moves every run, so each is kept with its
smallest and largest value and the reader sees how far a ratio can be trusted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev


@dataclass(frozen=True)
class Sample:
    """At least one measured value, in the unit of whoever measured it (seconds or bytes)."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse an empty sample, whose median would be made up."""
        if not self.values:
            raise ValueError("a sample has at least one value; nothing was measured")

    @classmethod
    def of(cls, values: Sequence[float]) -> "Sample":
        """Return the sample of these values, in the order measured."""
        return cls(tuple(float(value) for value in values))

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values)

    @property
    def mean(self) -> float:
        """The mean: of what is drawn, where median and range are of what is timed."""
        return fmean(self.values)

    @property
    def error(self) -> float:
        """The standard error of the mean; 0 for one value, of which it is not known."""
        return stdev(self.values) / len(self.values) ** 0.5 if len(self.values) > 1 else 0.0

    @property
    def low(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest value."""
        return max(self.values)

    def ratio(self, other: "Sample") -> float:
        """Return this median over the other's; the other's is above 0."""
        return self.median / other.median
