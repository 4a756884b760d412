"""What a federation's spec wishes, beside what its status tells: which run, and on what terms. Pure."""

from dataclasses import dataclass
from math import isclose
from typing import Self

from consilia.protocol import PrivacyTerms
from consilia.rounds import State
from consilia.spec import Cohort, Federation
from consilia.status import FederationStatus
from consilia_operator.budgets import Objection, objection
from consilia_operator.naming import Manifest


@dataclass(frozen=True)
class Wish:
    """What a federation asks of every hospital.

    ``terms`` are those of the run that is wished; None where it is NON-PRIVATE. ``deferred``: a run is under way that
    asks for another epsilon than the spec does by now, and it ends as it began.
    """

    federation: Federation
    terms: PrivacyTerms | None
    deferred: bool

    @classmethod
    def of(cls, federation: Federation, status: Manifest) -> Self:
        """``status`` is the federation's own."""
        described = federation.metadata
        name = f"{described.namespace}/{described.name}"
        run = wished_run(federation, status.get("run") or 0)
        terms = PrivacyTerms.of(federation.spec, described.uid or name, name, run)
        return cls(federation, terms, _goes_on_otherwise(federation, status))

    def objection_of(self, cohort: Cohort) -> Objection | None:
        """Why the cohort's spec rules the run out. One under way was agreed to, and its hospital goes by its terms."""
        return None if self.deferred else objection(cohort, self.terms)


def wished_run(federation: Federation, reached: int) -> int:
    """The run that a spec asks for, where ``reached`` is the current one (0: none yet): a run never goes back."""
    return max(1, reached, federation.spec.run or 0)


def more_is_wished(wished_run: int, wished_rounds: int, status: FederationStatus) -> bool:
    """Whether a spec asks for another run than ``status`` tells of, or for more rounds of it.

    A private run has no more rounds than its noise was calibrated for: more of them wait for another run.
    """
    return wished_run > status.run or (wished_rounds > status.rounds and not status.private)


def _goes_on_otherwise(federation: Federation, status: Manifest) -> bool:
    if status.get("state") in (None, State.IDLE.value):
        return False
    runs_with = (status.get("privacy") or {}).get("epsilon") or 0.0
    # A status has four digits.
    return not isclose(runs_with, federation.spec.privacy.epsilon, rel_tol=1e-3)
