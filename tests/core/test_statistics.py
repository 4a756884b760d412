"""Statistics from summed values: exact ones against NumPy on the pooled rows, noised ones by how often bars hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import keyed_words
from consilia.errors import InvalidData, InvalidManifest
from consilia.experiment import Features
from consilia.privacy.noise import Mechanism
from consilia.privacy.noise_plan import Ask
from consilia.privacy.statistics_plan import StatisticsPlan, Weights
from consilia.privacy.statistics_release import noised_statistics
from consilia.statistics import EXACT, NOISIEST_MEAN, Deviations, _isotonic, statistics_of
from consilia.statistics_sums import Axes, statistic_sums
from consilia.status import FeatureStatistics
from consilia.vectors import FloatArray

AXES = Axes((0.0, -10.0), (40.0, 30.0), 20)
NAMES = [("radius", "mm"), ("base excess", None)]
QUANTILES = (0.25, 0.5, 0.75)


def rows(count: int, seed: int = 0) -> FloatArray:
    random = np.random.default_rng(seed)
    return np.column_stack([random.normal(14, 4, count), random.gamma(2, 4, count) - 8])


def clipped(x: FloatArray, axes: Axes = AXES) -> FloatArray:
    return np.clip(x, axes.low, axes.high)


def described(x: FloatArray, axes: Axes = AXES) -> list[FeatureStatistics]:
    return statistics_of(NAMES, axes, QUANTILES, statistic_sums(x, axes))


@pytest.mark.parametrize("parts", [1, 3, 7])
def test_without_noise_sums_of_any_division_give_what_numpy_gives_of_all(parts: int) -> None:
    x = rows(1000)
    total = sum((statistic_sums(part, AXES) for part in np.array_split(x, parts)), np.zeros(AXES.size))
    for column, told in enumerate(statistics_of(NAMES, AXES, QUANTILES, total)):
        values = clipped(x)[:, column]
        assert told.count == 1000
        assert told.mean == pytest.approx(values.mean(), rel=1e-12)
        assert told.variance == pytest.approx(values.var(), rel=1e-10)
        assert told.histogram is not None
        counts, edges = np.histogram(values, AXES.bins, (AXES.low[column], AXES.high[column]))
        assert told.histogram.edges == pytest.approx(edges)
        assert told.histogram.counts == counts.tolist()
        assert (told.hidden, told.errors, told.histogram.error) == (None, None, None)
        width = edges[1] - edges[0]
        for quantile in told.quantiles or []:
            exact = np.quantile(values, quantile.q, method="inverted_cdf")
            assert quantile.low <= exact <= quantile.high
            assert abs(quantile.value - exact) <= width
            assert quantile.high - quantile.low <= 2 * width


@given(
    st.lists(st.floats(-20, 60), min_size=1, max_size=40),
    st.floats(0.01, 0.99),
    st.integers(2, 30),
)
def test_the_interval_of_an_exact_quantile_holds_it_whatever_the_values(
    values: list[float], q: float, bins: int
) -> None:
    axes = Axes((0.0,), (40.0,), bins)
    x = np.array(values)[:, None]
    (told,) = statistics_of([("a", None)], axes, [q], statistic_sums(x, axes))
    assert told.quantiles is not None
    exact = np.quantile(clipped(x, axes), q, method="inverted_cdf")
    # The edges of what was asked for, and no others, can be told.
    assert told.quantiles[0].low - 1e-9 <= exact <= told.quantiles[0].high + 1e-9


def test_values_beyond_the_bounds_count_at_the_bounds_and_unusable_records_nowhere() -> None:
    x = np.array([[-5.0, 0.0], [100.0, 0.0], [1e308, 0.0], [np.nan, 3.0], [7.0, np.inf], [40.0, 30.0]])
    told = described(x)[0]
    assert told.count == 4
    assert told.mean == pytest.approx(30.0)
    assert told.histogram is not None
    assert (told.histogram.counts[0], told.histogram.counts[-1]) == (1, 3)


def test_no_patients_are_no_statistics_but_a_count_of_none() -> None:
    for told in described(np.empty((0, 2))):
        assert told.count == 0
        assert (told.mean, told.variance, told.quantiles, told.histogram) == (None, None, None, None)
        assert told.hidden == ["mean", "variance", "quantiles", "histogram"]


def test_another_number_of_columns_is_refused() -> None:
    with pytest.raises(InvalidData, match="other columns than the 2 features asked for"):
        statistic_sums(np.zeros((3, 5)), AXES)


def test_features_without_bounds_have_no_statistics() -> None:
    features = Features.model_validate({"label": "y", "scaling": "federated", "codebook": [{"name": "a"}]})
    with pytest.raises(InvalidManifest, match='feature "a" has no bounds, which statistics need'):
        Axes.of(features, 10)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_the_isotonic_sequence_is_the_nearest_that_never_falls(values: list[float]) -> None:
    found = _isotonic(np.array(values))
    assert (np.diff(found) >= -1e-9).all()
    blocks: list[list[float]] = []  # pool adjacent violators
    for value in values:
        blocks.append([value])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    expected = [float(np.mean(block)) for block in blocks for _ in block]
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.fixture(scope="module")
def plan() -> StatisticsPlan:
    return StatisticsPlan.of(Ask(1.0, 1e-5, 1.0, 1, 3, 6000, reserve=0), 2)


HOSPITALS = 3
DRAWS = 200


@pytest.fixture(scope="module", params=["Gaussian", "Laplace"])
def drawn(request: pytest.FixtureRequest) -> list[list[FeatureStatistics]]:
    """Statistics of the same 6000 patients of three hospitals, in 200 private runs at epsilon 1."""
    plan = StatisticsPlan.of(Ask(1.0, 1e-5, 1.0, 1, HOSPITALS, 6000, request.param, reserve=0), 2)
    noise = Deviations.of(plan.statistics, 2, HOSPITALS)
    parts = np.array_split(rows(6000), HOSPITALS)
    runs = []
    for draw in range(DRAWS):
        keys = [keyed_words(1000 * draw + hospital) for hospital in range(HOSPITALS)]
        sums = [noised_statistics(x, AXES, plan.statistics, key) for x, key in zip(parts, keys, strict=True)]
        runs.append(statistics_of(NAMES, AXES, QUANTILES, np.sum(sums, axis=0), noise))
    return runs


def shares(hits: list[bool]) -> float:
    assert len(hits) >= DRAWS
    return sum(hits) / len(hits)


LEAST = 0.90
"""Of 400 bars of 95 %, as many hold in all but one of 10,000 trials; those of one run are not independent."""


def test_error_bars_of_count_mean_and_variance_hold_95_percent_of_the_time(
    drawn: list[list[FeatureStatistics]],
) -> None:
    values = clipped(rows(6000))
    hits: dict[str, list[bool]] = {"count": [], "mean": [], "variance": []}
    for run in drawn:
        for column, told in enumerate(run):
            assert told.errors is not None
            truths = {"count": 6000.0, "mean": values[:, column].mean(), "variance": values[:, column].var()}
            for name, truth in truths.items():
                value, error = getattr(told, name), getattr(told.errors, name)
                if value is not None:
                    hits[name].append(abs(value - truth) <= error)
    for name, found in hits.items():
        assert LEAST <= shares(found) <= 0.995, name


def test_error_bars_of_bins_hold_95_percent_of_the_time_and_no_count_is_negative(
    drawn: list[list[FeatureStatistics]],
) -> None:
    values = clipped(rows(6000))
    hits: list[bool] = []
    for run in drawn:
        for column, told in enumerate(run):
            assert told.histogram is not None
            assert told.histogram.error is not None
            truth = np.histogram(values[:, column], told.histogram.edges)[0]
            found = np.array(told.histogram.counts)
            assert (found >= 0).all()
            hits += (np.abs(found - truth) <= told.histogram.error).tolist()
    assert 0.94 <= shares(hits) <= 0.995


def test_intervals_of_quantiles_hold_95_percent_of_the_time(drawn: list[list[FeatureStatistics]]) -> None:
    values = clipped(rows(6000))
    hits: list[bool] = []
    for run in drawn:
        for column, told in enumerate(run):
            for quantile in told.quantiles or []:
                exact = np.quantile(values[:, column], quantile.q, method="inverted_cdf")
                hits.append(bool(quantile.low <= exact <= quantile.high))
                assert quantile.low <= quantile.value <= quantile.high
    assert shares(hits) >= 0.94


def test_noise_of_half_its_deviation_would_be_seen(drawn: list[list[FeatureStatistics]]) -> None:
    """The same draws against bars of half their length: the tests above can fail."""
    values = clipped(rows(6000))
    hits = [
        abs(run[0].mean - values[:, 0].mean()) <= run[0].errors.mean / 2
        for run in drawn
        if run[0].mean is not None and run[0].errors is not None and run[0].errors.mean is not None
    ]
    assert shares(hits) < LEAST - 0.1


def survey(patients: int, bins: int, epsilon: float, mechanism: Mechanism) -> dict[str, tuple[float, float]]:
    """Of 400 private runs at three hospitals, by number: the share that tell it, and the share that tell it wrong."""
    axes, names = Axes((0.0,), (40.0,), bins), [("radius", None)]
    planned = StatisticsPlan.of(Ask(epsilon, 1e-5, 1.0, 1, HOSPITALS, 6000, mechanism, reserve=0), 1).statistics
    x, runs = rows(patients)[:, :1], 400
    noise = planned.noise.draw(runs * HOSPITALS * axes.size, keyed_words(7)).reshape(runs, HOSPITALS, axes.size)
    weights = Weights.of(1)
    units = np.repeat([weights.count, weights.first, weights.second, weights.bin], [1, 1, 1, bins])
    sums = statistic_sums(x, axes) + noise.sum(axis=1) * planned.noise.grid / units
    values = np.clip(x[:, 0], 0, 40)
    told: dict[str, list[bool]] = {"mean": [], "variance": [], "25 %": [], "50 %": [], "75 %": []}
    for total in sums:
        (found,) = statistics_of(names, axes, QUANTILES, total, Deviations.of(planned, 1, HOSPITALS))
        assert found.errors is not None
        for name, value, error, truth in (
            ("mean", found.mean, found.errors.mean, values.mean()),
            ("variance", found.variance, found.errors.variance, values.var()),
        ):
            if value is not None and error is not None:
                told[name].append(abs(value - truth) > error)
        for quantile in found.quantiles or []:
            truth = np.quantile(values, quantile.q, method="inverted_cdf")
            told[f"{100 * quantile.q:g} %"].append(not quantile.low <= truth <= quantile.high)
    return {name: (len(wrong) / runs, sum(wrong) / runs) for name, wrong in told.items()}


@pytest.mark.parametrize("mechanism", ["Gaussian", "Laplace"])
def test_intervals_of_quantiles_hold_where_a_bin_has_fewer_patients_than_the_noise(mechanism: Mechanism) -> None:
    """Wide bins round an interval outwards, and hide one that is too short."""
    found = survey(1500, 50, 1.0, mechanism)
    for q in ("25 %", "50 %", "75 %"):
        told, wrong = found[q]
        assert told == 1
        assert wrong <= 0.05, q


@pytest.mark.parametrize(("patients", "bins"), [(60, 5), (150, 10), (300, 20), (500, 20)])
@pytest.mark.parametrize("mechanism", ["Gaussian", "Laplace"])
def test_where_numbers_are_hidden_now_and_then_5_of_100_runs_mislead_at_most(
    patients: int, bins: int, mechanism: Mechanism
) -> None:
    found = survey(patients, bins, 0.5, mechanism)
    assert min(told for told, _ in found.values()) < 1
    for name, (_, wrong) in found.items():
        # Three standard errors of 400 trials are 3 %.
        assert wrong <= 0.08, name


def test_what_noise_hides_is_not_told(plan: StatisticsPlan) -> None:
    noise = Deviations.of(plan.statistics, 2, HOSPITALS)
    sums = statistic_sums(rows(20), AXES)
    for told in statistics_of(NAMES, AXES, QUANTILES, sums, noise):
        assert told.hidden == ["mean", "variance", "quantiles", "histogram"]
        assert (told.mean, told.variance, told.quantiles, told.histogram) == (None, None, None, None)
        assert told.count == 20
        assert told.errors is not None


def test_a_mean_is_told_where_its_bar_is_a_quarter_of_the_bounds_and_no_longer() -> None:
    x = np.full((1000, 2), 10.0)
    sums = statistic_sums(x, AXES)
    bar = 0.25 * 1000 * 2 / 1.96
    for deviation, is_told in ((bar * 0.999, True), (bar * 1.001, False)):
        told = statistics_of(NAMES, AXES, QUANTILES, sums, Deviations(1e-9, deviation, 1e-9, 1e-9))[1]
        assert (told.mean is not None) is is_told
        if told.errors is not None and told.errors.mean is not None:
            assert told.errors.mean <= NOISIEST_MEAN * 40


def test_noise_that_makes_a_count_negative_tells_of_none() -> None:
    sums = statistic_sums(rows(10), AXES)
    sums[0] = -3.0
    told = statistics_of(NAMES, AXES, QUANTILES, sums, Deviations(4.0, 4.0, 8.0, 4.0))[0]
    assert (told.count, told.mean) == (0.0, None)


def test_exact_is_without_any_deviation() -> None:
    assert (EXACT.count, EXACT.first, EXACT.second, EXACT.bin) == (0, 0, 0, 0)
