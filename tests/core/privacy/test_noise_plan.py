"""The plan of a run's noise: the formulas, what it leaves over (nothing), and what it refuses."""

from dataclasses import replace
from math import sqrt

import pytest
from dp_accounting.pld import privacy_loss_distribution as pld
from hypothesis import given
from hypothesis import strategies as st

from consilia.errors import InvalidPrivacy
from consilia.features import RADIUS
from consilia.privacy.accounting import Loss
from consilia.privacy.gaussian import mu_of
from consilia.privacy.noise_plan import CENTRE_SHARE, LOSS_WEIGHT, Ask, NoisePlan

ASK = Ask(epsilon=1.0, delta=1e-5, clip=1.0, rounds=20, hospitals=5, nominal_rows=455)
PLAN = NoisePlan.of(ASK)
PLAIN = NoisePlan.of(replace(ASK, epsilon=0.5))
"""So little that there is no centre."""
CENTRED = NoisePlan.of(replace(ASK, epsilon=4.0, rounds=80))
LAPLACE = NoisePlan.of(replace(ASK, mechanism="Laplace", epsilon=4.0))

asks = st.builds(
    Ask,
    epsilon=st.floats(0.01, 50),
    delta=st.floats(1e-12, 1e-4),
    clip=st.floats(1e-3, 100),
    rounds=st.integers(1, 1000),
    hospitals=st.integers(1, 500),
    nominal_rows=st.integers(1, 1000),
    mechanism=st.sampled_from(["Gaussian", "Laplace"]),
    reserve=st.integers(0, 5),
    noised_holdout=st.booleans(),
)


def test_sigma_is_the_closed_form() -> None:
    assert PLAIN.centre is None
    assert PLAIN.train.noise.scale == pytest.approx(sqrt(22) / mu_of(0.5, 1e-5), rel=1e-9)
    assert PLAN.train.noise.scale == pytest.approx(3.7306 * sqrt(22) / sqrt(0.9), rel=1e-4)


def test_a_centre_takes_its_share_and_training_has_the_rest() -> None:
    mu = mu_of(4.0, 1e-5)
    assert CENTRED.centre is not None
    assert CENTRED.centre.noise.scale == pytest.approx(RADIUS / (mu * sqrt(CENTRE_SHARE)), rel=1e-9)
    assert CENTRED.train.noise.scale == pytest.approx(sqrt(82) / (mu * sqrt(1 - CENTRE_SHARE)), rel=1e-9)


def test_an_evaluation_has_all_of_mu_for_its_patients_are_in_nothing_else() -> None:
    assert CENTRED.evaluate is not None
    sensitivity = sqrt(1 + LOSS_WEIGHT**2)
    assert CENTRED.evaluate.noise.scale == pytest.approx(sensitivity / mu_of(4.0, 1e-5), rel=1e-9)


def test_laplace_noise_divides_epsilon_evenly() -> None:
    assert LAPLACE.train.norm == "L1"
    assert LAPLACE.train.noise.scale == pytest.approx(22 * 1.0 / 4.0, rel=1e-9)
    assert LAPLACE.evaluate is not None
    assert LAPLACE.evaluate.noise.scale == pytest.approx((1 + LOSS_WEIGHT) / 4.0, rel=1e-9)


@given(asks)
def test_a_whole_run_keeps_its_promise(ask: Ask) -> None:
    plan = NoisePlan.of(ask)
    for loss in (plan.training_loss, plan.holdout_loss):
        assert loss.within(ask.epsilon, ask.delta)
        assert loss.epsilon(ask.delta) <= ask.epsilon


@given(asks)
def test_with_gaussian_noise_nothing_is_left_over(ask: Ask) -> None:
    plan = NoisePlan.of(replace(ask, mechanism="Gaussian"))
    assert plan.training_loss.epsilon(ask.delta) >= ask.epsilon * (1 - 1e-9)
    one_more = plan.training_loss + Loss.of(plan.train.event)
    assert not one_more.within(ask.epsilon, ask.delta)


@pytest.mark.parametrize("rounds", [10, 20, 80], ids="{} rounds".format)
@pytest.mark.parametrize("epsilon", [1.0, 2.0, 4.0, 8.0], ids="epsilon {}".format)
def test_the_oracle_confirms_the_whole_run(epsilon: float, rounds: int) -> None:
    plan = NoisePlan.of(replace(ASK, epsilon=epsilon, rounds=rounds))
    total = pld.identity(value_discretization_interval=1e-3)
    for planned in (plan.train, plan.centre):
        if planned is not None:
            total = total.compose(
                pld.from_gaussian_mechanism(
                    planned.noise.scale, sensitivity=planned.sensitivity, value_discretization_interval=1e-3
                ).self_compose(planned.times)
            )
    assert total.get_epsilon_for_delta(1e-5) == pytest.approx(plan.epsilon, rel=2e-3)


def test_replacing_a_record_costs_what_a_doubled_mu_costs() -> None:
    assert PLAN.replacing == pytest.approx(2.1547, abs=1e-4)


def test_a_reserve_of_two_retries_costs_five_per_cent_of_noise() -> None:
    without = NoisePlan.of(replace(ASK, reserve=0))
    assert PLAN.train.noise.scale / without.train.noise.scale == pytest.approx(1.049, abs=5e-4)


def test_the_step_size_is_the_formula_and_never_above_ten() -> None:
    assert PLAIN.learning_rate == pytest.approx(455 * mu_of(0.5, 1e-5) / (2 * 20 * sqrt(5)), rel=1e-9)
    assert NoisePlan.of(replace(ASK, epsilon=8.0, rounds=1)).learning_rate == 10.0


def test_holdouts_scored_without_noise_are_not_in_the_plan() -> None:
    plan = NoisePlan.of(replace(ASK, epsilon=0.5, noised_holdout=False))
    assert plan.evaluate is None
    assert plan.holdout_loss == Loss()
    assert set(plan.planned) == {"train"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"epsilon": 0.0}, "epsilon is 0; it must be above 0", id="epsilon 0"),
        pytest.param({"epsilon": -1.0}, "epsilon is -1", id="epsilon below 0"),
        pytest.param({"epsilon": float("nan")}, "epsilon is nan", id="epsilon NaN"),
        pytest.param({"delta": 0.0}, "delta is 0", id="delta 0"),
        pytest.param({"delta": 1 / 455}, "not below 1 / nominalRows", id="delta of one record"),
        pytest.param({"clip": 0.0}, "clipNorm is 0; it must be above 0", id="clip 0"),
        pytest.param({"clip": float("nan")}, "clipNorm is nan", id="clip NaN"),
        pytest.param({"rounds": 0}, "rounds is 0; it must be at least 1", id="no rounds"),
        pytest.param({"reserve": -1}, "reserve is -1; it must be at least 0", id="a negative reserve"),
        pytest.param({"hospitals": 0}, "hospitals is 0", id="no hospital"),
        pytest.param({"nominal_rows": 0}, "nominalRows is 0", id="no rows"),
        pytest.param({"mechanism": "Uniform"}, 'mechanism "Uniform" is unknown', id="unknown mechanism"),
    ],
)
def test_numbers_that_promise_nothing_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidPrivacy, match=said):
        replace(ASK, **change)  # type: ignore[arg-type]
