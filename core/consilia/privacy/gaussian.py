"""The privacy curve of the Gaussian mechanism, exactly: delta of (epsilon, mu), and its two inverses.

A query of L2 sensitivity Delta, answered with Gaussian noise of standard deviation sigma, is mu-GDP for
``mu = Delta / sigma`` (Dong, Roth & Su 2022, theorem 1), and (epsilon, delta)-DP if and only if::

    delta >= Phi(mu/2 - epsilon/mu) - exp(epsilon) Phi(-mu/2 - epsilon/mu)

(Balle & Wang 2018, theorem 8; Dong, Roth & Su 2022, corollary 1). Adaptive releases compose exactly, as the root of
the sum of their squared mu (Dong, Roth & Su 2022, corollary 2).

The difference above loses all digits where delta is small. With t = epsilon/mu - mu/2, phi the normal density and M(t)
= Phi(-t) / phi(t) Mills' ratio, ``exp(epsilon) phi(t + mu) = phi(t)``, so that ``delta = phi(t) (M(t) - M(t + mu))``,
which is computed here, as a logarithm. Only the standard library is needed.
"""

from collections.abc import Callable
from functools import lru_cache
from math import erfc, exp, expm1, inf, isfinite, log, log1p, pi, sqrt

from consilia.errors import InvalidPrivacy

LOOSE = 1e-12
"""By this share, far above the rounding of what is below and far below any digit that matters, results are on the safe
side: the mu of a promise is lower, the epsilon of a mu is higher."""

HIGHEST_EPSILON = 10_000.0
"""Beyond it, as good as nothing is promised; numbers are refused rather than computed."""

FAR = 6.0
"""From here on, Mills' ratio is its continued fraction, whose first ``TERMS`` give every digit of float64."""
TERMS = 80

NARROW = 1e-13
"""Relative length of a step that is the last one."""
STEPS = 20
"""Newton's, of which five are usual."""


def log_delta(epsilon: float, mu: float) -> float:
    """Natural logarithm of the least delta for which mu-GDP is (epsilon, delta)-DP; -inf for mu 0.

    ``epsilon``: 0 to 10,000; ``mu``: at least 0. Raises :class:`InvalidPrivacy` outside of that.
    """
    require_epsilon(epsilon)
    require_mu(mu)
    if mu == 0:
        return -inf
    t = epsilon / mu - mu / 2
    if t < 0:
        # mu is large: nothing cancels here, and the ratios of the other branch would overflow.
        return _log_difference(log1p(-erfc(-t / sqrt(2)) / 2), epsilon + _log_tail(t + mu))
    gap = _mills(t) - _mills(t + mu)
    return -inf if gap <= 0 else log(gap) - t * t / 2 - log(2 * pi) / 2


@lru_cache(maxsize=64)
def mu_of(epsilon: float, delta: float) -> float:
    """The largest mu for which mu-GDP is (epsilon, delta)-DP, rounded down by at most 1e-11 of it.

    ``epsilon``: above 0, to 10,000; ``delta``: between 0 and 1, both excluded. Raises :class:`InvalidPrivacy`.
    """
    require_epsilon(epsilon, above_zero=True)
    require_delta(delta)
    low, high = 0.0, 1.0
    while log_delta(epsilon, high) <= log(delta):
        low, high = high, 2 * high
    return largest(low, high, lambda mu: log_delta(epsilon, mu) <= log(delta)) * (1 - 2 * LOOSE)


@lru_cache(maxsize=256)
def epsilon_of(mu: float, delta: float) -> float:
    """The least epsilon for which mu-GDP is (epsilon, delta)-DP, rounded up by at most 1e-11 of it; 0 where delta
    alone covers it, infinity where it is above 10,000.

    Never above the epsilon that the same delta's :func:`mu_of` was asked for. Raises :class:`InvalidPrivacy`.
    """
    require_mu(mu)
    require_delta(delta)
    if log_delta(0.0, mu) <= log(delta):
        return 0.0
    sought = log(delta)
    # Bun & Steinke 2016, proposition 1.3, for rho = mu^2 / 2: an upper bound.
    high = mu * mu / 2 + mu * sqrt(-2 * sought)
    if high > HIGHEST_EPSILON:
        high = HIGHEST_EPSILON
        if log_delta(high, mu) > sought:
            return inf
    found = _descended(high, mu, sought)
    if found is not None and log_delta(found * (1 + LOOSE), mu) <= sought:
        return found * (1 + LOOSE)
    return largest(0.0, high, lambda epsilon: log_delta(epsilon, mu) > sought) * (1 + LOOSE)


def require_epsilon(epsilon: float, *, above_zero: bool = False) -> None:
    """Refuse an epsilon outside of 0 to 10,000, or 0 itself where it must be above; NaN as well."""
    if not 0 <= epsilon <= HIGHEST_EPSILON or (above_zero and epsilon == 0):
        least = "above 0" if above_zero else "at least 0"
        raise InvalidPrivacy(f"epsilon is {epsilon:g}; it must be {least} and at most {HIGHEST_EPSILON:g}")


def require_delta(delta: float) -> None:
    """Refuse a delta that is not between 0 and 1, both excluded."""
    if not 0 < delta < 1:
        raise InvalidPrivacy(f"delta is {delta:g}; it must be above 0 and below 1, usually 1e-5 or less")


def require_mu(mu: float) -> None:
    """Refuse a mu that is negative, infinite or NaN."""
    if not 0 <= mu < inf:
        raise InvalidPrivacy(f"mu is {mu:g}; it must be at least 0 and finite")


def _mills(t: float) -> float:
    """``Phi(-t) / phi(t)`` for t >= 0."""
    if t < FAR:
        return sqrt(pi / 2) * exp(t * t / 2) * erfc(t / sqrt(2))
    # Laplace's continued fraction (Abramowitz & Stegun 26.2.14), from its innermost term outwards.
    tail = t
    for k in range(TERMS, 0, -1):
        tail = t + k / tail
    return 1 / tail


def _log_tail(t: float) -> float:
    """``log Phi(-t)`` for any t."""
    if t < FAR:
        return log(erfc(t / sqrt(2)) / 2)
    return log(_mills(t)) - t * t / 2 - log(2 * pi) / 2


def _log_difference(first: float, second: float) -> float:
    """``log(exp(first) - exp(second))``; -inf where it is not positive."""
    return first + log(-expm1(second - first)) if second < first else -inf


def _descended(high: float, mu: float, sought: float) -> float | None:
    """Where :func:`log_delta` is ``sought``, from ``high``, where it is below; None where rounding is in the way.

    Newton's method. The logarithm of delta is concave in epsilon: with L the privacy loss, whose density is
    log-concave, delta is ``E[(1 - exp(epsilon - L))+]``, an integral of a log-concave function (Prekopa 1973). So each
    step from the right stays on the right, where the promise holds.
    """
    for _ in range(STEPS):
        at = log_delta(high, mu)
        if at > sought:
            return high
        if not isfinite(at):
            return None
        # The derivative of delta by epsilon is -exp(epsilon) Phi(-mu/2 - epsilon/mu).
        down = (sought - at) / exp(high + _log_tail(high / mu + mu / 2) - at)
        if down <= NARROW * high:
            return high
        high -= down
    return None


def largest(low: float, high: float, holds: Callable[[float], bool]) -> float:
    """The largest float in [low, high) for which ``holds``, which holds at ``low`` and at nothing above a threshold."""
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return low
        if holds(middle):
            low = middle
        else:
            high = middle
