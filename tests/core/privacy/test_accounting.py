"""What releases cost together, against the PLD accountant of dp-accounting."""

from dataclasses import dataclass
from math import sqrt

import pytest
from dp_accounting.pld import privacy_loss_distribution as pld

from consilia.errors import InvalidPrivacy
from consilia.privacy.accounting import GaussianRelease, LaplaceRelease, Loss
from consilia.privacy.gaussian import mu_of

DELTA = 1e-5
STEP = 1e-3


def gaussian_pld(event: GaussianRelease, times: int, *, upper: bool = True) -> pld.PrivacyLossDistribution:
    return pld.from_gaussian_mechanism(
        event.sigma,
        sensitivity=event.sensitivity,
        value_discretization_interval=STEP,
        pessimistic_estimate=upper,
        use_connect_dots=upper,
    ).self_compose(times)


@pytest.mark.parametrize("rounds", [10, 20, 80], ids="{} rounds".format)
@pytest.mark.parametrize("epsilon", [1.0, 4.0], ids="epsilon {}".format)
def test_the_oracle_finds_the_promised_epsilon_over_all_releases(epsilon: float, rounds: int) -> None:
    event = GaussianRelease(1.0, sqrt(rounds) / mu_of(epsilon, DELTA))
    loss = Loss.of(event, rounds)
    assert loss.epsilon(DELTA) == pytest.approx(epsilon, rel=1e-9)
    assert gaussian_pld(event, rounds).get_epsilon_for_delta(DELTA) == pytest.approx(epsilon, rel=1e-3)


@pytest.mark.parametrize("rounds", [10, 80], ids="{} rounds".format)
def test_the_oracle_finds_the_epsilon_of_replacing_a_record(rounds: int) -> None:
    event = GaussianRelease(1.0, sqrt(rounds) / mu_of(1.0, DELTA))
    twice = GaussianRelease(2.0, event.sigma)
    oracle = gaussian_pld(twice, rounds).get_epsilon_for_delta(DELTA)
    assert Loss.of(event, rounds).replacing(DELTA) == pytest.approx(oracle, rel=1e-3)
    assert oracle == pytest.approx(2.15, abs=0.01)


def test_releases_of_different_noise_compose_as_the_oracle_composes_them() -> None:
    events = [GaussianRelease(4.0, 30.0), *[GaussianRelease(1.0, 12.0)] * 9]
    oracle = gaussian_pld(events[0], 1).compose(gaussian_pld(events[1], 9)).get_epsilon_for_delta(DELTA)
    assert Loss.sum(Loss.of(event) for event in events).epsilon(DELTA) == pytest.approx(oracle, rel=1e-3)


@pytest.mark.parametrize(
    ("laplace", "times", "gaussian"),
    [
        pytest.param(LaplaceRelease(1.0, 22.0), 22, None, id="one run"),
        pytest.param(LaplaceRelease(1.0, 200.0), 200, None, id="many small releases"),
        pytest.param(LaplaceRelease(1.0, 1.0), 1, None, id="a single one"),
        pytest.param(LaplaceRelease(1.0, 10.0), 5, GaussianRelease(1.0, 4.0), id="with a Gaussian release"),
        pytest.param(LaplaceRelease(1.0, 100.0), 100, GaussianRelease(1.0, 4.0), id="many with a Gaussian release"),
    ],
)
def test_the_bound_with_laplace_releases_is_above_the_oracle(
    laplace: LaplaceRelease, times: int, gaussian: GaussianRelease | None
) -> None:
    composed = pld.from_laplace_mechanism(
        laplace.scale, sensitivity=laplace.l1_sensitivity, value_discretization_interval=STEP
    ).self_compose(times)
    loss = Loss.of(laplace, times)
    if gaussian is not None:
        composed = composed.compose(gaussian_pld(gaussian, 1))
        loss += Loss.of(gaussian)
    oracle = composed.get_epsilon_for_delta(DELTA)
    # The oracle's own discretisation rounds up, by less than a step for each release that is composed.
    basic = loss.pure + Loss(gaussian=loss.gaussian).epsilon(DELTA)
    assert oracle * 0.999 - STEP <= loss.epsilon(DELTA) <= basic
    assert loss.within(loss.epsilon(DELTA) * (1 + 1e-9), DELTA)
    assert not loss.within(loss.epsilon(DELTA) * (1 - 1e-6), DELTA)


def test_many_small_laplace_releases_cost_less_than_their_sum() -> None:
    assert Loss.of(LaplaceRelease(1.0, 200.0), 200).epsilon(DELTA) < 0.4


def test_a_few_laplace_releases_cost_their_sum() -> None:
    assert Loss.of(LaplaceRelease(1.0, 10.0), 5).epsilon(DELTA) == pytest.approx(0.5)


@pytest.mark.parametrize("event", [GaussianRelease(1.0, 3.0), LaplaceRelease(1.0, 3.0)])
def test_one_after_the_other_costs_what_both_at_once_cost(event: GaussianRelease | LaplaceRelease) -> None:
    assert Loss.of(event) + Loss.of(event) == Loss.sum([Loss.of(event)] * 2) == Loss.of(event, 2)
    assert Loss() + Loss.of(event) == Loss.of(event) + Loss() == Loss.of(event)


def test_a_loss_is_within_its_own_epsilon_and_no_lower_one() -> None:
    loss = Loss.of(GaussianRelease(1.0, 10.0), 20)
    epsilon = loss.epsilon(DELTA)
    assert loss.within(epsilon, DELTA)
    assert not loss.within(epsilon * (1 - 1e-9), DELTA)


def test_nothing_released_costs_nothing() -> None:
    assert Loss().epsilon(DELTA) == 0.0
    assert Loss().within(0.0, DELTA)


def test_an_event_that_is_not_known_is_refused() -> None:
    @dataclass(frozen=True)
    class Poisson:
        sensitivity: float = 1.0

    with pytest.raises(InvalidPrivacy, match="loss of Poisson is not known"):
        Loss.of(Poisson())  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("event", [GaussianRelease, LaplaceRelease])
def test_a_release_without_sensitivity_or_noise_is_none(event: type, value: float) -> None:
    with pytest.raises(InvalidPrivacy, match="must be above 0 and finite"):
        event(1.0, value)
    with pytest.raises(InvalidPrivacy, match="must be above 0 and finite"):
        event(value, 1.0)
