"""The release of a statistics run: its sensitivity, found by search; its noise, and what it refuses."""

from math import sqrt
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from builders import keyed_words
from consilia.errors import InvalidPrivacy
from consilia.privacy import gaussian
from consilia.privacy.noise_plan import Ask, NoisePlan
from consilia.privacy.statistics_plan import StatisticsPlan, Weights
from consilia.privacy.statistics_release import noised_statistics, weighted_sum
from consilia.statistics_sums import Axes, statistic_sums
from consilia.vectors import FloatArray

Mechanism = Literal["Gaussian", "Laplace"]


def plan_of(features: int, mechanism: Mechanism = "Gaussian", epsilon: float = 1.0) -> StatisticsPlan:
    return StatisticsPlan.of(Ask(epsilon, 1e-5, 1.0, 1, 1, 100, mechanism, reserve=0), features)


def axes_of(features: int, bins: int = 7) -> Axes:
    return Axes((0.0,) * features, (10.0,) * features, bins)


VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 10.0, 5.0, 1e308, -1e308, 5e-324, np.nextafter(10.0, 11.0), np.nextafter(0.0, -1.0)]),
)


@given(
    st.integers(1, 5).flatmap(
        lambda features: st.tuples(
            st.lists(st.lists(VALUES, min_size=features, max_size=features), max_size=4),
            st.lists(VALUES, min_size=features, max_size=features),
        )
    ),
    st.sampled_from(["Gaussian", "Laplace"]),
)
def test_one_record_changes_the_sums_by_at_most_the_sensitivity_whatever_it_holds(
    table: tuple[list[list[float]], list[float]], mechanism: Mechanism
) -> None:
    others, record = table
    features = len(record)
    planned, axes = plan_of(features, mechanism).statistics, axes_of(features)
    without = np.array(others, dtype=np.float64).reshape(-1, features)
    change = weighted_sum(np.vstack([without, record]), axes, planned) - weighted_sum(without, axes, planned)
    size = np.linalg.norm(change * planned.noise.grid, 1 if mechanism == "Laplace" else 2)
    assert size <= planned.sensitivity * (1 + 1e-15)


@pytest.mark.parametrize("features", [1, 2, 30, 50])
@pytest.mark.parametrize("mechanism", ["Gaussian", "Laplace"])
def test_a_record_at_its_bounds_reaches_the_sensitivity_so_that_none_is_paid_for_in_vain(
    features: int, mechanism: Mechanism
) -> None:
    planned = plan_of(features, mechanism).statistics
    change = weighted_sum(np.full((1, features), 10.0), axes_of(features), planned)
    size = np.linalg.norm(change * planned.noise.grid, 1 if mechanism == "Laplace" else 2)
    assert size == pytest.approx(planned.sensitivity, rel=1e-7)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_record_that_lacks_one_value_counts_nowhere_and_spoils_nothing(value: float) -> None:
    planned, axes = plan_of(3).statistics, axes_of(3)
    whole = np.array([[1.0, 9.0, 4.0], [2.0, 2.0, 2.0]])
    for at in range(3):
        lacking = np.full((1, 3), 5.0)
        lacking[0, at] = value
        with_it = weighted_sum(np.vstack([whole, lacking]), axes, planned)
        np.testing.assert_array_equal(with_it, weighted_sum(whole, axes, planned))


@pytest.mark.parametrize("value", [11.0, 1e308, -1.0, -1e308, np.nextafter(10.0, 11.0), np.nextafter(0.0, -1.0)])
def test_a_value_beyond_its_bounds_counts_as_the_bound(value: float) -> None:
    planned, axes = plan_of(2).statistics, axes_of(2)
    at_the_bound = np.array([[10.0 if value > 5 else 0.0, 3.0]])
    beyond = np.array([[value, 3.0]])
    np.testing.assert_array_equal(weighted_sum(beyond, axes, planned), weighted_sum(at_the_bound, axes, planned))


def test_the_part_of_a_record_depends_on_that_record_alone() -> None:
    random = np.random.default_rng(1)
    x = random.uniform(-1, 11, (5000, 3))
    planned, axes = plan_of(3).statistics, axes_of(3)
    apart = sum((weighted_sum(row[None], axes, planned) for row in x[:200]), np.zeros(axes.size, np.int64))
    assert (weighted_sum(x[:200], axes, planned) == apart).all()
    assert (weighted_sum(x, axes, planned) == weighted_sum(x[::-1].copy(), axes, planned)).all()


def test_the_plan_costs_what_was_asked_for_and_the_release_is_all_of_it() -> None:
    for features in (1, 7, 50):
        plan = plan_of(features)
        assert plan.epsilon == pytest.approx(1.0, abs=1e-9)
        assert plan.epsilon <= 1.0
        assert (plan.statistics.times, plan.statistics.kind) == (1, "statistics")
        sensitivity = sqrt(sqrt(features) + features * 2.25)
        assert plan.statistics.sensitivity == pytest.approx(sensitivity)
        expected = sensitivity / gaussian.mu_of(1.0, 1e-5)
        assert plan.statistics.noise.scale == pytest.approx(expected, rel=1e-9)
        assert plan.training_loss.epsilon(1e-5) == pytest.approx(1.0, abs=1e-9)
        assert plan.holdout_loss.epsilon(1e-5) == 0.0
        assert set(plan.planned) == {"statistics"}


def test_laplace_noise_is_scaled_to_the_norm_that_adds_up() -> None:
    plan = plan_of(3, "Laplace", 2.0)
    assert plan.statistics.norm == "L1"
    assert plan.statistics.sensitivity == pytest.approx(3**0.25 + 3 * 2.5)
    assert plan.statistics.noise.scale == pytest.approx((3**0.25 + 3 * 2.5) / 2, rel=1e-9)
    assert plan.epsilon == pytest.approx(2.0, abs=1e-9)


def normalised(noise: FloatArray, axes: Axes, sigma: float) -> FloatArray:
    """In standard deviations, by the weight of each value."""
    w = Weights.of(axes.features)
    sizes = [1, axes.features, axes.features, axes.features * axes.bins]
    weights: FloatArray = np.repeat([w.count, w.first, w.second, w.bin], sizes)
    return noise * weights / sigma


def test_the_noise_is_that_of_the_plan_for_every_kind_of_sum() -> None:
    planned, axes = plan_of(4).statistics, axes_of(4, 100)
    x = np.random.default_rng(0).uniform(0, 10, (50, 4))
    exact = statistic_sums(x, axes)
    drawn = [noised_statistics(x, axes, planned, keyed_words(key)) - exact for key in range(150)]
    noise = np.concatenate([normalised(each, axes, planned.noise.scale) for each in drawn])
    assert noise.size > 60_000
    # One-sided: too little noise of 2 % is caught in all but one of 10^6 draws.
    assert stats.chi2.cdf(np.square(noise).sum(), noise.size) > 1e-3
    assert stats.kstest(noise, "norm").pvalue > 1e-3
    first = np.concatenate([each[:9] for each in (normalised(d, axes, planned.noise.scale) for d in drawn)])
    assert stats.kstest(first, "norm").pvalue > 1e-3


def test_without_noise_the_weighted_sums_are_the_sums() -> None:
    planned, axes, weights = plan_of(2).statistics, axes_of(2), Weights.of(2)
    x = np.random.default_rng(0).uniform(-1, 11, (300, 2))
    total = weighted_sum(x, axes, planned) * planned.noise.grid
    sizes = [1, 2, 2, 14]
    unweighted = total / np.repeat([weights.count, weights.first, weights.second, weights.bin], sizes)
    assert unweighted == pytest.approx(statistic_sums(x, axes), abs=1e-5)


def test_the_noise_of_another_kind_or_of_fewer_features_releases_nothing() -> None:
    train = NoisePlan.of(Ask(1.0, 1e-5, 1.0, 1, 1, 100)).train
    x = np.zeros((3, 2))
    with pytest.raises(InvalidPrivacy, match="kind statistics was given the noise of kind train"):
        noised_statistics(x, axes_of(2), train, keyed_words(0))
    with pytest.raises(InvalidPrivacy, match="were given the noise of fewer"):
        noised_statistics(x, axes_of(2), plan_of(1).statistics, keyed_words(0))
    with pytest.raises(InvalidPrivacy, match="were given the noise of fewer"):
        noised_statistics(x, axes_of(2), plan_of(1, "Laplace").statistics, keyed_words(0))
    with pytest.raises(InvalidPrivacy, match=r"lower privacy\.epsilon"):
        noised_statistics(x, axes_of(2), plan_of(2, epsilon=10_000.0).statistics, keyed_words(0))
