"""What a private run promises, has cost and leaves, as the status tells it. Pure.

Refuses to tell of this run what an earlier one cost: what a hospital said of its ledger before its first answer in the
run counts for its life alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from consilia.journal import History, RunHistory
from consilia.status import Condition, LedgerState, PrivacyStatus
from consilia.wording import NON_PRIVATE, first_of
from consilia_coordinator.roster import Member, Roster

MOST_NAMED = 10
"""Hospitals that one sentence names."""
CONDITION = "PrivacyBudgetAvailable"
OF_A_LEDGER = ("BudgetExceeded", "LedgerDamaged", "CohortBusy")
"""Problems of a hospital that are about what its patients have left; of several the first is the reason."""

Ledgers = Mapping[str, LedgerState]
"""By hospital."""


def ledgers_of(roster: Roster, history: History, run: RunHistory) -> Ledgers:
    """What every hospital last told of its ledger: those of the spec, and all that have answered in the run."""
    names = {*run.spec.hospital_names, *run.ledgers}
    told = ((name, ledger_of(roster.member(name), history, run)) for name in names)
    return {name: ledger for name, ledger in told if ledger is not None}


def privacy_status(run: RunHistory, told: Ledgers) -> PrivacyStatus | None:
    """What the run promises and has cost so far, at the hospital where it cost most; None where it is NON-PRIVATE."""
    privacy = run.first.privacy
    if not privacy.private:
        return None
    ledgers = told.values()
    return PrivacyStatus(
        epsilon=privacy.epsilon,
        delta=privacy.delta,
        epsilon_spent=max((ledger.run_spent for ledger in ledgers), default=0.0),
        epsilon_replace_one=max((ledger.run_replacing for ledger in ledgers), default=0.0),
        # Statistics are of training patients, and nobody is scored.
        holdout=None if run.first.task == "Statistics" else _holdout({ledger.exact for ledger in ledgers}),
    )


def ledger_of(member: Member, history: History, run: RunHistory) -> LedgerState | None:
    """The hospital's ledger as it last told of it: in an answer, in one that came too late, or when it joined."""
    answered = history.ledgers.get(member.name)
    brought = next((each.cohort.name for each in run.spec.hospitals if each.name == member.name), None)
    known = [ledger for ledger in (answered, member.ledger) if ledger is not None and _is_of(ledger, brought)]
    if not known:
        return None
    # Of two that end with the same entry, that of the process which is there: its budget may be another by now.
    newest = max(known, key=lambda ledger: (ledger.sequence, ledger is member.ledger))
    if newest.run == run.number or (newest.run is None and member.name in run.ledgers):
        return newest
    return newest.model_copy(update={"run_spent": 0.0, "run_replacing": 0.0})


def _is_of(ledger: LedgerState, brought: str | None) -> bool:
    """Whether it is the ledger of the cohort that its hospital brings now, as far as it says whose it is."""
    return brought is None or ledger.cohort is None or ledger.cohort.rpartition("/")[2] == brought


def budget_condition(members: Sequence[Member], *, private: bool) -> Condition:
    """Whether what patients have left is enough for the run, at every hospital that has looked."""
    if not private:
        message = f"{NON_PRIVATE}: nothing is promised to patients, and nothing is drawn from a budget"
        return Condition(type=CONDITION, status="Unknown", reason="NotPrivate", message=message)
    refused = [member for member in members if member.problem in OF_A_LEDGER]
    if refused:
        problems = {member.problem for member in refused}
        reason = next(problem for problem in OF_A_LEDGER if problem in problems)
        sentences = first_of([f"{member.name}: {member.refusal}" for member in refused], MOST_NAMED)
        return Condition(type=CONDITION, status="False", reason=reason, message="; ".join(sentences))
    if not any(member.known for member in members):
        message = "no hospital has looked at its ledger yet"
        return Condition(type=CONDITION, status="Unknown", reason="NotTried", message=message)
    return Condition(type=CONDITION, status="True", reason="BudgetAvailable", message="")


def _holdout(exact: Iterable[bool]) -> Literal["noised", "exact", "mixed"] | None:
    match sorted(exact):
        case [False, True]:
            return "mixed"
        case [only]:
            return "exact" if only else "noised"
        case _:
            return None
