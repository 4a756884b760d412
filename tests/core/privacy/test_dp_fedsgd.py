"""The coordinator's step, the mean of the last half, and the centre that folds into the weights."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from consilia.errors import InvalidData
from consilia.experiment import Feature, Features
from consilia.features import FeatureMap
from consilia.model import Softmax
from consilia.privacy.dp_fedsgd import CENTRED_SCALE, Centre, average_of_last_half, private_rows, step
from consilia.privacy.noise_plan import Ask, NoisePlan

PLAN = NoisePlan.of(Ask(epsilon=1.0, delta=1e-5, clip=1.0, rounds=20, hospitals=5, nominal_rows=455))
FEATURES = Features(label="ill", codebook=[Feature(name="age", min=0, max=100), Feature(name="area", min=1, max=9)])
MAP = FeatureMap.from_codebook(FEATURES)


def test_a_step_divides_by_the_nominal_rows_and_spares_the_intercept_the_penalty() -> None:
    w, total = np.array([1.0, -2.0, 3.0]), np.array([455.0, 0.0, 455.0])
    eta = PLAN.learning_rate
    np.testing.assert_allclose(step(w, total, PLAN, 0.1), [1 - eta * 1.1, -2 + eta * 0.2, 3 - eta])
    np.testing.assert_array_equal(w, [1.0, -2.0, 3.0])
    np.testing.assert_array_equal(total, [455.0, 0.0, 455.0])


def test_a_step_of_several_classes_spares_each_of_their_intercepts() -> None:
    w = np.array([1.0, -2.0, 3.0, 4.0, 5.0, -6.0])
    eta = PLAN.learning_rate
    expected = w - eta * 0.1 * np.array([1.0, -2.0, 0.0, 4.0, 5.0, 0.0])
    np.testing.assert_allclose(step(w, np.zeros(6), PLAN, 0.1, Softmax(2)), expected)


@pytest.mark.parametrize(
    ("rounds", "taken"),
    [
        pytest.param(1, [1], id="one round"),
        pytest.param(2, [2], id="two rounds"),
        pytest.param(5, [3, 4, 5], id="an odd number"),
        pytest.param(20, list(range(11, 21)), id="twenty"),
    ],
)
def test_the_model_is_the_mean_of_the_last_half_of_the_iterates(rounds: int, taken: list[int]) -> None:
    iterates = [np.array([float(number) ** 2, 1.0]) for number in range(1, rounds + 1)]
    np.testing.assert_allclose(average_of_last_half(iterates), [np.mean([n**2 for n in taken]), 1.0])


def test_before_its_first_round_a_run_has_no_model() -> None:
    with pytest.raises(ValueError, match="no round has been committed yet"):
        average_of_last_half([])


rows = arrays(np.float64, (5, 4), elements=st.floats(-4, 4))
vectors = arrays(np.float64, 4, elements=st.floats(-10, 10))


@given(rows, vectors, vectors)
def test_the_exported_weights_say_of_a_plain_row_what_training_says_of_the_centred_one(
    z: np.ndarray, w: np.ndarray, total: np.ndarray
) -> None:
    centre = Centre.of(total, 10)
    np.testing.assert_allclose(z @ centre.weights(w), centre.rows(z) @ w, atol=1e-9)


@given(rows, arrays(np.float64, 12, elements=st.floats(-10, 10)), vectors)
def test_so_do_the_weights_of_several_classes(z: np.ndarray, w: np.ndarray, total: np.ndarray) -> None:
    centre, family = Centre.of(total, 10), Softmax(3)
    plain = family.predictor(z, centre.weights(w))
    np.testing.assert_allclose(plain, family.predictor(centre.rows(z), w), atol=1e-9)


def test_a_centre_is_the_mean_row_taken_away_and_the_rest_made_longer() -> None:
    z = np.array([[1.0, 0.5, 1.0], [0.0, 0.5, 1.0]])
    centre = Centre.of(z.sum(axis=0), 2)
    assert centre.centre == (0.5, 0.5)
    np.testing.assert_allclose(centre.rows(z), [[CENTRED_SCALE / 2, 0, 1], [-CENTRED_SCALE / 2, 0, 1]])


@pytest.mark.parametrize("count", [-50.0, 0.0, 1.0], ids="{} rows".format)
def test_a_count_that_noise_made_absurd_is_taken_for_half_of_the_nominal_rows(count: float) -> None:
    assert Centre.of(np.array([10.0, count]), 40).centre == (0.5,)


def test_a_centre_lies_where_rows_do() -> None:
    assert Centre.of(np.array([1e9, -1e9, 10.0]), 10).centre == (2.0, -2.0)


@given(arrays(np.float64, 3, elements=st.floats(-2, 2)))
def test_a_centre_comes_back_from_json_bit_by_bit(values: np.ndarray) -> None:
    centre = Centre(centre=tuple(values.tolist()))
    assert Centre.model_validate_json(centre.model_dump_json()) == centre


def test_rows_are_mapped_as_at_prediction_and_unusable_ones_are_marked_and_not_refused() -> None:
    x = np.array([[50.0, 5.0], [np.nan, 5.0], [50.0, np.inf], [1e308, -1e308]])
    z = private_rows(MAP, x)
    np.testing.assert_array_equal(z[0], MAP.apply(x[:1])[0])
    assert np.isnan(z[1:3]).all()
    np.testing.assert_array_equal(z[3], MAP.apply(np.array([[100.0, 1.0]]))[0])


def test_a_table_of_another_width_is_refused() -> None:
    with pytest.raises(InvalidData, match="other columns than the 2 of the feature map"):
        private_rows(MAP, np.zeros((1, 3)))


def test_laplace_noise_takes_steps_of_its_own_standard_deviation() -> None:
    plan = NoisePlan.of(replace(PLAN.ask, mechanism="Laplace"))
    assert 0 < plan.learning_rate < PLAN.learning_rate
