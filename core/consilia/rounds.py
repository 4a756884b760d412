"""The rounds of a federation as a finite-state machine: ``step(run, event) -> (run, actions)``, pure.

::

    Idle -> Registration -> RoundSync -> Collecting -> Aggregating -> RoundSync ... -> Finished -> Idle

A run is a sequence of exchanges: an opening in round 0 where it has one (``moments`` for federated scaling, ``centre``
with noise), ``train`` for every round, and one ``evaluate`` of the final model; or of the one exchange ``statistics``.
Each goes through RoundSync (the order is written down), Collecting and Aggregating. The table at the end decides every
pair of state and event; :class:`IllegalEvent` names those that a correct caller never makes. Stale events (another
exchange's, a stranger's) are legal and change nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from consilia.errors import IllegalEvent
from consilia.protocol import Task


class State(StrEnum):
    """Where a federation stands."""

    IDLE = "Idle"
    REGISTRATION = "Registration"
    ROUND_SYNC = "RoundSync"
    COLLECTING = "Collecting"
    AGGREGATING = "Aggregating"
    FINISHED = "Finished"


Names = frozenset[str]
NOBODY: Names = frozenset()


@dataclass(frozen=True)
class Exchange:
    """One request of a run to all participants, and their answers; ``attempt`` counts a round's retries from 1."""

    run: int
    round: int
    attempt: int
    task: Task
    participants: Names
    received: Names = NOBODY
    excused: Names = NOBODY
    """Participants who are lost, or declined: their answer is not awaited, but taken if it comes."""

    @property
    def awaited(self) -> Names:
        """Whose answer is still awaited."""
        return self.participants - self.received - self.excused

    def same(self, other: "Exchange | None") -> bool:
        """Whether ``other`` is this exchange, whatever came in since."""
        return other is not None and self.identity == other.identity

    @property
    def identity(self) -> tuple[int, int, int, Task]:
        """What tells it from every other exchange of the federation."""
        return self.run, self.round, self.attempt, self.task


@dataclass(frozen=True)
class Run:
    """The state of one run.

    ``committed`` is the last committed round (-1: not even the ``opening``, if any); ``attempts`` how often the next
    exchange was ordered already.
    """

    state: State = State.IDLE
    number: int = 0
    target: int = 0
    quorum: int = 1
    hospitals: Names = NOBODY
    suspended: bool = True
    committed: int = 0
    complete: bool = False
    joined: Names = NOBODY
    attempts: int = 0
    opening: Task | None = None
    work: Task = "train"
    exchange: Exchange | None = None

    @property
    def reachable(self) -> Names:
        """Hospitals of the federation that have joined."""
        return self.joined & self.hospitals


# Events: what happened.


@dataclass(frozen=True)
class Desired:
    """The wish of the spec. A ``run`` above the current one starts afresh; a lower one is ignored."""

    run: int
    target: int
    quorum: int
    hospitals: Names
    suspended: bool
    opening: Task | None = None
    work: Task = "train"


@dataclass(frozen=True)
class Joined:
    """A hospital is there and ready."""

    hospital: str


@dataclass(frozen=True)
class Lost:
    """A hospital is gone, or will not answer; it is not awaited until it joins again."""

    hospital: str


@dataclass(frozen=True)
class Ordered:
    """The order is on disk: it may be sent."""


@dataclass(frozen=True)
class Received:
    """A hospital's valid answer to ``exchange``."""

    hospital: str
    exchange: Exchange


@dataclass(frozen=True)
class Declined:
    """A hospital cannot answer ``exchange``."""

    hospital: str
    exchange: Exchange


@dataclass(frozen=True)
class Deadline:
    """The time of ``exchange`` is over."""

    exchange: Exchange


@dataclass(frozen=True)
class Aggregated:
    """The new global model is computed."""


@dataclass(frozen=True)
class Saved:
    """The final model is on disk."""


Event = Desired | Joined | Lost | Ordered | Received | Declined | Deadline | Aggregated | Saved


# Actions: what the shell must do, in this order.


@dataclass(frozen=True)
class StartRun:
    """Write down that run ``number`` starts, from a fresh model."""

    number: int


@dataclass(frozen=True)
class WriteOrder:
    """Write down the exchange, then report :class:`Ordered`."""

    exchange: Exchange


@dataclass(frozen=True)
class SendOrder:
    """Send the order of the exchange to these hospitals."""

    exchange: Exchange
    to: Names


@dataclass(frozen=True)
class Combine:
    """Combine the answers of ``exchange.received`` and commit the result, then report :class:`Aggregated`."""

    exchange: Exchange


@dataclass(frozen=True)
class Retry:
    """The exchange failed: too few answers by the deadline. Tell so; these hospitals are no longer awaited."""

    exchange: Exchange
    missing: Names


@dataclass(frozen=True)
class Proceed:
    """The exchange goes on without these hospitals, which missed its deadline. Tell so."""

    exchange: Exchange
    missing: Names


@dataclass(frozen=True)
class QuorumReached:
    """Enough hospitals have joined. Tell so."""


@dataclass(frozen=True)
class Stopped:
    """The run is suspended, or ended below its target. Tell so."""


@dataclass(frozen=True)
class SaveModel:
    """Write down that the run is complete, then report :class:`Saved`."""


Action = StartRun | WriteOrder | SendOrder | Combine | Retry | Proceed | QuorumReached | Stopped | SaveModel
Step = tuple[Run, list[Action]]


def step(run: Run, event: Event) -> Step:
    """Apply one event. Raises :class:`IllegalEvent` for a pair that no correct caller makes."""
    handler = TABLE.get((run.state, type(event)))
    if handler is None:
        raise IllegalEvent(f"{type(event).__name__} is illegal in state {run.state}")
    return handler(run, event)


def expects(run: Run, event_type: type[Event]) -> bool:
    """Whether ``event_type`` is legal in the run's state."""
    return (run.state, event_type) in TABLE


def _desire(run: Run, event: Desired) -> Step:
    """A new run, or an edit of the current one."""
    if event.run < run.number:
        return run, []
    if event.run > run.number:
        fresh = Run(
            State.IDLE,
            number=event.run,
            joined=run.joined,
            committed=-1 if event.opening else 0,
            opening=event.opening,
            work=event.work,
        )
        started, actions = _edit(fresh, event)
        return started, [StartRun(event.run), *actions]
    return _edit(run, event)


def _edit(run: Run, event: Desired) -> Step:
    edited = replace(
        run, target=event.target, quorum=event.quorum, hospitals=event.hospitals, suspended=event.suspended
    )
    if run.state in (State.AGGREGATING, State.ROUND_SYNC, State.FINISHED):
        return edited, []
    if run.state is State.COLLECTING and edited.exchange is not None:
        removed = edited.exchange.participants - event.hospitals
        exchange = replace(edited.exchange, excused=edited.exchange.excused | removed)
        return _collect(replace(edited, exchange=exchange))
    if run.state is State.IDLE and run.complete and run.committed >= event.target:
        return edited, []
    return _next(edited)


def _next(run: Run) -> Step:
    """What follows when no exchange is in flight: stop, finish, wait for the quorum, or the next exchange."""
    if run.suspended:
        stopped: list[Action] = [] if run.state is State.IDLE else [Stopped()]
        return replace(run, state=State.IDLE, exchange=None), stopped
    if run.complete and run.committed >= run.target:
        return replace(run, state=State.IDLE, exchange=None), []
    if run.committed >= run.target and run.committed > 0:
        if run.work == "statistics":  # there is no model to evaluate
            return _finish(run)
        return _evaluate(replace(run, attempts=0))
    waiting = replace(run, state=State.REGISTRATION, exchange=None, complete=False)
    return _gather(waiting, waited=run.state in (State.IDLE, State.REGISTRATION))


def _gather(run: Run, *, waited: bool = True) -> Step:
    """In Registration: go on as soon as the quorum is there; told where it was ``waited`` for."""
    if len(run.reachable) < run.quorum:
        return run, []
    task: Task = run.opening if run.opening is not None and run.committed < 0 else run.work
    exchange = Exchange(run.number, run.committed + 1, run.attempts + 1, task, run.reachable)
    ordered = replace(run, state=State.ROUND_SYNC, exchange=exchange, attempts=exchange.attempt)
    told: list[Action] = [QuorumReached()] if waited else []
    return ordered, [*told, WriteOrder(exchange)]


def _evaluate(run: Run) -> Step:
    """The last exchange: how the final model does at every hospital that is there. It needs no quorum."""
    if not run.reachable:
        return _finish(run)
    exchange = Exchange(run.number, run.committed, run.attempts + 1, "evaluate", run.reachable)
    return replace(run, state=State.ROUND_SYNC, exchange=exchange, attempts=exchange.attempt), [WriteOrder(exchange)]


def _finish(run: Run) -> Step:
    return replace(run, state=State.FINISHED, exchange=None, complete=True, attempts=0), [SaveModel()]


def _join(run: Run, event: Joined) -> Step:
    return replace(run, joined=run.joined | {event.hospital}), []


def _join_registration(run: Run, event: Joined) -> Step:
    return _gather(_join(run, event)[0])


def _join_collecting(run: Run, event: Joined) -> Step:
    """A participant that came back gets the same order again; another waits for the next exchange."""
    joined = _join(run, event)[0]
    exchange = _exchange(joined)
    if event.hospital not in exchange.participants - exchange.received:
        return _collect(joined)
    exchange = replace(exchange, excused=exchange.excused - {event.hospital})
    return replace(joined, exchange=exchange), [SendOrder(exchange, frozenset({event.hospital}))]


def _lose(run: Run, event: Lost) -> Step:
    return replace(run, joined=run.joined - {event.hospital}), []


def _lose_collecting(run: Run, event: Lost) -> Step:
    lost = _lose(run, event)[0]
    exchange = _exchange(lost)
    if event.hospital in exchange.participants:
        exchange = replace(exchange, excused=exchange.excused | {event.hospital})
    return _collect(replace(lost, exchange=exchange))


def _send(run: Run, _: Ordered) -> Step:
    exchange = _exchange(run)
    gone = exchange.participants - run.joined
    sent = replace(run, state=State.COLLECTING, exchange=replace(exchange, excused=exchange.excused | gone))
    collected, actions = _collect(sent)
    return collected, [SendOrder(exchange, exchange.participants - gone), *actions]


def _receive(run: Run, event: Received) -> Step:
    exchange = _exchange(run)
    if not exchange.same(event.exchange) or event.hospital not in exchange.participants:
        return run, []
    received = replace(
        exchange, received=exchange.received | {event.hospital}, excused=exchange.excused - {event.hospital}
    )
    return _collect(replace(run, exchange=received))


def _decline(run: Run, event: Declined) -> Step:
    """Somebody who cannot answer this exchange cannot answer the next either: out until it joins again."""
    declined = _lose(run, Lost(event.hospital))[0]
    exchange = _exchange(declined)
    if not exchange.same(event.exchange) or event.hospital not in exchange.participants:
        return declined, []
    exchange = replace(exchange, excused=exchange.excused | {event.hospital})
    return _collect(replace(declined, exchange=exchange))


def _collect(run: Run) -> Step:
    """In Collecting: combine when nobody is awaited any more and the quorum has answered.

    A stop lets an exchange that can still succeed do so, and does not wait for one that cannot.
    """
    exchange = _exchange(run)
    if exchange.task == "evaluate":
        return (run, []) if exchange.awaited else _combine(run)
    if len(exchange.received | exchange.awaited) < run.quorum:
        return _stall(run, exchange)
    return (run, []) if exchange.awaited else _combine(run)


def _stall(run: Run, exchange: Exchange) -> Step:
    """The exchange cannot reach its quorum: its lost participants may come back until the deadline.

    Unless others are there instead, with whom a retry can succeed at once, or a stop makes waiting pointless.
    """
    if run.suspended:
        return _next(run)
    if len(run.reachable) < run.quorum:
        return run, []
    following, actions = _next(run)
    return following, [Retry(exchange, exchange.excused), *actions]


def _combine(run: Run) -> Step:
    exchange = _exchange(run)
    return replace(run, state=State.AGGREGATING), [Combine(exchange)]


def _expire(run: Run, event: Deadline) -> Step:
    """At the deadline: commit with the quorum, otherwise fail closed and try again without those who are missing."""
    exchange = _exchange(run)
    if not exchange.same(event.exchange):
        return run, []
    missing = exchange.participants - exchange.received
    late = replace(run, joined=run.joined - missing)
    if exchange.task == "evaluate" or len(exchange.received) >= run.quorum:
        combined, actions = _combine(late)
        return combined, [Proceed(exchange, missing), *actions]
    following, actions = _next(late)
    return following, [Retry(exchange, missing), *actions]


def _commit(run: Run, _: Aggregated) -> Step:
    exchange = _exchange(run)
    if exchange.task == "evaluate":
        return _finish(run)
    return _next(replace(run, committed=exchange.round, attempts=0, exchange=None))


def _rest(run: Run, _: Saved) -> Step:
    """Idle again; unless the target was raised, or a new run asked for, while the model was being saved."""
    return _next(run)


def _ignore(run: Run, _: Event) -> Step:
    """A late or repeated event of another exchange."""
    return run, []


def _late_decline(run: Run, event: Declined) -> Step:
    return _lose(run, Lost(event.hospital))


def _exchange(run: Run) -> Exchange:
    if run.exchange is None:
        raise IllegalEvent(f"state {run.state} has no exchange in flight")
    return run.exchange


TABLE: dict[tuple[State, type[Event]], Callable[..., Step]] = {
    **{(state, Desired): _desire for state in State},
    **{(state, Joined): _join for state in State},
    **{(state, Lost): _lose for state in State},
    **{(state, Received): _ignore for state in State},
    **{(state, Declined): _late_decline for state in State},
    **{(state, Deadline): _ignore for state in State},
    (State.REGISTRATION, Joined): _join_registration,
    (State.ROUND_SYNC, Ordered): _send,
    (State.COLLECTING, Joined): _join_collecting,
    (State.COLLECTING, Lost): _lose_collecting,
    (State.COLLECTING, Received): _receive,
    (State.COLLECTING, Declined): _decline,
    (State.COLLECTING, Deadline): _expire,
    (State.AGGREGATING, Aggregated): _commit,
    (State.FINISHED, Saved): _rest,
}
"""Every legal pair. Ordered, Aggregated and Saved answer an action of exactly one state; elsewhere they are illegal."""
