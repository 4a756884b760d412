"""The exact privacy curve of the Gaussian mechanism, against two oracles: high precision, and dp-accounting."""

from math import erfc, exp, inf, log, sqrt

import mpmath
import pytest
from dp_accounting.pld.privacy_loss_mechanism import GaussianPrivacyLoss
from hypothesis import given
from hypothesis import strategies as st

from consilia.errors import InvalidPrivacy
from consilia.privacy.gaussian import HIGHEST_EPSILON, epsilon_of, log_delta, mu_of


def exact_log_delta(epsilon: float, mu: float) -> float:
    """Theorem 8 of Balle & Wang 2018 as it is printed, with digits enough for what cancels."""
    with mpmath.workdps(80 + int(epsilon)):
        e, m = mpmath.mpf(epsilon), mpmath.mpf(mu)
        return float(mpmath.log(mpmath.ncdf(m / 2 - e / m) - mpmath.exp(e) * mpmath.ncdf(-m / 2 - e / m)))


@pytest.mark.parametrize(
    ("epsilon", "inverse"),
    [
        pytest.param(1, 3.7306, id="epsilon 1"),
        pytest.param(2, 1.9938, id="epsilon 2"),
        pytest.param(4, 1.0812, id="epsilon 4"),
        pytest.param(8, 0.6002, id="epsilon 8"),
    ],
)
def test_the_noise_of_a_promise_is_the_published_one(epsilon: float, inverse: float) -> None:
    assert 1 / mu_of(epsilon, 1e-5) == pytest.approx(inverse, abs=5e-5)


@pytest.mark.parametrize(
    ("epsilon", "mu"),
    [
        pytest.param(1.0, 0.268, id="ordinary"),
        pytest.param(0.001, 0.0002, id="small"),
        pytest.param(0.0, 0.5, id="epsilon 0"),
        pytest.param(1.0, 8.0, id="hardly any noise"),
        pytest.param(100.0, 11.0, id="large epsilon"),
        pytest.param(30.0, 2.0, id="a delta of 1e-45"),
        pytest.param(60.0, 1.5, id="beyond the error function's range"),
    ],
)
def test_delta_is_right_in_every_digit(epsilon: float, mu: float) -> None:
    assert log_delta(epsilon, mu) == pytest.approx(exact_log_delta(epsilon, mu), rel=1e-10, abs=1e-13)


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 1, 2, 4, 8, 20])
@pytest.mark.parametrize("mu", [0.1, 0.5, 1.0, 3.0])
def test_delta_is_that_of_dp_accounting(epsilon: float, mu: float) -> None:
    oracle = GaussianPrivacyLoss(standard_deviation=1 / mu).get_delta_for_epsilon(epsilon)
    assert exp(log_delta(epsilon, mu)) == pytest.approx(oracle, rel=1e-9, abs=1e-16)


@given(st.floats(0.01, 50), st.floats(1e-15, 0.1))
def test_mu_is_the_largest_that_keeps_the_promise(epsilon: float, delta: float) -> None:
    mu = mu_of(epsilon, delta)
    assert log_delta(epsilon, mu) <= log(delta) < log_delta(epsilon, mu * (1 + 1e-9))


@given(st.floats(0.01, 50), st.floats(1e-15, 0.1))
def test_there_and_back_is_the_same_epsilon_and_never_a_higher_one(epsilon: float, delta: float) -> None:
    back = epsilon_of(mu_of(epsilon, delta), delta)
    assert epsilon * (1 - 1e-9) <= back <= epsilon


@given(st.floats(-3, 2.1).map(lambda power: 10**power), st.sampled_from([1e-300, 1e-100, 1e-12, 1e-5, 0.01, 0.4]))
def test_epsilon_is_the_least_that_is_kept_rounded_up(mu: float, delta: float) -> None:
    epsilon = epsilon_of(mu, delta)
    if epsilon == inf:
        assert log_delta(HIGHEST_EPSILON, mu) > log(delta)
        return
    # Below a mu of 1e-3 the curve's own rounding is wider than what is asked here.
    assert log_delta(epsilon * (1 + 1e-11), mu) <= log(delta)
    assert epsilon == 0 or log_delta(epsilon * (1 - 1e-11), mu) > log(delta)


def test_delta_alone_may_cover_a_mu() -> None:
    mu = 1e-6
    assert epsilon_of(mu, 0.5 - erfc(mu / sqrt(8)) / 2 + 1e-6) == 0.0


def test_without_noise_to_speak_of_epsilon_is_infinite() -> None:
    assert epsilon_of(200.0, 1e-5) == inf


def test_nothing_sent_costs_nothing() -> None:
    assert epsilon_of(0.0, 1e-5) == 0.0


@pytest.mark.parametrize(
    ("epsilon", "delta", "said"),
    [
        pytest.param(0.0, 1e-5, "epsilon is 0; it must be above 0", id="epsilon 0"),
        pytest.param(-1.0, 1e-5, "epsilon is -1", id="epsilon below 0"),
        pytest.param(float("nan"), 1e-5, "epsilon is nan", id="epsilon NaN"),
        pytest.param(2 * HIGHEST_EPSILON, 1e-5, "epsilon is 20000", id="epsilon beyond all sense"),
        pytest.param(1.0, 0.0, "delta is 0", id="delta 0"),
        pytest.param(1.0, 1.0, "delta is 1", id="delta 1"),
        pytest.param(1.0, float("nan"), "delta is nan", id="delta NaN"),
    ],
)
def test_a_promise_that_is_none_is_refused(epsilon: float, delta: float, said: str) -> None:
    with pytest.raises(InvalidPrivacy, match=said):
        mu_of(epsilon, delta)


@pytest.mark.parametrize("mu", [-1.0, float("nan"), inf])
def test_a_mu_that_is_none_is_refused(mu: float) -> None:
    with pytest.raises(InvalidPrivacy, match="mu is"):
        log_delta(1.0, mu)
