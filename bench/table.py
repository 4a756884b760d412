"""Figures side by side, as text: ours, the floor's, Flower's, and the ratios."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.samples import Sample

HEADINGS = ("", "Consilia", "floor", "Flower", "/ floor", "/ Flower", "wanted")


@dataclass(frozen=True)
class Figure:
    """One line of a table; what was not measured is None. `wanted` is printed beside it and asserts nothing."""

    name: str
    unit: Callable[[float], str]
    ours: Sample | None
    flower: Sample | None
    floor: Sample | None = None
    wanted: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the line."""
        samples = [cell(sample, self.unit) for sample in (self.ours, self.floor, self.flower)]
        return (self.name, *samples, ratio(self.ours, self.floor), ratio(self.ours, self.flower), self.wanted)


def text(title: str, figures: Sequence[Figure]) -> str:
    """Return a table of these figures under a title."""
    return aligned(title, [HEADINGS, *(figure.cells() for figure in figures)])


def aligned(title: str, lines: Sequence[Sequence[str]]) -> str:
    """Return lines of equally many texts under a title, each column as wide as its widest text."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ("  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join([title, *rows])


def cell(sample: Sample | None, unit: Callable[[float], str]) -> str:
    """Return `median (min .. max)`, the median alone where it is the only value, or a dash."""
    if sample is None:
        return "-"
    if len(sample.values) == 1:
        return unit(sample.median)
    return f"{unit(sample.median)} ({unit(sample.low)} .. {unit(sample.high)})"


def ratio(ours: Sample | None, other: Sample | None) -> str:
    """Return the ratio of the medians as `x 1.8` or, below 1, as `1/684`; a dash where one is missing."""
    if ours is None or other is None:
        return "-"
    value = ours.ratio(other)
    return f"x {value:.2f}" if value >= 1 else f"1/{1 / value:.3g}"


def seconds(value: float) -> str:
    """Return seconds with three digits, as ms below one second."""
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def megabytes(value: float) -> str:
    """Return bytes in MB (10^6)."""
    return f"{value / 1e6:.0f} MB"
