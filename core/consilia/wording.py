"""Parts of sentences that several processes say, each written once. Pure."""

from collections.abc import Sequence

NON_PRIVATE = "NON-PRIVATE"
"""What every view calls a federation whose hospitals add no noise."""


def counted(number: int, noun: str) -> str:
    """``1 round``, ``2 rounds``; for nouns that add an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def first_of(parts: Sequence[str], most: int) -> list[str]:
    """The first ``most`` of ``parts``, and how many more there are."""
    more = len(parts) - most
    return [*parts[:most], f"and {more} more"] if more > 0 else list(parts)


def privacy_of(epsilon: float) -> str:
    """How private a run is, where its epsilon is known: ``NON-PRIVATE``, or ``epsilon 1``."""
    return f"epsilon {epsilon:g}" if epsilon > 0 else NON_PRIVATE


def privacy_word(private: bool) -> str:
    """How private a run is, where only that is known: ``NON-PRIVATE``, or ``private``."""
    return "private" if private else NON_PRIVATE
