"""What a hospital lets a run do with its cohort, before anybody looks at what is spent.

Said by whoever starts a run, before anything starts, and by the hospital itself, before anything is sent. Whether the
run fits into what is left of the budget is the ledger's to say (:mod:`consilia.privacy.ledger`).
"""

from consilia.epsilons import small
from consilia.errors import BudgetExceeded, InvalidPrivacy
from consilia.protocol import PrivacyTerms
from consilia.spec import Budget, Cohort
from consilia.wording import NON_PRIVATE


def require_consent(cohort: Cohort, terms: PrivacyTerms | None, cap: float = 0.0) -> None:
    """Refuse a run on these terms (None: NON-PRIVATE) that the cohort's hospital has not agreed to.

    ``cap``: ``DP_EPSILON`` of the hospital, 0 where it gives none. Raises :class:`BudgetExceeded` where there is no
    budget or the run asks for more than one run may, and :class:`InvalidPrivacy` where it must be private.
    """
    if terms is None:
        _require_non_private(cohort, cap)
        return
    budget = cohort.spec.budget
    if budget is None:
        raise BudgetExceeded(
            f"{told(cohort)} has no budget, and so takes part in no private run: have the hospital give its Cohort a "
            "spec.budget (epsilon and delta, for the patients' whole life), or leave it out"
        )
    if budget.per_run is not None:
        _require_below(budget.per_run, "budget.perRun", cohort, terms, budget)
    if cap > 0:
        _require_below(cap, "DP_EPSILON", cohort, terms, budget)


def division_of(cohort: Cohort) -> str:
    """Who is held out, in words: two runs with the same ones have the same patients on either side.

    The side is a hash of the identity, keyed by the two names: so it is another where identities come from another
    column, or are written in another way, as by another kind of source. Nothing is said of builtin data, whose
    identities are their own.
    """
    spec = cohort.spec
    told = f"{spec.hospital}/{cohort.metadata.name} {spec.holdout.fraction!r}"
    if spec.source.builtin is not None:
        return told
    # A query gives the same identities to Spark.
    kind = "sql" if spec.source.kind == "jdbc" else spec.source.kind
    return f"{told} by {kind} {spec.mapping.patient}"


def _require_below(most: float, name: str, cohort: Cohort, terms: PrivacyTerms, budget: Budget) -> None:
    """Compared at the budget's delta, whatever delta the run asks with."""
    plan = terms.noise(noised_holdout=cohort.spec.holdout.metrics == "noised")
    if all(loss.within(most, budget.delta) for loss in (plan.training_loss, plan.holdout_loss)):
        return
    to = f"to {most:g}" if terms.delta == budget.delta else "further"
    raise BudgetExceeded(
        f"{told(cohort)} lets one run ask for epsilon {most:g} at most, at delta {small(budget.delta)} ({name}), and "
        f"run {terms.run} of federation {terms.name} asks for epsilon {terms.epsilon:g} at delta {small(terms.delta)}: "
        f"lower privacy.epsilon {to}"
    )


def _require_non_private(cohort: Cohort, cap: float) -> None:
    who = f"{told(cohort)} takes part in no {NON_PRIVATE} run, which privacy.epsilon 0 asks for"
    if not cohort.spec.allow_non_private:
        raise InvalidPrivacy(f"{who}: set it above 0, or have the hospital set allowNonPrivate: true")
    if cap > 0:
        raise InvalidPrivacy(f"{who}, as its DP_EPSILON is {cap:g}: set it above 0, or have DP_EPSILON unset")


def told(cohort: Cohort) -> str:
    """The cohort, as each of these sentences begins with it."""
    return f"cohort {cohort.metadata.name} of hospital {cohort.spec.hospital}"
