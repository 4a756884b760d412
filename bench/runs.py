"""What is measured of one run of a federation, whoever ran it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FederationRun:
    """One run, from the start of its first process to its final model."""

    rounds: tuple[float, ...]
    """Seconds of each training round."""
    total: float
    """Seconds in all, processes started and the final model made."""
    memory: int
    """Bytes: the largest sum of PSS over all processes."""
    coordinator_peak: int
    """Bytes: the largest resident memory of the process that averages; 0 where it was not asked for."""
    parameters: tuple[float, ...]
    """The first values of the final model."""


def largest_difference(one: FederationRun, other: FederationRun) -> float:
    """Return how far apart the final models of two runs are: the largest difference of a parameter."""
    return max(abs(a - b) for a, b in zip(one.parameters, other.parameters, strict=True))
