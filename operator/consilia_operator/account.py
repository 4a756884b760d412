"""What a Cohort's status says of its ledger: what is spent, what remains, and the entry that was seen last. Pure.

The status is a witness: should the ledger be lost or rolled back, it is what a hospital is held to. So it goes forward
only, and stays when nobody uses the cohort. A hospital whose ledger is behind it is not believed.
"""

from dataclasses import dataclass, replace

from pydantic import ValidationError

from consilia.bounds import within_bounds
from consilia.privacy.ledger import rounded_down
from consilia.spec import Cohort
from consilia.status import CohortStatus, CountedBudget, LedgerState, LedgerWitness
from consilia_operator.budgets import counted
from consilia_operator.grants import spec_of
from consilia_operator.naming import Manifest


@dataclass(frozen=True)
class Account:
    """Epsilon spent and remaining, where they are known for the cohort's present budget, and the ledger's witness."""

    spent: float | None = None
    remaining: float | None = None
    budget: CountedBudget | None = None
    witness: LedgerWitness | None = None


def account_of(cohort: Manifest, told: LedgerState | None) -> Account:
    """The account after a coordinator ``told`` of the ledger (None: it tells nothing); ``cohort`` with its status."""
    known = _known(cohort)
    believed = told is not None and _is_of(told, cohort) and not _is_behind(told, known.witness)
    return _of_this_budget(_as_told(told) if told is not None and believed else known, cohort)


def ledger_in(hospital: Manifest) -> LedgerState | None:
    """The ledger of a hospital in a Federation's status. What another version wrote, with other fields, is not read."""
    try:
        return LedgerState.model_validate(hospital["ledger"]) if hospital.get("ledger") else None
    except ValidationError:
        return None


def witness_of(cohort: Manifest) -> LedgerWitness | None:
    """What a Cohort's status has seen of its ledger."""
    return _known(cohort).witness


def _known(cohort: Manifest) -> Account:
    """What the status says already."""
    held = cohort.get("status") or {}
    names = ("epsilonSpent", "epsilonRemaining", "budget", "ledger")
    status = CohortStatus.model_validate({name: held[name] for name in names if name in held})
    return Account(status.epsilon_spent, status.epsilon_remaining, status.budget, status.ledger)


def _is_of(told: LedgerState, cohort: Manifest) -> bool:
    """Whether it is this cohort's ledger: its hospital may have brought another one to the federation before."""
    return told.cohort in (None, f"{cohort['spec']['hospital']}/{cohort['metadata']['name']}")


def _is_behind(told: LedgerState, witness: LedgerWitness | None) -> bool:
    if witness is None:
        return False
    return told.sequence < witness.sequence or (told.sequence == witness.sequence and told.head != witness.head)


def _as_told(told: LedgerState) -> Account:
    return Account(
        spent=told.spent,
        remaining=rounded_down(told.remaining),
        budget=CountedBudget(epsilon=told.budget, delta=told.delta),
        witness=LedgerWitness(sequence=told.sequence, head=told.head),
    )


def _of_this_budget(account: Account, cohort: Manifest) -> Account:
    """Of what remains of a budget that was changed since nobody knows; nor of what is spent, at another delta."""
    try:
        budget = Cohort.model_validate(spec_of(cohort)).spec.budget
    except ValidationError:
        return account
    if account.budget is None:
        return account
    then, now = within_bounds(account.budget), counted(budget) if budget is not None else None
    if then == now:
        return account
    at_another_delta = now is not None and then["delta"] != now["delta"]
    return replace(account, remaining=None, spent=None if at_another_delta else account.spent)
