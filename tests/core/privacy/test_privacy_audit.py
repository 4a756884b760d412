"""An audit: what an attacker learns of one patient from a whole run, measured, against what the run promises.

The attacker knows every other patient and the canary, sees everything that is sent, and guesses whether the canary was
there. Their error rates bound mu from below, and so epsilon (Nasr et al. 2023, section 4: a Gaussian mechanism is
tight, so an audit by mu needs few trials). The product stays below its promise; each variant that breaks one part of
it is caught, by the audit or by the test of its noise.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest

from consilia.privacy.clipping import gradient_sum
from consilia.privacy.gaussian import epsilon_of, mu_of
from consilia.privacy.keystream import Keystream
from consilia.privacy.noise import Noise
from consilia.privacy.noise_plan import Ask, NoisePlan, Planned
from consilia.privacy.releases import noised_gradient
from consilia.vectors import FloatArray

ASK = Ask(epsilon=4.0, delta=1e-5, clip=1.0, rounds=4, hospitals=1, nominal_rows=100, reserve=0)
PLAN = NoisePlan.of(ASK)
SURE = 3.3
"""Standard errors: an interval that is wrong once in a thousand times, on either side."""

OTHERS = np.random.default_rng(4).normal(size=(20, 3))
OTHERS_Y = (OTHERS[:, 0] > 0).astype(float)
CANARY = np.array([[0.0, 0.0, 4.0]])
W = np.zeros(3)
Release = Callable[[FloatArray, FloatArray, Keystream], FloatArray]


def audited_mu(release: Release, rounds: int, trials: int) -> float:
    """A lower bound of the mu of ``rounds`` releases, for the table with and without the canary."""
    tables = [(OTHERS, OTHERS_Y), (np.vstack([OTHERS, CANARY]), np.append(OTHERS_Y, 1.0))]
    # The canary's gradient is along the last value, and negative: that is where the attacker looks.
    seen = np.array(
        [
            [
                -sum(
                    release(*table, Keystream((2 * trial + which).to_bytes(16, "big") + bytes([r]) * 16))[-1]
                    for r in range(rounds)
                )
                for trial in range(trials)
            ]
            for which, table in enumerate(tables)
        ]
    )
    threshold = seen.mean()
    wrong = ((seen[0] > threshold).mean(), (seen[1] <= threshold).mean())
    return -sum(_upper_quantile(rate, trials) for rate in wrong)


def _upper_quantile(rate: float, trials: int) -> float:
    """Phi^-1 of an error rate's upper confidence bound (Wilson 1927)."""
    share = SURE**2 / trials
    upper = (rate + share / 2 + SURE * sqrt(rate * (1 - rate) / trials + share / (4 * trials))) / (1 + share)
    return NormalDist().inv_cdf(upper)


def production(train: Planned = PLAN.train) -> Release:
    return lambda z, y, words: noised_gradient(z, y, W, train, words)


def unclipped(z: FloatArray, y: FloatArray, words: Keystream) -> FloatArray:
    """The bound of sums is a hundred times that for which the noise was made."""
    noise = PLAN.train.noise
    return (gradient_sum(z, y, W, 100.0, noise.grid) + noise.draw(3, words)) * noise.grid


def noised_mean(z: FloatArray, y: FloatArray, words: Keystream) -> FloatArray:
    """The sum is noised as if it were divided by the rows."""
    noise = Noise("Gaussian", PLAN.train.noise.scale / len(y))
    return (gradient_sum(z, y, W, 1.0, noise.grid) + noise.draw(3, words)) * noise.grid


def scaled(by: float) -> Planned:
    return replace(PLAN.train, noise=Noise("Gaussian", by * PLAN.train.noise.scale))


def test_what_is_sent_in_a_whole_run_stays_below_its_promise_and_is_not_far_below() -> None:
    mu = audited_mu(production(), PLAN.train.times, 1200)
    assert epsilon_of(mu, 1e-5) <= 4.0
    assert mu > 0.5 * mu_of(4.0, 1e-5), "an audit that finds nothing would find no mistake either"


@dataclass(frozen=True)
class Variant:
    release: Release
    rounds: int = PLAN.train.times


VARIANTS = [
    pytest.param(Variant(production(scaled(1 / sqrt(PLAN.train.times)))), id="no composition"),
    pytest.param(Variant(unclipped), id="no clipping"),
    pytest.param(Variant(production(scaled(0.5))), id="half the noise"),
    pytest.param(Variant(noised_mean), id="noise on the mean"),
    pytest.param(Variant(production(), rounds=16), id="four times the rounds"),
    pytest.param(
        Variant(lambda z, y, words: noised_gradient(z, y, W, PLAN.train, Keystream(bytes(32)))),
        id="the same noise always",
    ),
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_that_breaks_the_promise_is_caught(variant: Variant) -> None:
    assert epsilon_of(min(audited_mu(variant.release, variant.rounds, 250), 30.0), 1e-5) > 4.0
