"""Clipped sums: one record changes them by at most its bound, whatever it holds, and to the last bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from consilia.errors import InvalidPrivacy
from consilia.experiment import Feature, Features
from consilia.features import FeatureMap
from consilia.model import LOGISTIC, Family, Linear, Poisson, Softmax, sigmoid
from consilia.privacy.clipping import MARGIN, Norm, gradient_sum, row_sum
from consilia.privacy.dp_fedsgd import Centre, private_rows

GRID = 2.0**-26
"""Of noise with sigma 17, for a bound of 1."""
FINEST = 2.0**-36
"""The finest for a bound of 1: here a last bit that moves is most likely to be seen."""
WIDTH = 4

anything = st.floats(allow_nan=True, allow_infinity=True, width=64)
extreme = st.sampled_from([0.0, -0.0, 1.0, 5e-324, 2.7e-162, 1e-160, 1e154, 1.4e154, 1e300, -1.7e308, np.nan, np.inf])
values = st.one_of(anything, extreme, st.floats(-3, 3))
tables = st.integers(0, 6).flatmap(
    lambda n: st.tuples(arrays(np.float64, (n, WIDTH), elements=values), arrays(np.float64, n, elements=values))
)
records = st.tuples(arrays(np.float64, (1, WIDTH), elements=values), arrays(np.float64, 1, elements=values))
FAMILIES = [LOGISTIC, Softmax(3), Linear(-2.0, 5.0), Poisson(9.0)]
weights = st.sampled_from(FAMILIES).flatmap(
    lambda family: st.tuples(
        st.just(family),
        arrays(np.float64, family.size(WIDTH), elements=st.one_of(st.floats(-1e100, 1e100), st.floats(-5, 5))),
    )
)
norms = st.sampled_from(["L1", "L2"])
bounds = st.sampled_from([0.25, 1.0, 1.0000000001, 3.7, 64.0])


def length(multiples: Any, norm: Norm) -> float:
    """The norm of whole multiples of the grid, in Python's integers and one root: nothing is rounded on the way."""
    whole = [int(value) for value in multiples]
    return (sum(abs(v) for v in whole) if norm == "L1" else sum(v * v for v in whole) ** 0.5) * GRID


@given(tables, records, weights, bounds, norms)
def test_adding_any_record_changes_the_gradient_sum_by_at_most_the_bound(
    table: Any, record: Any, model: Any, bound: float, norm: Norm
) -> None:
    family, w = model
    both = np.vstack([table[0], record[0]]), np.append(table[1], record[1])
    before = gradient_sum(*table, w, bound, GRID, norm, family)
    after = gradient_sum(*both, w, bound, GRID, norm, family)
    assert length(after - before, norm) <= bound
    np.testing.assert_array_equal(after - before, gradient_sum(*record, w, bound, GRID, norm, family))


@given(tables, records, bounds, norms)
def test_adding_any_record_changes_the_row_sum_by_at_most_the_bound(
    table: Any, record: Any, bound: float, norm: Norm
) -> None:
    before = row_sum(table[0], bound, GRID, norm)
    after = row_sum(np.vstack([record[0], table[0]]), bound, GRID, norm)
    assert length(after - before, norm) <= bound


@given(records, weights, st.floats(-115, 6), norms)
def test_a_bound_as_small_as_a_hostile_coordinator_likes_is_kept(
    record: Any, model: Any, magnitude: float, norm: Norm
) -> None:
    """A bound's share of an enormous row may have one bit left, and rounding up would double it."""
    family, w = model
    grid = 10.0**magnitude * 2.0**-26
    bound = grid * 2.0**26
    part = [int(value) for value in gradient_sum(*record, w, bound, grid, norm, family)]
    assert (sum(map(abs, part)) if norm == "L1" else sum(v * v for v in part) ** 0.5) <= 2**26


@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_a_number_that_is_told_absurdly_wrong_is_clipped_as_any_other(norm: Norm) -> None:
    """A bound's share of a residual of 1e300 has one bit or two, and what is left of it would pass the bound."""
    for bound in np.linspace(7e-24, 3e-23, 50):
        part = gradient_sum(
            np.ones((1, 1)), np.zeros(1), np.array([1e300]), bound, bound * 2.0**-26, norm, Linear(-1.0, 1.0)
        )
        assert 0 < int(part[0]) <= 2**26


@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_a_part_that_is_clipped_stays_within_the_bound_on_the_finest_grid(norm: Norm) -> None:
    """There a margin on the wrong side shows: on a coarser one it is mostly cut off."""
    row, w = np.array([[50.0]]), np.zeros(1)
    for part in (gradient_sum(row, np.zeros(1), w, 1.0, FINEST, norm), row_sum(row, 1.0, FINEST, norm)):
        assert 0 < int(part[0]) <= 2**36


def test_a_row_that_no_honest_map_gives_counts_as_zeros() -> None:
    row, w, bound = np.array([[1e308, 1.0]]), np.array([0.0, 0.05]), 1.293e-16
    assert not gradient_sum(row, np.zeros(1), w, bound, bound * 2.0**-26, "L1").any()
    assert gradient_sum(row / 1e300, np.zeros(1), w, bound, bound * 2.0**-26, "L1").any()


@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 31, 129, 2001], ids="{} values".format)
def test_a_table_gives_exactly_the_sum_of_what_its_records_give_alone(width: int) -> None:
    """Were it only nearly so, as with a product of matrices, one record could move the last bits of all others'."""
    draw = np.random.default_rng(width)
    rows = max(70, min(3 * 65536 // width + 5, 4000))
    z, w = draw.normal(size=(rows, width)), draw.normal(size=width)
    y = (draw.random(rows) < 0.5).astype(float)
    alone = sum(gradient_sum(z[i : i + 1].copy(), y[i : i + 1], w, 1.0, FINEST) for i in range(rows))
    np.testing.assert_array_equal(gradient_sum(z, y, w, 1.0, FINEST), alone)
    np.testing.assert_array_equal(gradient_sum(z[::-1], y[::-1], w, 1.0, FINEST), alone)


@pytest.mark.parametrize("family", FAMILIES[1:], ids=lambda family: type(family).__name__)
@pytest.mark.parametrize("width", [2, 9, 31])
def test_so_does_a_table_of_any_labels(family: Family, width: int) -> None:
    draw = np.random.default_rng(width)
    z, w, y = draw.normal(size=(300, width)), draw.normal(size=family.size(width)), draw.integers(0, 4, 300) * 1.0
    alone = sum(gradient_sum(z[i : i + 1].copy(), y[i : i + 1], w, 1.0, FINEST, "L2", family) for i in range(300))
    np.testing.assert_array_equal(gradient_sum(z, y, w, 1.0, FINEST, "L2", family), alone)
    np.testing.assert_array_equal(gradient_sum(z[::-1], y[::-1], w, 1.0, FINEST, "L2", family), alone)


@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_classes_that_are_hardly_doubted_are_clipped_as_one_gradient(norm: Norm) -> None:
    """Squares of residuals of 1e-162 vanish one by one, and would leave a norm that is far too short."""
    family, z = Softmax(40), np.array([[0.5, 1.0]])
    w = np.tile([0.0, -372.6], (40, 1))
    w[0] = 0.0
    residual = family.residual(z @ w.T, np.zeros(1))[0]
    assert 0 < residual[1] < 1e-161
    bound = 1e-180
    part = [int(v) for v in gradient_sum(z, np.zeros(1), w.ravel(), bound, bound * 2.0**-26, norm, family)]
    assert 0 < (sum(map(abs, part)) if norm == "L1" else sum(v * v for v in part) ** 0.5) <= 2**26


def test_the_way_from_a_clinical_row_to_its_part_knows_no_other_row() -> None:
    draw = np.random.default_rng(3)
    columns = [Feature(name=f"c{i}", min=0, max=1, scale="sqrt" if i % 2 else "linear") for i in range(30)]
    feature_map = FeatureMap.from_codebook(Features(label="ill", codebook=columns))
    x, y, w = draw.random((500, 30)), (draw.random(500) < 0.5).astype(float), draw.normal(size=31)
    centre = Centre(centre=tuple(draw.normal(size=30).tolist()))

    def part(rows: slice) -> Any:
        return gradient_sum(centre.rows(private_rows(feature_map, x[rows])), y[rows], w, 1.0, FINEST)

    np.testing.assert_array_equal(part(slice(None)), sum(part(slice(i, i + 1)) for i in range(500)))


def test_the_sum_is_that_of_the_formula() -> None:
    draw = np.random.default_rng(5)
    z, w, y = draw.normal(size=(200, 5)), draw.normal(size=5), (draw.random(200) < 0.5).astype(float)
    gradients = (sigmoid(z @ w) - y)[:, None] * z
    clipped = gradients * np.minimum(1.0, 0.5 / np.linalg.norm(gradients, axis=1))[:, None]
    ours = gradient_sum(z, y, w, 0.5, GRID) * GRID
    np.testing.assert_allclose(ours, clipped.sum(axis=0), atol=200 * (GRID + MARGIN))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_the_sum_is_that_of_the_formula_for_every_model(family: Family, norm: Norm) -> None:
    draw = np.random.default_rng(8)
    z, w, y = draw.normal(size=(200, 5)), draw.normal(size=family.size(5)), draw.integers(0, 2, 200) * 1.0
    residual = family.residual(family.predictor(z, w), family.target(y)).reshape(200, -1)
    gradients = np.einsum("nk,nd->nkd", residual, z).reshape(200, -1)
    lengths = np.linalg.norm(gradients, ord=1 if norm == "L1" else 2, axis=1)
    bound = float(np.median(lengths))  # half of the records are clipped
    expected = (gradients * np.minimum(1.0, bound / lengths)[:, None]).sum(axis=0)
    ours = gradient_sum(z, y, w, bound, GRID, norm, family) * GRID
    np.testing.assert_allclose(ours, expected, atol=200 * (GRID + bound * MARGIN))


def test_a_long_gradient_reaches_the_bound_and_a_short_one_is_left_alone() -> None:
    z, w = np.array([[30.0, 40.0]]), np.zeros(2)
    long = gradient_sum(z, np.ones(1), w, 1.0, GRID) * GRID
    short = gradient_sum(z / 100, np.ones(1), w, 1.0, GRID) * GRID
    np.testing.assert_allclose(long, [-0.6, -0.8], atol=2 * GRID)
    np.testing.assert_allclose(short, [-0.15, -0.2], atol=GRID)


@pytest.mark.parametrize(
    ("row", "label"),
    [
        pytest.param([np.nan, 1.0], 1.0, id="a value that is NaN"),
        pytest.param([np.inf, 1.0], 1.0, id="an infinite value"),
        pytest.param([1e200, 1.0], 1.0, id="a norm beyond float64"),
        pytest.param([1.0, 1.0], np.nan, id="a label that is NaN"),
        pytest.param([1.0, 1.0], 2.0, id="a label of 2"),
        pytest.param([2.7e-162, 0.0], 1e162, id="a label that would undo the clipping"),
    ],
)
def test_a_record_that_cannot_be_used_counts_as_zeros_and_spoils_nothing(row: list[float], label: float) -> None:
    z, y, w = np.array([[0.5, 1.0], row]), np.array([1.0, label]), np.array([0.1, 0.2])
    np.testing.assert_array_equal(gradient_sum(z, y, w, 1.0, GRID), gradient_sum(z[:1], y[:1], w, 1.0, GRID))


@pytest.mark.parametrize("label", [-1.0, 0.5, 3.0, np.nan, np.inf])
def test_a_label_that_is_no_class_counts_as_zeros(label: float) -> None:
    z, y, w = np.array([[0.5, 1.0], [1.0, 1.0]]), np.array([2.0, label]), np.ones(6)
    with_it = gradient_sum(z, y, w, 1.0, GRID, "L2", Softmax(3))
    np.testing.assert_array_equal(with_it, gradient_sum(z[:1], y[:1], w, 1.0, GRID, "L2", Softmax(3)))


def test_a_number_out_of_bounds_counts_as_the_bound() -> None:
    z, w, family = np.array([[0.25, 1.0]]), np.zeros(2), Linear(0.0, 10.0)
    beyond, at = (gradient_sum(z, np.array([y]), w, 1.0, GRID, "L2", family) for y in (1e300, 10.0))
    np.testing.assert_array_equal(beyond, at)
    assert beyond.any()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
def test_no_rows_sum_to_zeros(family: Family) -> None:
    zeros = gradient_sum(np.empty((0, 3)), np.empty(0), np.zeros(family.size(3)), 1.0, GRID, "L2", family)
    assert zeros.tolist() == [0] * family.size(3)


def test_the_rows_given_stay_as_they_are() -> None:
    z, y = np.array([[3.0, np.nan]]), np.array([1.0])
    gradient_sum(z, y, np.ones(2), 1.0, GRID)
    np.testing.assert_array_equal(z, [[3.0, np.nan]])


@pytest.mark.parametrize("bound", [0.0, -1.0, float("nan"), 2.0**37 * GRID])
def test_a_bound_that_sums_cannot_keep_exactly_is_refused(bound: float) -> None:
    with pytest.raises(InvalidPrivacy, match="raise the noise, or give a clip norm above 0"):
        gradient_sum(np.ones((1, 2)), np.ones(1), np.zeros(2), bound, GRID)
