"""The figures in the pages about statistics are those of the code."""

from math import sqrt
from pathlib import Path

import pytest

from consilia.asked_statistics import MOST_BINS, MOST_FEATURES, Statistics
from consilia.privacy.noise_plan import Ask
from consilia.privacy.statistics_plan import StatisticsPlan, Weights
from consilia.statistics import NOISIEST_MEAN, WIDEST_QUANTILE, Deviations, middle_mean_error

HOSPITALS = 5
PATIENTS = (500, 5_000, 50_000)


def plan(epsilon: float, features: int) -> StatisticsPlan:
    return StatisticsPlan.of(Ask(epsilon, 1e-5, 1.0, 1, HOSPITALS, 455, reserve=0), features)


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "statistics.md").read_text("utf-8")


@pytest.fixture(scope="module")
def statistician(root: Path) -> str:
    return (root / "docs" / "privacy-for-statisticians.md").read_text("utf-8").split("## Statistics", 1)[1]


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("features", [1, 5, 30])
def test_the_table_of_noise_is_right(page: str, epsilon: float, features: int) -> None:
    planned = plan(epsilon, features).statistics
    noise = Deviations.of(planned, features, HOSPITALS)
    bars = [f"± {noise.quantile * deviation:.0f}" for deviation in (noise.count, noise.bin)]
    means = [f"{100 * middle_mean_error(noise, patients):.2g} %" for patients in PATIENTS]
    row = [f"{epsilon:g}", str(features), f"{planned.noise.scale:.3f}", *bars, *means]
    assert f"| {' | '.join(row)} |" in page


def test_limits_and_defaults_are_right(page: str) -> None:
    assert f"at most {MOST_FEATURES}; default: all of it" in page
    assert f"2 to {MOST_BINS}; default: {Statistics().bins}" in page
    assert f"quantiles: {Statistics().quantiles}" in page
    assert (NOISIEST_MEAN, WIDEST_QUANTILE) == (0.25, 0.5)


def test_weights_and_sensitivity_are_right(statistician: str) -> None:
    weights = Weights.of(16)
    assert (weights.count, weights.first, weights.second, weights.bin) == (2.0, 1.0, 0.5, 1.0)
    assert weights.sensitivity(16, "L2") == pytest.approx(sqrt(sqrt(16) + 9 / 4 * 16))
    assert weights.sensitivity(16, "L1") == pytest.approx(16**0.25 + 5 / 2 * 16)
    for features in (1, 30):
        assert f"{plan(1.0, features).statistics.noise.scale:.3f} for F = {features}" in statistician
