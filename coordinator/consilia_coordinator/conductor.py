"""The conductor: the coordinator's shell around the pure rounds. Events in, actions out, facts on disk in between.

What it hears (messages, wishes, time) becomes events of :mod:`consilia.rounds`; the actions that come back are carried
out here. A batch of facts is on disk before anything that rests on it is sent or told. It never awaits while it
applies an event, so nobody sees a half-applied one.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial

from consilia.errors import InvalidMessage, Refusal, Unavailable
from consilia.journal import (
    AnyFact,
    ExchangeDropped,
    Happened,
    History,
    OrderWritten,
    RoundCommitted,
    RunCompleted,
    RunHistory,
    SpecAccepted,
    Tracked,
    UpdateReceived,
    WitnessesGiven,
)
from consilia.protocol import Problem
from consilia.protocol import Update as UpdateMessage
from consilia.rounds import (
    Action,
    Aggregated,
    Combine,
    Deadline,
    Declined,
    Event,
    Exchange,
    Joined,
    Lost,
    Names,
    Ordered,
    Proceed,
    QuorumReached,
    Received,
    Retry,
    Run,
    Saved,
    SaveModel,
    SendOrder,
    StartRun,
    State,
    Stopped,
    WriteOrder,
    step,
)
from consilia.spec import FederationSpec
from consilia.status import FederationStatus, LedgerWitness
from consilia_coordinator import narration
from consilia_coordinator.changes import Changes
from consilia_coordinator.clock import Clock, iso
from consilia_coordinator.journal_file import JournalFile
from consilia_coordinator.learning import Learning, Result
from consilia_coordinator.narration import Telling
from consilia_coordinator.resumption import resumed_run
from consilia_coordinator.roster import Roster
from consilia_coordinator.status_view import Facts
from consilia_coordinator.timed_status import TimedStatus
from consilia_coordinator.wish import desired, held_of

logger = logging.getLogger(__name__)

SMALL = 1 << 16
"""Values up to which combining takes less time than handing it to another thread."""


class Conductor:
    """Runs the rounds of one federation. Not thread-safe: everything happens on one event loop."""

    def __init__(
        self,
        journal: JournalFile,
        learning: Learning,
        clock: Clock,
        min_agents: int | None = None,
    ) -> None:
        self.roster = Roster()
        self.run = Run()
        self.broker_problem: str | None = None
        self.changes = Changes()
        self.send_order: Callable[[Exchange, Names], None] = lambda _exchange, _to: None
        self._journal = journal
        self._learning = learning
        self._clock = clock
        self._min_agents = min_agents
        self._deferred: list[Telling] = []
        self._durable = False
        self._after_flush: list[Callable[[], None]] = []
        self._deadline: asyncio.TimerHandle | None = None
        self._ordered_at = 0.0
        self._status = TimedStatus(clock)
        self._combining: asyncio.Task[None] | None = None
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # What people read.

    @property
    def history(self) -> History:
        """All that the journal tells."""
        return self._journal.history

    @property
    def spec(self) -> FederationSpec | None:
        """The spec of the current run."""
        current = self.history.current
        return current.spec if current else None

    def status(self) -> FederationStatus:
        """The status now."""
        version = self.changes.version
        return self._status.of(version, lambda: Facts(self.history, self.run, self.roster, self.broker_problem))

    def quorum_of(self, spec: FederationSpec) -> int:
        """The quorum of a spec here: ``MIN_AGENTS`` counts where it gives none."""
        return spec.effective_quorum(self._min_agents)

    # What it hears.

    def resume(self) -> None:
        """Take up the run that the journal tells of, exactly where it was."""
        current = self.history.current
        if current is None:
            return
        self._learning.forget_torn(current)
        self._ordered_at = self._clock.monotonic()
        self._deferred = narration.last_deferred(self.history.feed)
        self.run = resumed_run(current)
        if self.run.exchange is not None:
            self._start_deadline(self.run.exchange)
        self._tell(narration.resumed(current.number, current.committed))
        self._apply(desired(current.number, current.spec, self.quorum_of(current.spec)))

    def desire(self, run: int, spec: FederationSpec, witnesses: Mapping[str, LedgerWitness] | None = None) -> None:
        """The wish of the federation's owner. Idempotent; raises :class:`Refusal` for a run that is over.

        ``witnesses``: what the owner has last seen of hospitals' ledgers, which were in other federations before.
        """
        current = self.history.current
        if current is not None and run < current.number:
            raise Refusal(f"run {run} is over: the current run is {current.number}; a new run needs a higher number")
        if current is not None and run == current.number:
            self._edit(current, spec, witnesses or {})
            return
        self._learning.require_possible(spec, run)
        self._record(SpecAccepted(at=self._now(), run=run, spec=spec))
        self._take_witnesses(witnesses or {})
        self._deferred = []
        self._apply(desired(run, spec, self.quorum_of(spec)))

    def _take_witnesses(self, witnesses: Mapping[str, LedgerWitness]) -> None:
        """Write down what is news, so that it outlives this process."""
        news = self.history.newer(witnesses)
        if news:
            self._record(WitnessesGiven(at=self._now(), witnesses=news))

    async def until_broken(self) -> None:
        """Wait for ever, or raise what left the rounds half applied (a full disk, say)."""
        await self._broken

    def join(self, hospital: str) -> None:
        """A hospital joined (the roster has its address)."""
        self._apply(Joined(hospital))

    def lose(self, hospital: str, reason: str) -> None:
        """A hospital is gone; it is not awaited until it joins again."""
        if not self.roster.member(hospital).present:
            return
        self.roster.lose(hospital, reason)
        self._tell(narration.lost(hospital, reason))
        self._apply(Lost(hospital))

    def refuse(self, hospital: str, reason: str, problem: Problem | None = None) -> None:
        """A hospital declined, or sent what cannot be used: out until it joins again, and the reason is shown.

        ``problem``: what it is about, where its data are not refused.
        """
        member = self.roster.member(hospital)
        if member.refusal != reason:
            self._tell(narration.refused(hospital, reason))
        member.refusal, member.problem = reason, problem
        exchange = self.run.exchange
        self._apply(Declined(hospital, exchange) if exchange else Lost(hospital))

    def receive(self, hospital: str, exchange: Exchange, update: UpdateMessage) -> None:
        """A valid answer of ``hospital`` to ``exchange``. Repeated and late ones change nothing."""
        flying = self.run.exchange
        if flying is None or not flying.same(exchange) or self.run.state is not State.COLLECTING:
            return
        if hospital not in flying.participants - flying.received:
            return
        self._journal.add(
            UpdateReceived(
                at=self._now(),
                run=self.run.number,
                hospital=hospital,
                rows=update.rows,
                vector=update.vector,
                metrics=self._learning.scores(exchange.task, update),
                ledger=update.ledger,
            )
        )
        self._apply(Received(hospital, exchange))

    def track(self, fact: Tracked) -> None:
        """What MLflow knows of a run."""
        if fact.run not in self.history.runs:
            raise Refusal(f"run {fact.run} is not known here")
        self._record(fact)
        self._flush()

    def tell(self, telling: Telling) -> None:
        """Tell a transition that is none of the rounds'."""
        self._tell(telling)
        self._flush()

    # Applying events.

    def _apply(self, event: Event) -> None:
        try:
            self._handle(event)
            self._flush()
        except Exception as error:
            self._break(error)
            raise

    def _break(self, error: Exception) -> None:
        """Memory may now say what the disk does not: only a new process, from the journal, can be trusted."""
        if not self._broken.done():
            self._broken.set_exception(error)

    def _handle(self, event: Event) -> None:
        before = self.run
        self.run, actions = step(self.run, event)
        if before.exchange is not None and not before.exchange.same(self.run.exchange):
            self._leave_exchange(before)
        if self.run.state in (State.IDLE, State.REGISTRATION):
            self._ordered_at = 0.0
        for action in actions:
            self._carry_out(action)

    def _leave_exchange(self, before: Run) -> None:
        """The exchange is over. If it ended without a result, its answers must not count after a restart either."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        history = self.history.runs[before.number]
        if history.order is not None and self.run.number == before.number:
            self._record(ExchangeDropped(at=self._now(), run=before.number))

    def _carry_out(self, action: Action) -> None:
        match action:
            case StartRun():
                spec = self._require_spec()
                self._learning.start(spec, action.number)
                self._tell(narration.started(action.number, spec, self.quorum_of(spec)))
            case QuorumReached():
                self._tell(narration.quorum_reached(self.run))
            case WriteOrder():
                self._write_order(action.exchange)
            case SendOrder():
                self._after_flush.append(partial(self.send_order, action.exchange, action.to))
            case Combine():
                self._combine(action.exchange)
            case Retry():
                self._mark_missing(action.exchange, action.missing)
                self._tell(narration.retried(action.exchange, action.missing, self.run.quorum))
            case Proceed():
                self._mark_missing(action.exchange, action.missing)
                self._tell(*narration.incomplete(action.exchange, action.missing))
            case Stopped():
                self._tell(narration.stopped(self.run))
            case SaveModel():
                self._record(RunCompleted(at=self._now(), run=self.run.number))
                self._tell(narration.completed(self.run))
                self._handle(Saved())

    def _write_order(self, exchange: Exchange) -> None:
        if self._ordered_at == 0.0:
            self._ordered_at = self._clock.monotonic()
        self._record(
            OrderWritten(
                at=self._now(),
                run=self.run.number,
                round=exchange.round,
                attempt=exchange.attempt,
                task=exchange.task,
                participants=sorted(exchange.participants),
            )
        )
        self._start_deadline(exchange)
        self._handle(Ordered())

    def _combine(self, exchange: Exchange) -> None:
        run = self.history.runs[self.run.number]
        if self._learning.length(exchange.task) <= SMALL:
            self._commit(exchange, self._learning.combine(run, exchange))
            return
        self._combining = asyncio.ensure_future(self._combine_in_thread(run.number, exchange))

    async def _combine_in_thread(self, number: int, exchange: Exchange) -> None:
        run = self.history.runs[number]
        try:
            result = await asyncio.to_thread(self._learning.combine, run, exchange)
            self._commit_late(number, exchange, result)
        except Exception as error:
            self._break(error)

    def _commit_late(self, number: int, exchange: Exchange, result: Result) -> None:
        """Commit what a thread combined, unless a new run began meanwhile."""
        if self.run.number == number and exchange.same(self.run.exchange) and self.run.state is State.AGGREGATING:
            self._commit(exchange, result)
            self._flush()

    def _commit(self, exchange: Exchange, result: Result) -> None:
        now = self._clock.monotonic()
        self._record(
            RoundCommitted(
                at=self._now(),
                run=self.run.number,
                round=exchange.round,
                task=exchange.task,
                seconds=now - self._ordered_at,
                contributors=sorted(exchange.received),
                **vars(result),
            )
        )
        self._ordered_at = now
        self._after_flush.append(self._learning.collect_garbage)
        self._handle(Aggregated())

    def _edit(self, run: RunHistory, wished: FederationSpec, witnesses: Mapping[str, LedgerWitness]) -> None:
        """Take over what an edit may change in mid-run; tell what has to wait for the next run, once."""
        held, edited = run.spec, held_of(run, wished)
        if edited != held:
            self._record(SpecAccepted(at=self._now(), run=run.number, spec=edited))
            self._tell(*narration.edited(held, edited, self.run.committed))
        self._take_witnesses(witnesses)
        waiting = narration.deferred(run.first, edited, wished)
        if waiting != self._deferred:
            self._tell(*waiting)
            self._deferred = waiting
        self._apply(desired(run.number, edited, self.quorum_of(edited)))

    # Time.

    def _start_deadline(self, exchange: Exchange) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        seconds = self._require_spec().timeout.total_seconds()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._apply, Deadline(exchange))

    # Facts.

    def _record(self, fact: AnyFact) -> None:
        self._journal.add(fact)
        self._durable = True

    def _flush(self) -> None:
        """Facts first, then all that rests on them."""
        try:
            self._journal.flush(durable=self._durable)
        except Unavailable as error:
            self._break(error)
            raise
        self._durable = False
        due, self._after_flush = self._after_flush, []
        for act in due:
            act()
        self.changes.happened()

    def _tell(self, *tellings: Telling) -> None:
        for telling in tellings:
            level = logging.WARNING if telling.type == "Warning" else logging.INFO
            logger.log(level, "%s: %s", telling.reason, telling.message)
            self._record(Happened(at=self._now(), type=telling.type, reason=telling.reason, message=telling.message))

    def _mark_missing(self, exchange: Exchange, missing: Names) -> None:
        for hospital in missing:
            if self.roster.member(hospital).present:
                reason = f"no answer to {narration.name_of(exchange)} within the round's timeout"
                self.roster.lose(hospital, reason)

    def _require_spec(self) -> FederationSpec:
        if self.spec is None:
            raise InvalidMessage("no run has been asked for yet")
        return self.spec

    def _now(self) -> str:
        return iso(self._clock.now())
