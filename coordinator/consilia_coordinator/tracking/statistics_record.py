"""The result of a statistics run as MLflow keeps it: metrics by feature, and a table. Pure."""

import csv
import io
import re
from collections.abc import Sequence

from consilia.status import FeatureStatistics

GROUP = "statistics"
LONGEST = 180
"""Letters of a feature's name in a metric's: MLflow takes 250 for the whole."""
_STRANGE = re.compile(r"[^A-Za-z0-9_\-. ]")
"""What MLflow does not take in the name of a metric; a slash would make a group of its own."""

COLUMNS = ("feature", "unit", "count", "count ±", "mean", "mean ±", "variance", "variance ±")


def metrics_of(statistics: Sequence[FeatureStatistics]) -> dict[str, float]:
    """``statistics/<feature>/mean`` and so on: what is told, each with the bar of its noise, where it has one."""
    found: dict[str, float] = {}
    for name, each in zip(_names(statistics), statistics, strict=True):
        values: dict[str, float | None] = {"count": each.count, "mean": each.mean, "variance": each.variance}
        if each.errors is not None:
            values |= {f"{key}_error": getattr(each.errors, key) for key in ("count", "mean", "variance")}
        values |= {f"quantile_{quantile.q:g}": quantile.value for quantile in each.quantiles or []}
        found |= {f"{GROUP}/{name}/{key}": value for key, value in values.items() if value is not None}
    return found


def table_of(statistics: Sequence[FeatureStatistics]) -> str:
    """A line a feature, in CSV, empty where noise hides what would be there."""
    asked = sorted({quantile.q for each in statistics for quantile in each.quantiles or []})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(f"quantile {q:g}{part}" for q in asked for part in ("", " from", " to")), "hidden"])
    for each in statistics:
        errors = each.errors
        told: list[object] = [_inert(each.name), _inert(each.unit or ""), each.count, errors.count if errors else None]
        told += [each.mean, errors.mean if errors else None, each.variance, errors.variance if errors else None]
        quantiles = {quantile.q: quantile for quantile in each.quantiles or []}
        for q in asked:
            quantile = quantiles.get(q)
            told += [quantile.value, quantile.low, quantile.high] if quantile else [None, None, None]
        writer.writerow([*told, " ".join(each.hidden or [])])
    return text.getvalue()


def _inert(text: str) -> str:
    """No formula, wherever the table is opened."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _names(statistics: Sequence[FeatureStatistics]) -> list[str]:
    """What MLflow takes of each feature's name; of two that become alike, the later one with its number."""
    names: list[str] = []
    for number, each in enumerate(statistics, start=1):
        name = _STRANGE.sub("_", each.name)[:LONGEST].strip(" .") or "_"
        names.append(name if name not in names else f"{name} {number}")
    return names
