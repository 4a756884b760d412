"""How long to wait before the next attempt at what has failed: longer each time, up to a bound. Pure."""

from collections.abc import Iterator


def delays(first: float, longest: float) -> Iterator[float]:
    """Seconds before each next attempt, without end: from ``first`` doubling to ``longest``, never above it."""
    delay = min(first, longest)
    while True:
        yield delay
        delay = min(2 * delay, longest)
