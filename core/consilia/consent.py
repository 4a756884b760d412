"""What a hospital lets a run do with its cohort, before anybody looks at what is spent.

Said by whoever starts a run, before anything starts, and by the hospital itself, before anything is sent. Whether the
run fits into what is left of the budget is the ledger's to say (:mod:`consilia.privacy.ledger`).
"""

from consilia.errors import BudgetExceeded, InvalidPrivacy
from consilia.spec import Cohort
from consilia.wording import NON_PRIVATE


def require_consent(cohort: Cohort, epsilon: float, cap: float = 0.0) -> None:
    """Refuse a run that asks for ``epsilon`` (0: NON-PRIVATE) and that the cohort's hospital has not agreed to.

    ``cap``: ``DP_EPSILON`` of the hospital, 0 where it gives none. Raises :class:`BudgetExceeded` where there is no
    budget or the run asks for more than one run may, and :class:`InvalidPrivacy` where it must be private.
    """
    budget, who = cohort.spec.budget, f"cohort {cohort.metadata.name} of hospital {cohort.spec.hospital}"
    if epsilon == 0:
        _require_non_private(cohort, who, cap)
        return
    asks = f"this run asks for epsilon {epsilon:g}"
    if budget is None:
        raise BudgetExceeded(
            f"{who} has no budget, and {asks}: have the hospital give its Cohort a spec.budget, or leave it out"
        )
    if budget.per_run is not None and epsilon > budget.per_run:
        raise BudgetExceeded(
            f"{who} lets one run ask for epsilon {budget.per_run:g} at most (budget.perRun), and {asks}: lower "
            f"spec.privacy.epsilon to {budget.per_run:g}"
        )
    if 0 < cap < epsilon:
        raise BudgetExceeded(
            f"{who} lets one run ask for epsilon {cap:g} at most (DP_EPSILON), and {asks}: lower spec.privacy.epsilon "
            f"to {cap:g}"
        )


def _require_non_private(cohort: Cohort, who: str, cap: float) -> None:
    if not cohort.spec.allow_non_private:
        raise InvalidPrivacy(
            f"{who} is in no {NON_PRIVATE} run, which privacy.epsilon 0 asks for: set it above 0, or have the hospital "
            "set allowNonPrivate: true"
        )
    if cap > 0:
        raise InvalidPrivacy(
            f"{who} is in no {NON_PRIVATE} run, which privacy.epsilon 0 asks for, as DP_EPSILON is {cap:g}: set "
            "spec.privacy.epsilon above 0, or unset DP_EPSILON"
        )
