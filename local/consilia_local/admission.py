"""Whether hospitals would let a run begin, and what it would leave of their budgets: told before anything starts.

The hospitals decide this again themselves, each with its own ledger at hand. What is said here spares everybody the
start of a run that cannot go on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from consilia.consent import division_of, require_consent
from consilia.errors import BudgetExceeded, ConsiliaError, DamagedLedger, InvalidPrivacy, Refusal
from consilia.privacy.accounting import Loss
from consilia.privacy.entries import Terms
from consilia.privacy.ledger import Budget, Ledger, RunKey
from consilia.privacy.noise_plan import Kind, Planned
from consilia.protocol import PrivacyTerms
from consilia.spec import Cohort, Federation
from consilia_local.folder import StateFolder
from consilia_local.held_federation import HeldFederation
from consilia_local.ledgers import budget_of, name_of, read_ledger


@dataclass(frozen=True)
class Admission:
    """One hospital's part in a private run; ``refusal`` is the sentence where it would not be admitted.

    ``spent`` at the budget's delta; ``remaining`` and ``after`` are the largest epsilon at the run's delta that another
    run may ask for, before this one and after it. All are None where they are not known.
    """

    hospital: str
    cohort: str
    exact: bool
    budget: Budget | None = None
    spent: float | None = None
    remaining: float | None = None
    after: float | None = None
    refusal: str | None = None


def require_consents(federation: Federation, cohorts: Mapping[str, Cohort], cap: float) -> None:
    """Refuse a file whose cohorts, as they are written there, do not take part in its run."""
    terms = terms_of(federation, "", 1)
    for name in federation.spec.hospital_names:
        require_consent(cohorts[name], terms, cap)


def require_admitted(held: HeldFederation, federation: Federation, cohorts: Mapping[str, Cohort], quorum: int) -> None:
    """Refuse a run for which fewer hospitals than its quorum have something left; a ledger that does not hold, too."""
    terms = PrivacyTerms.of(held.spec, held.uid, f"{held.namespace}/{held.name}", held.desired_run)
    if terms is None:
        return
    refusals: list[ConsiliaError] = []
    for name in federation.spec.hospital_names:
        try:
            _require_room(read_ledger(held.folder, cohorts[name]), cohorts[name], terms)
        except (BudgetExceeded, InvalidPrivacy, DamagedLedger) as refusal:
            refusals.append(refusal)
    if refusals and len(federation.spec.hospitals) - len(refusals) < quorum:
        raise Refusal(f"{refusals[0]}{_remedy(held.folder)}") from refusals[0]


def admissions(
    terms: PrivacyTerms, cohorts: Iterable[tuple[str, Cohort]], folder: StateFolder, cap: float
) -> list[Admission]:
    """What each hospital's cohort would say to a run on ``terms``, and what it would have left."""
    return [_admission(terms, name, cohort, folder, cap) for name, cohort in cohorts]


def terms_of(federation: Federation, uid: str, run: int) -> PrivacyTerms | None:
    """The terms of a run of this federation; None where it is NON-PRIVATE."""
    metadata = federation.metadata
    name = f"{metadata.namespace}/{metadata.name}"
    return PrivacyTerms.of(federation.spec, uid or name, name, run)


def _admission(terms: PrivacyTerms, name: str, cohort: Cohort, folder: StateFolder, cap: float) -> Admission:
    exact = cohort.spec.holdout.metrics == "exact"
    said = Admission(name, cohort.metadata.name, exact)
    try:
        ledger = read_ledger(folder, cohort)
    except DamagedLedger as error:
        return replace(said, budget=budget_of(cohort), refusal=str(error))
    budget, refusal = budget_of(cohort), None
    try:
        require_consent(cohort, terms, cap)
        _require_room(ledger, cohort, terms)
    except (BudgetExceeded, InvalidPrivacy) as error:
        refusal = str(error)
    if budget is None:
        return replace(said, refusal=refusal)
    divided = [_terms(cohort, terms).division]
    return replace(
        said,
        budget=budget,
        spent=ledger.spent(budget.delta),
        remaining=ledger.remaining(budget, terms.delta, divided),
        after=_after(ledger, cohort, terms).remaining(budget, terms.delta, divided) if refusal is None else None,
        refusal=refusal,
    )


def _require_room(ledger: Ledger, cohort: Cohort, terms: PrivacyTerms) -> None:
    """Refuse as the ledger would; a run that it admitted already goes on."""
    budget = budget_of(cohort)
    if budget is not None and _key(terms) not in ledger.runs:
        _begun(ledger, cohort).open_run(terms.uid, terms.name, terms.run, _terms(cohort, terms), budget, "now")


def _after(ledger: Ledger, cohort: Cohort, terms: PrivacyTerms) -> Ledger:
    """The ledger once the run has made every release of its plan, which is more than most runs make."""
    run = ledger.runs.get(_key(terms))
    asked = run.opened.terms if run else _terms(cohort, terms)
    made: Mapping[Kind, int] = run.made if run else {}
    due = {kind: Loss.of(planned.event, _left(planned, made.get(kind, 0))) for kind, planned in asked.planned.items()}
    return replace(
        ledger,
        training=ledger.training + Loss.sum(loss for kind, loss in due.items() if kind != "evaluate"),
        holdout=ledger.holdout + due.get("evaluate", Loss()),
        divisions=ledger.divisions | {asked.division},
    )


def _left(planned: Planned, made: int) -> int:
    return max(planned.times - made, 0)


def _begun(ledger: Ledger, cohort: Cohort) -> Ledger:
    """The ledger, or one that begins in memory where there is none: only what was created admits a run."""
    if ledger.hashes:
        return ledger
    begun = Ledger()
    begun.append(begun.create(name_of(cohort), "0" * 64, "now"))
    return begun


def _terms(cohort: Cohort, terms: PrivacyTerms) -> Terms:
    holdout = cohort.spec.holdout
    plan = terms.noise(noised_holdout=holdout.metrics == "noised")
    return Terms.of(plan, division_of(cohort))


def _key(terms: PrivacyTerms) -> RunKey:
    return terms.uid, terms.run


def _remedy(folder: StateFolder) -> str:
    """All data that can be named so far are public ones, whose ledger is a demonstration."""
    return f"; these data are public and come with Consilia, so that removing {folder.root} begins anew"
