"""Epsilons and deltas as people read them: never too little of what was spent, nor too much of what remains. Pure."""

from math import ceil, floor

ROUNDING = 1e-6
"""Hundredths of an epsilon that are the totals' own rounding."""


def asked(epsilon: float) -> str:
    """An epsilon that somebody wrote, with every digit of it: ``1.0``, ``0.25``."""
    return f"{epsilon:.1f}" if epsilon == round(epsilon) else f"{epsilon:g}"


def spent(epsilon: float) -> str:
    """An epsilon that was spent, to two decimals: ``0.79``."""
    return f"{ceil(100 * epsilon - ROUNDING) / 100:.2f}"


def remaining(epsilon: float) -> str:
    """An epsilon that may still be asked for, to two decimals: ``3.20``."""
    return f"{floor(100 * epsilon + ROUNDING) / 100:.2f}"


def small(delta: float) -> str:
    """A delta: ``1e-5``."""
    return f"{delta:g}".replace("e-0", "e-")
