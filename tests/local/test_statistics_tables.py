"""Statistics in a terminal: each number with its bar, and what noise hides in words."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from consilia.manifest import parse
from consilia.status import (
    FeatureStatistics,
    FederationStatus,
    Histogram,
    HospitalStatus,
    QuantileStatistic,
    StatisticErrors,
)
from consilia_local.statistics_tables import number, outline, statistics_view
from consilia_local.tables import HospitalsTable
from consilia_local.verbs import privacy_plan

EXAMPLE = Path(__file__).parents[2] / "examples" / "statistics.yaml"

TOLD = FeatureStatistics(
    name="mean radius",
    unit="mm",
    count=364.51,
    mean=14.123,
    variance=12.0,
    quantiles=[QuantileStatistic(q=0.5, value=13.41, low=11.0, high=17.0)],
    histogram=Histogram(edges=[5.0, 17.0, 29.0], counts=[300.0, 64.5], error=20.0),
    errors=StatisticErrors(count=33.2, mean=1.44, variance=9.0),
)
HIDDEN = FeatureStatistics(
    name="mean\x1b[31m texture",
    count=364.5,
    errors=StatisticErrors(count=33.2),
    hidden=["mean", "variance", "quantiles", "histogram"],
)


def drawn(*statistics: FeatureStatistics, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(statistics_view(statistics))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_feature_is_a_line_in_eighty_columns() -> None:
    text = drawn(TOLD, HIDDEN)
    assert "  mean radius (mm)" in text
    for told in ("365 ± 33", "14.1 ± 1.4", "12.0 ± 9.0", "13.41 (11–17)", "what the noise can do, 95 % of the time"):
        assert told in text
    assert text.count("hidden: noise") == 4
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_without_noise_brackets_are_bins() -> None:
    exact = TOLD.model_copy(update={"errors": None, "count": 364.0})
    text = drawn(exact)
    assert "364 " in text
    assert "±" not in text
    assert "the bin that a quantile lies in" in text


@pytest.mark.parametrize("private", [True, False])
def test_hospitals_of_a_statistics_run_have_no_empty_columns(private: bool) -> None:
    hospital = HospitalStatus(name="north", phase="Ready")
    survey = FederationStatus(task="Statistics", private=private, round=1, rounds=1, hospitals=[hospital])
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(HospitalsTable(survey))
    file = console.file
    assert isinstance(file, io.StringIO)
    heads, line = file.getvalue().splitlines()
    assert heads.split() == ["hospital", "state", *(["epsilon", "spent"] if private else [])]
    assert line.split() == ["north", "ready", *(["–"] if private else [])]


@pytest.mark.parametrize(
    ("value", "error", "told"),
    [(351.2, 33.1, "351 ± 33"), (0.1234, 0.0123, "0.123 ± 0.012"), (654.3, 4.2, "654.3 ± 4.2"), (7.0, None, "7")],
)
def test_a_number_has_as_many_digits_as_its_bar_leaves(value: float, error: float | None, told: str) -> None:
    assert number(value, error) == told


def test_an_outline_has_at_most_twenty_blocks_the_highest_full() -> None:
    drawn = outline(Histogram(edges=[float(edge) for edge in range(101)], counts=[float(n) for n in range(100)]))
    assert len(drawn) == 20
    assert drawn[-1] == "█"
    assert outline(Histogram(edges=[0.0, 1.0, 2.0], counts=[0.0, 0.0])) == "  "


def test_the_plan_of_a_statistics_run_says_what_it_costs_and_how_wide_its_bars_will_be(tmp_path: Path) -> None:
    text = EXAMPLE.read_text("utf-8")
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(privacy_plan(parse(text, EXAMPLE.name), EXAMPLE.name, tmp_path / "state", {}))
    file = console.file
    assert isinstance(file, io.StringIO)
    told = file.getvalue()
    assert re.search(r"statistics +1 +2\.432 +9\.073 +0\.2681 +0\.2681 +1 +2\.16", told)
    assert "a training patient" in told
    assert "a holdout patient" not in told
    assert re.search(r"count, 95 % of the time +± 33", told)
    assert re.search(r"a mean, of its bounds' width +± 4 % +± 0\.4 %", told)
    assert re.search(r"north +north-2024 +4\.0 +0\.00 +4\.00 +3\.80+ +yes", told)
