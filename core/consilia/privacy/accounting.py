"""What releases cost: frozen events of what was sent, composed into a loss, and the epsilon of a loss.

Gaussian releases compose exactly. Where Laplace releases are among them, the epsilon is an upper bound: the lower of
two that both hold.

* Basic composition: the Laplace releases' own epsilons are added to the Gaussian part's (Dwork & Roth 2014, theorem
  3.16), whose delta stays.
* An (epsilon, 0)-DP release is mu-GDP with ``mu = 2 Phi^-1(exp(epsilon) / (1 + exp(epsilon)))``: the trade-off curve of
  randomised response is two chords, and the convex curve of that mu meets them at their ends, so it lies below (Dong,
  Roth & Su 2022, definition 3 and proposition 3). Then all compose as Gaussians: better for many small releases.

All totals are of one patient's record being added or removed; :meth:`Loss.replacing` has the figures for one record
being replaced by another. Refuses every event that it does not know.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from statistics import NormalDist
from typing import Self

from consilia.errors import InvalidPrivacy
from consilia.privacy import gaussian

MOST_SURE = 700.0
"""From this epsilon on, a Laplace release counts by basic composition alone: its odds are beyond float64."""


@dataclass(frozen=True)
class GaussianRelease:
    """A vector was sent with independent Gaussian noise of standard deviation ``sigma`` on each value; its L2 norm
    changes by at most ``sensitivity`` when a record is added or removed. Both above 0, in the vector's unit."""

    sensitivity: float
    sigma: float

    def __post_init__(self) -> None:
        _require_scales("sensitivity", self.sensitivity, "sigma", self.sigma)

    @property
    def mu(self) -> float:
        """The release is mu-GDP."""
        return self.sensitivity / self.sigma


@dataclass(frozen=True)
class LaplaceRelease:
    """A vector was sent with independent Laplace noise of scale ``scale`` on each value; its L1 norm changes by at most
    ``l1_sensitivity`` when a record is added or removed. Both above 0, in the vector's unit."""

    l1_sensitivity: float
    scale: float

    def __post_init__(self) -> None:
        _require_scales("l1_sensitivity", self.l1_sensitivity, "scale", self.scale)

    @property
    def epsilon(self) -> float:
        """The release is (epsilon, 0)-DP (Dwork, McSherry, Nissim & Smith 2006)."""
        return self.l1_sensitivity / self.scale


Event = GaussianRelease | LaplaceRelease


@dataclass(frozen=True)
class Loss:
    """What events cost together, in the three sums that their epsilon needs; nothing yet by default."""

    gaussian: float = 0.0
    """Sum of the Gaussian releases' squared mu."""
    pure: float = 0.0
    """Sum of the Laplace releases' epsilons."""
    pure_as_gaussian: float = 0.0
    """Sum of the Laplace releases' squared mu."""

    @classmethod
    def of(cls, event: Event, times: int = 1) -> Self:
        """The loss of an event that happens ``times`` times; raises :class:`InvalidPrivacy` for an unknown one."""
        if times < 0:
            raise InvalidPrivacy(f"a release cannot happen {times} times")
        if isinstance(event, GaussianRelease):
            return cls(gaussian=times * event.mu**2)
        if isinstance(event, LaplaceRelease):
            return cls(pure=times * event.epsilon, pure_as_gaussian=times * _mu_of_pure(event.epsilon) ** 2)
        raise InvalidPrivacy(f"the loss of {type(event).__name__} is not known: it cannot be counted, so it is refused")

    @classmethod
    def sum(cls, losses: Iterable["Loss"]) -> "Loss":
        """The loss of all of them, composed."""
        total = cls()
        for loss in losses:
            total += loss
        return total

    def __add__(self, other: "Loss") -> "Loss":
        return Loss(
            self.gaussian + other.gaussian,
            self.pure + other.pure,
            self.pure_as_gaussian + other.pure_as_gaussian,
        )

    @property
    def mu(self) -> float:
        """The mu of everything as Gaussians; exact where there is no Laplace release."""
        return sqrt(self.gaussian + self.pure_as_gaussian)

    def epsilon(self, delta: float) -> float:
        """The epsilon at ``delta`` (between 0 and 1, excluded): exact, or an upper bound with Laplace releases."""
        if self.pure == 0:
            return gaussian.epsilon_of(self.mu, delta)
        basic = self.pure + (gaussian.epsilon_of(sqrt(self.gaussian), delta) if self.gaussian else 0.0)
        return min(basic, gaussian.epsilon_of(self.mu, delta) if self.mu < inf else inf)

    def within(self, epsilon: float, delta: float) -> bool:
        """Whether this loss is (epsilon, delta)-DP. The sums' own rounding never decides: scales leave room
        for it (:data:`gaussian.LOOSE`)."""
        gaussian.require_epsilon(epsilon)
        gaussian.require_delta(delta)
        left = epsilon - self.pure
        if left >= 0 and gaussian.log_delta(left, sqrt(self.gaussian)) <= log(delta):
            return True
        return self.mu < inf and gaussian.log_delta(epsilon, self.mu) <= log(delta)

    def replacing(self, delta: float) -> float:
        """The epsilon at ``delta`` of one record replaced by another: every sensitivity doubles, and so every mu."""
        return Loss(4 * self.gaussian, 2 * self.pure, 4 * self.pure_as_gaussian).epsilon(delta)


def _mu_of_pure(epsilon: float) -> float:
    return -2 * NormalDist().inv_cdf(1 / (1 + exp(epsilon))) if epsilon < MOST_SURE else inf


def _require_scales(first: str, sensitivity: float, second: str, scale: float) -> None:
    for name, value in ((first, sensitivity), (second, scale)):
        if not 0 < value < inf:
            raise InvalidPrivacy(f"{name} is {value:g}; it must be above 0 and finite")
