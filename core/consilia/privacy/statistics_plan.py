"""The noise of a statistics run: one release a hospital, of all its sums at once.

One record adds 1 to the count and, for each of F features, values of at most 1 to two sums and 1 to one bin. Each kind
of sum has a public weight, by which the vector is one query of L2 sensitivity

    ``S = sqrt(w0^2 + F (w1^2 + w2^2 + w3^2))``

(L1: ``w0 + F (w1 + w2 + w3)``), noised once with all of the run's epsilon (Dwork & Roth 2014, definition 3.8 and
theorem A.1; sigma as in :mod:`consilia.privacy.noise_plan`). The noise of one kind of sum, in units of patients, is
that of the vector over its weight.

Nothing is held in reserve: an order of a private run that is given again gets the same bytes, for nothing. Only where
the hospital's machine lost them would a second release be needed, and to keep one in hand would cost every run 41 %
more noise; such a run is started anew.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Self

from consilia.privacy import gaussian
from consilia.privacy.clipping import Norm
from consilia.privacy.noise_plan import Ask, Plan, Planned, gaussian_releases, laplace_releases


@dataclass(frozen=True)
class Weights:
    """What a patient adds at most to each kind of sum, in the unit of the noise."""

    count: float
    first: float = 1.0
    second: float = 0.5
    bin: float = 1.0

    @classmethod
    def of(cls, features: int) -> Self:
        """For F >= 1 features. The count is in all F means and variances, so that its variance counts F times:
        weights whose squares grow as the roots of such counts make the sum of variances least (Lagrange)."""
        return cls(count=features**0.25)

    def sensitivity(self, features: int, norm: Norm) -> float:
        """By how much one record changes the weighted sums, in that norm."""
        if norm == "L1":
            return self.count + features * (self.first + self.second + self.bin)
        return sqrt(self.count**2 + features * (self.first**2 + self.second**2 + self.bin**2))


@dataclass(frozen=True)
class StatisticsPlan(Plan):
    """The one release of a statistics run: of training patients alone, so that holdouts stay unseen."""

    statistics: Planned

    @classmethod
    def of(cls, ask: Ask, features: int) -> Self:
        """The plan for F >= 1 features. Of ``ask``, epsilon, delta and mechanism matter."""
        weights = Weights.of(features)
        if ask.mechanism == "Laplace":
            size = weights.sensitivity(features, "L1")
            return cls(ask, laplace_releases("statistics", 1, size, ask.epsilon))
        size = weights.sensitivity(features, "L2")
        return cls(ask, gaussian_releases("statistics", 1, size, gaussian.mu_of(ask.epsilon, ask.delta)))

    @property
    def releases(self) -> tuple[Planned, ...]:
        """See :class:`Plan`."""
        return (self.statistics,)
