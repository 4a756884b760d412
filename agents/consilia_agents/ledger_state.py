"""What a hospital tells of its cohort's ledger: computed from its entries alone, with one that is about to be made."""

from collections import Counter
from dataclasses import replace

from consilia.privacy.accounting import Loss
from consilia.privacy.entries import Released
from consilia.privacy.ledger import Budget, Ledger, OpenRun, RunKey
from consilia.privacy.noise_plan import Kind
from consilia.status import LedgerState


def state_of(
    ledger: Ledger,
    budget: Budget,
    run: RunKey | None,
    division: str,
    *,
    exact: bool,
    then: Released | None = None,
) -> LedgerState:
    """The state of ``ledger``, or that which it will have with the entry ``then``.

    Totals are at the budget's delta, ``run``'s own at the delta that it was admitted with. ``remaining`` is for a
    cohort divided as in ``division``.
    """
    after = ledger if then is None else _with(ledger, then)
    witness = ledger.witness
    training, holdout, delta = _run_losses(ledger.runs.get(run) if run else None, then)
    return LedgerState(
        sequence=witness.sequence if then is None else then.sequence,
        head=witness.head if then is None else then.hash,
        spent=after.spent(budget.delta),
        remaining=after.remaining(budget, budget.delta, [division]),
        budget=budget.epsilon,
        delta=budget.delta,
        run_spent=max(loss.epsilon(delta) for loss in (training, holdout)) if delta else 0.0,
        run_replacing=max(loss.replacing(delta) for loss in (training, holdout)) if delta else 0.0,
        exact=exact,
        cohort=ledger.cohort or None,
        run=run[1] if run else None,
    )


def _with(ledger: Ledger, then: Released) -> Ledger:
    """The totals with one more release. Nothing is appended: the lists are shared with ``ledger``."""
    loss = Loss.of(then.planned.event)
    if then.kind == "evaluate":
        return replace(ledger, holdout=ledger.holdout + loss)
    return replace(ledger, training=ledger.training + loss)


def _run_losses(run: OpenRun | None, then: Released | None) -> tuple[Loss, Loss, float | None]:
    """What the run has cost a training patient, and a holdout patient; and the delta that it promises."""
    if run is None:
        return Loss(), Loss(), None
    made: Counter[Kind] = Counter(run.made)
    if then is not None:
        made[then.kind] += 1
    losses = {kind: Loss.of(planned.event, made[kind]) for kind, planned in run.opened.terms.planned.items()}
    holdout = losses.pop("evaluate", Loss())
    return Loss.sum(losses.values()), holdout, run.opened.terms.delta
