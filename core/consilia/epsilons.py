"""Epsilons and deltas as people read them: never too little of what was spent, nor too much of what remains. Pure.

Those who only compute keep every digit: the ledger, MLflow's metrics and Prometheus.
"""

from collections.abc import Callable
from math import ceil, floor, isinf, log10

ROUNDING = 1e-6
"""Of the last digit that is told: the totals' own rounding, which is no loss of anybody."""


def asked(epsilon: float) -> str:
    """An epsilon that somebody wrote, with every digit of it: ``1.0``, ``0.25``."""
    return str(float(epsilon)).replace("e-0", "e-")


def spent(epsilon: float) -> str:
    """An epsilon that was spent, to two decimals: ``0.79``."""
    return f"{_in_hundredths(epsilon, ceil, -ROUNDING):.2f}"


def remaining(epsilon: float) -> str:
    """An epsilon that may still be asked for, to two decimals: ``3.20``."""
    return f"{_in_hundredths(epsilon, floor, ROUNDING):.2f}"


def small(delta: float) -> str:
    """A delta: ``1e-5``."""
    return f"{delta:g}".replace("e-0", "e-")


def rounded_up(epsilon: float, digits: int) -> float:
    """What was spent, to so many significant digits (1 to 15)."""
    return _rounded(epsilon, digits, ceil, -ROUNDING)


def rounded_down(epsilon: float, digits: int) -> float:
    """What remains, to so many significant digits (1 to 15)."""
    return _rounded(epsilon, digits, floor, ROUNDING)


def _in_hundredths(epsilon: float, whole: Callable[[float], int], slack: float) -> float:
    # At a tiny delta an epsilon may be beyond what is counted.
    return epsilon if isinf(epsilon) else whole(100 * epsilon + slack) / 100


def _rounded(epsilon: float, digits: int, whole: Callable[[float], int], slack: float) -> float:
    if epsilon <= 0 or epsilon == float(f"{epsilon:.{digits}g}"):
        return max(epsilon, 0.0)
    place = floor(log10(epsilon)) - digits + 1
    return float(f"{whole(epsilon / 10.0**place + slack)}e{place}")
