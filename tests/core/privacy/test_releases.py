"""What a hospital sends: the right sums, always with their noise."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from consilia.errors import InvalidPrivacy
from consilia.metrics import losses
from consilia.model import Family, Linear, Poisson, Softmax
from consilia.privacy.cells import Evaluation
from consilia.privacy.keystream import Keystream, Words
from consilia.privacy.noise import Noise
from consilia.privacy.noise_plan import LARGEST_LOSS, LOSS_WEIGHT, Ask, NoisePlan
from consilia.privacy.releases import noised_gradient, noised_rows, noised_scores

PLAN = NoisePlan.of(Ask(epsilon=4.0, delta=1e-5, clip=1.0, rounds=20, hospitals=5, nominal_rows=455))
assert PLAN.centre is not None
assert PLAN.evaluate is not None
CENTRE, EVALUATE = PLAN.centre, PLAN.evaluate
LAPLACE = NoisePlan.of(replace(PLAN.ask, mechanism="Laplace")).evaluate
assert LAPLACE is not None

DRAW = np.random.default_rng(1)
Z, Y, W = DRAW.normal(size=(90, 31)), (DRAW.random(90) < 0.5).astype(float), DRAW.normal(size=31)
PROBABILITY = DRAW.random(90)


class Silence:
    """Words of which noise becomes 0: so that a test sees the sum."""

    def take(self, count: int) -> Words:
        return np.zeros(count, dtype=np.uint64)


def key(number: int) -> Keystream:
    return Keystream(number.to_bytes(32, "big"))


def test_the_noise_of_a_gradient_is_that_of_the_plan() -> None:
    quiet = noised_gradient(Z, Y, W, PLAN.train, Silence())
    noise = [noised_gradient(Z, Y, W, PLAN.train, key(i)) - quiet for i in range(100)]
    assert np.std(noise) == pytest.approx(PLAN.train.noise.scale, rel=0.05)
    assert abs(np.mean(noise)) < 4.5 * PLAN.train.noise.scale / np.sqrt(3100)


def test_the_noise_of_rows_and_of_scores_is_that_of_the_plan() -> None:
    quiet = noised_rows(Z, CENTRE, Silence())
    assert np.std([noised_rows(Z, CENTRE, key(i)) - quiet for i in range(100)]) == pytest.approx(
        CENTRE.noise.scale, rel=0.05
    )
    silent = noised_scores(Y, PROBABILITY, EVALUATE, Silence())
    scores = np.std([noised_scores(Y, PROBABILITY, EVALUATE, key(i)) - silent for i in range(1000)], axis=0)
    expected = np.array([1, 1, 1, 1, LARGEST_LOSS / LOSS_WEIGHT]) * EVALUATE.noise.scale
    np.testing.assert_allclose(scores, expected, rtol=0.1)


@pytest.mark.parametrize("scale", [2.0**29, 2.0**31, 2.0**32, 1.5 * 2.0**40], ids="{:g}".format)
def test_noise_so_large_that_its_grid_is_coarser_than_a_patient_hides_whole_patients(scale: float) -> None:
    evaluate = replace(EVALUATE, noise=Noise("Gaussian", scale))
    y, probability, units = np.ones(9), np.full(9, 0.9), np.array([1, 1, 1, 1, LOSS_WEIGHT / LARGEST_LOSS])
    sums = np.array([noised_scores(y[:n], probability[:n], evaluate, Silence()) * units for n in range(10)])
    changes = np.linalg.norm(np.diff(sums, axis=0), axis=1)
    assert (changes <= evaluate.sensitivity).all()
    assert (changes.max() > 0) == (evaluate.noise.grid <= 1)


def test_no_two_releases_have_the_same_noise() -> None:
    first, second = (noised_gradient(Z, Y, W, PLAN.train, Keystream.fresh()) for _ in range(2))
    assert not np.isclose(first, second).any()


def test_what_is_sent_is_whole_multiples_of_the_grid() -> None:
    multiples = noised_gradient(Z, Y, W, PLAN.train, key(1)) / PLAN.train.noise.grid
    np.testing.assert_array_equal(multiples, np.rint(multiples))


def test_rows_sum_to_their_centre_and_their_number() -> None:
    z = np.column_stack([np.full(40, 0.5), np.ones(40)])
    np.testing.assert_allclose(noised_rows(z, CENTRE, Silence()), [20.0, 40.0], atol=1e-4)


def test_scores_are_the_cells_and_the_clipped_loss() -> None:
    y = np.array([1.0, 0.0, 0.0, 1.0, 1.0])
    probability = np.array([0.5, 0.9, 0.1, 0.2, 1e-9])
    loss = -np.log([0.5, 0.1, 0.9, 0.2]).sum() + LARGEST_LOSS
    np.testing.assert_allclose(noised_scores(y, probability, EVALUATE, Silence()), [1, 1, 1, 2, loss], atol=1e-6)


patients = st.tuples(
    arrays(np.float64, 6, elements=st.one_of(st.sampled_from([0.0, 1.0]), st.floats(width=64))),
    arrays(np.float64, 6, elements=st.one_of(st.floats(0, 1), st.floats(width=64))),
)


@given(patients)
def test_any_patient_changes_the_scores_by_at_most_their_sensitivity(patients: tuple[np.ndarray, np.ndarray]) -> None:
    y, probability = patients
    units = np.array([1, 1, 1, 1, LOSS_WEIGHT / LARGEST_LOSS])
    all_but_one = noised_scores(y[1:], probability[1:], EVALUATE, Silence()) * units
    change = noised_scores(y, probability, EVALUATE, Silence()) * units - all_but_one
    assert np.linalg.norm(change) <= EVALUATE.sensitivity * (1 + 1e-12)
    assert np.abs(change).sum() <= LAPLACE.sensitivity * (1 + 1e-12)


OTHERS = [Softmax(5), Linear(-3.0, 12.0), Poisson(9.0)]


@pytest.mark.parametrize("family", OTHERS, ids=lambda family: type(family).__name__)
@given(seed=st.integers(0, 1 << 30), odd=st.floats(width=64), told=st.floats(width=64))
def test_so_does_a_patient_of_another_model(family: Family, seed: int, odd: float, told: float) -> None:
    draw = np.random.default_rng(seed)
    eta = draw.normal(size=(6, family.outputs) if family.outputs > 1 else 6)
    prediction, y = family.mean(eta), draw.integers(-1, 6, 6).astype(float)
    prediction[0], y[0] = told, odd
    units = np.append(np.ones(Evaluation.of(family).cells), LOSS_WEIGHT / Evaluation.of(family).largest_loss)
    all_but_one = noised_scores(y[1:], prediction[1:], EVALUATE, Silence(), family) * units
    change = noised_scores(y, prediction, EVALUATE, Silence(), family) * units - all_but_one
    assert np.linalg.norm(change) <= EVALUATE.sensitivity * (1 + 1e-12)
    assert np.abs(change).sum() <= LAPLACE.sensitivity * (1 + 1e-12)


def test_scores_of_classes_are_right_and_wrong_and_the_clipped_loss() -> None:
    y = np.array([0.0, 2.0, 1.0, 1.0, 7.0])
    share = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1], [1.0, 0.0, 0.0], [0.1, 0.1, 0.8]])
    most = Evaluation.of(Softmax(3)).largest_loss
    expected = [2, 2, -np.log([0.5, 0.8, 0.3]).sum() + most]
    np.testing.assert_allclose(noised_scores(y, share, EVALUATE, Silence(), Softmax(3)), expected, atol=1e-6)


@pytest.mark.parametrize("family", [Linear(0.0, 10.0), Poisson(10.0)], ids=["linear", "poisson"])
def test_scores_of_numbers_are_their_count_and_the_clipped_loss(family: Family) -> None:
    y, prediction = np.array([1.0, 4.0, 9.0, np.nan, 2.0]), np.array([1.5, 3.0, 9.0, 5.0, 1e6])
    each = losses(y[:3], prediction[:3], family)
    expected = [4, each.sum() + Evaluation.of(family).largest_loss]
    np.testing.assert_allclose(noised_scores(y, prediction, EVALUATE, Silence(), family), expected, atol=1e-6)


def test_nobody_held_out_is_scored_with_noise_as_well() -> None:
    assert (noised_scores(np.empty(0), np.empty(0), EVALUATE, key(1)) != 0).all()
    assert (noised_scores(np.empty(0), np.empty(0), EVALUATE, Silence()) == 0).all()


@pytest.mark.parametrize("wrong", [PLAN.centre, PLAN.evaluate], ids=["centre", "evaluate"])
def test_noise_of_another_kind_of_release_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidPrivacy, match="a release of kind train was given the noise of kind"):
        noised_gradient(Z, Y, W, wrong, key(1))  # type: ignore[arg-type]
