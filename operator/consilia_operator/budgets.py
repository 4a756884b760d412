"""What a cohort's own spec and status say of a run's privacy, before any process asks its ledger. Pure.

What the spec alone forbids is forbidden for good, and no agent is started for it. What the status tells of the ledger
was true when it was last seen: that is told early, and the agent is started all the same, for the ledger itself
decides, and it alone would notice that a budget was raised.
"""

from dataclasses import dataclass

from consilia.bounds import within_bounds
from consilia.consent import require_consent, told
from consilia.epsilons import small
from consilia.errors import BudgetExceeded, InvalidPrivacy
from consilia.protocol import PrivacyTerms
from consilia.spec import Budget, Cohort
from consilia.status import CountedBudget
from consilia_operator.naming import Manifest
from consilia_operator.reasons import Reason

ROUNDED = 1.01
"""What remains is told in three digits, rounded down: an epsilon of up to so many times as much may still fit."""


@dataclass(frozen=True)
class Objection:
    """Why a run may not have a cohort; ``said`` goes on right after the cohort's name."""

    reason: Reason
    said: str


def objection(cohort: Cohort, terms: PrivacyTerms | None) -> Objection | None:
    """Why the cohort's spec rules out a run on these terms (None: NON-PRIVATE), whatever is spent so far."""
    try:
        require_consent(cohort, terms)
    except BudgetExceeded as error:
        return Objection(Reason.BUDGET_EXCEEDED, _after_the_name(cohort, error))
    except InvalidPrivacy as error:
        return Objection(Reason.PRIVACY_REQUIRED, _after_the_name(cohort, error))
    budget = cohort.spec.budget
    if terms is None or budget is None or _fits(cohort, terms, budget.epsilon, budget.delta):
        return None
    return _exceeded(terms, budget, budget.epsilon)


def shortage(cohort: Cohort, status: Manifest, terms: PrivacyTerms | None) -> Objection | None:
    """Why a run on these terms will be refused, as far as the Cohort's ``status`` knows what remains of its budget.

    Of Laplace noise it does not: what remains is the epsilon of a run with Gaussian noise.
    """
    budget, remaining = cohort.spec.budget, status.get("epsilonRemaining")
    if terms is None or budget is None or remaining is None or terms.mechanism != "Gaussian":
        return None
    if status.get("budget") != counted(budget) or _fits(cohort, terms, remaining * ROUNDED, budget.delta):
        return None
    return _exceeded(terms, budget, remaining)


def counted(budget: Budget) -> Manifest:
    """The budget, as a status names what spent and remaining were counted for."""
    return within_bounds(CountedBudget(epsilon=budget.epsilon, delta=budget.delta))


def _after_the_name(cohort: Cohort, error: Exception) -> str:
    return str(error).removeprefix(told(cohort))


def _fits(cohort: Cohort, terms: PrivacyTerms, epsilon: float, delta: float) -> bool:
    """Whether a whole run costs no patient more than ``epsilon`` at ``delta``; never, where it cannot be planned."""
    try:
        plan = terms.noise(noised_holdout=cohort.spec.holdout.metrics == "noised")
    except InvalidPrivacy:
        return False
    return all(loss.within(epsilon, delta) for loss in (plan.training_loss, plan.holdout_loss))


def _exceeded(terms: PrivacyTerms, budget: Budget, remaining: float) -> Objection:
    alike = terms.delta == budget.delta
    asked, left = ("", "") if alike else (f" at delta {small(terms.delta)}", f" at delta {small(budget.delta)}")
    asks = f": this run asks for epsilon {terms.epsilon:g}{asked}, {remaining:g} of {budget.epsilon:g}{left} remains"
    lower = f", or lower spec.privacy.epsilon to {remaining:g}" if alike and remaining > 0 else ""
    return Objection(Reason.BUDGET_EXCEEDED, f"{asks}; ask the hospital{lower}")
