"""The result of a statistics run as rich draws it: a line a feature, each number with what noise can do to it. Pure."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consilia.status import FeatureStatistics, Histogram
from consilia_local.legible import legible
from consilia_local.wording import ABSENT, HIDDEN

BLOCKS = " ▁▂▃▄▅▆▇█"
MOST_BARS = 20


def statistics_view(statistics: Sequence[FeatureStatistics]) -> RenderableType:
    """A table of counts, means and variances with each histogram's outline, and one of quantiles."""
    parts: list[RenderableType] = [_moments(statistics)]
    if any(each.quantiles for each in statistics):
        parts += [Text(), _quantiles(statistics)]
    return Group(*parts, Text(f"  {_bars(statistics)}", style="dim"))


def _moments(statistics: Sequence[FeatureStatistics]) -> Table:
    table = _table("count", "mean", "variance")
    table.add_column("histogram", overflow="fold")
    for each in statistics:
        errors = each.errors
        cells = [number(each.count, errors.count if errors else None)]
        for name in ("mean", "variance"):
            value = getattr(each, name)
            cells.append(_or_hidden(value, getattr(errors, name) if errors else None, name in (each.hidden or ())))
        cells.append(outline(each.histogram) if each.histogram else HIDDEN)
        table.add_row(_name(each), *map(Text, cells))
    return table


def _quantiles(statistics: Sequence[FeatureStatistics]) -> Table:
    asked = sorted({quantile.q for each in statistics for quantile in each.quantiles or []})
    table = _table(*(f"{100 * q:g} %" for q in asked))
    for each in statistics:
        told = {
            quantile.q: f"{quantile.value:.4g} ({quantile.low:.4g}–{quantile.high:.4g})"
            for quantile in each.quantiles or []
        }
        table.add_row(_name(each), *(Text(told.get(q, HIDDEN)) for q in asked))
    return table


def _table(*numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("  feature", overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", overflow="fold")
    return table


def _name(each: FeatureStatistics) -> Text:
    unit = f" ({legible(each.unit)})" if each.unit else ""
    return Text(f"  {legible(each.name)}{unit}")


def _or_hidden(value: float | None, error: float | None, hidden: bool) -> str:
    return (HIDDEN if hidden else ABSENT) if value is None else number(value, error)


def number(value: float, error: float | None) -> str:
    """A number with its error bar: ``14.1 ± 0.3``; without one, four digits of it, or all of a whole number."""
    if error is None or error <= 0:
        return f"{value:.0f}" if value == round(value) else f"{value:.4g}"
    digits = max(0, 1 - int(f"{error:e}".partition("e")[2]))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def outline(histogram: Histogram) -> str:
    """The counts as blocks of eight heights; neighbouring bins are taken together where there are many."""
    together = -(-len(histogram.counts) // MOST_BARS)
    counts = [sum(histogram.counts[at : at + together]) for at in range(0, len(histogram.counts), together)]
    highest = max(counts)
    return "".join(BLOCKS[round(8 * count / highest)] if highest > 0 else " " for count in counts)


def _bars(statistics: Sequence[FeatureStatistics]) -> str:
    if any(each.errors for each in statistics):
        return "± and in brackets: what the noise can do, 95 % of the time. Patients of the training side."
    return "In brackets: the bin that a quantile lies in. Patients of the training side."
