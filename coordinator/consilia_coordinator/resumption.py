"""Taking up a run where the journal says that it was. Pure."""

from consilia.journal import RunHistory, opening_of, work_of
from consilia.rounds import Exchange, Run, State


def resumed_run(history: RunHistory) -> Run:
    """The state of a run as its facts tell it; the wish of its spec has yet to be applied.

    An exchange that was in flight still is: answers that came in are kept, and whoever joins gets the order again.
    """
    order = history.order
    exchange = None
    if order is not None:
        participants = frozenset(order.participants)
        received = frozenset(history.updates)
        exchange = Exchange(history.number, order.round, order.attempt, order.task, participants, received)
    return Run(
        state=State.COLLECTING if exchange else State.IDLE,
        number=history.number,
        committed=history.committed,
        target=history.spec.target,
        complete=history.completed_at is not None,
        attempts=history.attempts,
        opening=opening_of(history.first),
        work=work_of(history.first),
        exchange=exchange,
    )
