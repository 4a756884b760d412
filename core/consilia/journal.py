"""The coordinator's facts, and their fold: everything that must survive a crash, and nothing else.

Facts are appended and never changed. Resuming, the status, the stream of rounds and late tracking are all reads of the
same fold, so that they cannot disagree. The format of a line is ``<crc32 of the JSON, 8 hex digits> <JSON>``.

Refuses what is not ours: an unknown fact, a line whose checksum is wrong with lines after it. A torn last line is what
a crash in the middle of a write leaves; nothing was announced on its account, so it is dropped.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from consilia.errors import DamagedState
from consilia.privacy.noise_plan import has_centre
from consilia.protocol import Task, VectorRef
from consilia.spec import Document, FederationSpec
from consilia.status import (
    EventRecord,
    FeatureStatistics,
    HospitalMetrics,
    LedgerState,
    LedgerWitness,
    Metrics,
    RegisteredModel,
    RoundRecord,
)


class Fact(Document):
    """Base of all facts; ``at`` is ISO 8601 in UTC."""

    at: str


class SpecAccepted(Fact):
    """The wish that holds from now on; with a new ``run``, that run starts from a fresh model."""

    fact: Literal["spec"] = "spec"
    run: int
    spec: FederationSpec


class OrderWritten(Fact):
    """An exchange is about to be asked of its participants. ``parameters`` are those that it carries."""

    fact: Literal["order"] = "order"
    run: int
    round: int
    attempt: int
    task: Task
    participants: list[str]


class UpdateReceived(Fact):
    """A hospital answered the exchange in flight."""

    fact: Literal["update"] = "update"
    run: int
    hospital: str
    rows: int | None = None
    vector: VectorRef | None = None
    metrics: HospitalMetrics | None = None
    ledger: LedgerState | None = None


class WitnessesGiven(Fact):
    """What others have last seen of hospitals' ledgers."""

    fact: Literal["witnesses"] = "witnesses"
    witnesses: dict[str, LedgerWitness]


class ExchangeDropped(Fact):
    """The exchange in flight failed: its answers do not count."""

    fact: Literal["dropped"] = "dropped"
    run: int


class RoundCommitted(Fact):
    """The answers of the exchange in flight were combined.

    ``parameters``: what the next round goes on from, or what the opening gave. ``released``: the model so far, where
    that is another vector, as in a private run. ``statistics``: the result of a statistics run.
    """

    fact: Literal["commit"] = "commit"
    run: int
    round: int
    task: Task
    seconds: float
    contributors: list[str]
    parameters: VectorRef | None = None
    released: VectorRef | None = None
    metrics: Metrics | None = None
    statistics: list[FeatureStatistics] | None = None


class RunCompleted(Fact):
    """The run's final model is the one of its last committed round."""

    fact: Literal["complete"] = "complete"
    run: int


class Tracked(Fact):
    """What MLflow knows of a run."""

    fact: Literal["tracked"] = "tracked"
    run: int
    run_id: str
    url: str | None = None
    model: RegisteredModel | None = None
    logged_through: int = 0


class Happened(Fact):
    """A transition worth telling."""

    fact: Literal["event"] = "event"
    type: Literal["Normal", "Warning"]
    reason: str
    message: str

    @property
    def record(self) -> EventRecord:
        """The event as people read it."""
        return EventRecord(at=self.at, type=self.type, reason=self.reason, message=self.message)


AnyFact = (
    SpecAccepted
    | OrderWritten
    | UpdateReceived
    | WitnessesGiven
    | ExchangeDropped
    | RoundCommitted
    | RunCompleted
    | Tracked
    | Happened
)
_ADAPTER: TypeAdapter[AnyFact] = TypeAdapter(Annotated[AnyFact, Field(discriminator="fact")])


def encode(fact: AnyFact) -> bytes:
    """One line of the journal."""
    body = fact.model_dump_json(by_alias=True, exclude_none=True).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode(lines: bytes, source: str) -> tuple[list[AnyFact], int]:
    """All facts in ``lines``, and how many bytes of it are whole; the rest is a torn last line.

    Raises :class:`DamagedState` for a damaged line that is not the last one.
    """
    facts: list[AnyFact] = []
    offset = 0
    while offset < len(lines):
        end = lines.find(b"\n", offset)
        fact = _read(lines[offset:end]) if end >= 0 else None
        if fact is None:
            if end >= 0 and end + 1 < len(lines):
                raise DamagedState(
                    f"{source}: line {len(facts) + 1} is damaged (its checksum is wrong): restore the file, "
                    "or move it away to start the federation from nothing"
                )
            break
        facts.append(fact)
        offset = end + 1
    return facts, offset


def _read(line: bytes) -> AnyFact | None:
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        return _ADAPTER.validate_json(body)
    except ValidationError as error:
        raise DamagedState(
            f"the journal holds a fact that this version does not know ({json.loads(body).get('fact')}): "
            "run the version that wrote it, or a newer one"
        ) from error


def opening_of(spec: FederationSpec) -> Task | None:
    """What a run that starts with ``spec`` asks before its first round, if anything."""
    if spec.task == "Statistics":
        return None
    if spec.features.scaling == "federated":
        return "moments"
    return "centre" if spec.privacy.private and has_centre(spec.privacy.epsilon, spec.privacy.mechanism) else None


def work_of(spec: FederationSpec) -> Task:
    """What the rounds of a run that starts with ``spec`` ask."""
    return "statistics" if spec.task == "Statistics" else "train"


@dataclass
class RunHistory:
    """One run, as its facts tell it.

    ``spec`` is the one that holds, ``first`` the one that the run began with. ``opened`` is what its opening gave (the
    summed moments, or rows), ``iterates`` the parameters of the rounds of a private run, in order, ``ledgers`` what
    hospitals said of theirs when they last answered in this run.
    """

    number: int
    spec: FederationSpec
    first: FederationSpec
    started_at: str
    completed_at: str | None = None
    order: OrderWritten | None = None
    updates: dict[str, UpdateReceived] = field(default_factory=dict)
    attempts: int = 0
    opened: VectorRef | None = None
    parameters: VectorRef | None = None
    released: VectorRef | None = None
    iterates: list[VectorRef] = field(default_factory=list)
    committed: int = -1
    rounds: dict[int, RoundRecord] = field(default_factory=dict)
    statistics: list[FeatureStatistics] | None = None
    ledgers: dict[str, LedgerState] = field(default_factory=dict)
    tracked: Tracked | None = None


@dataclass
class History:
    """The fold of all facts.

    ``sequence`` counts the facts; ``feed`` says, for every fact that people may see, its sequence and what it is:
    an :class:`EventRecord`, or the (run, round) whose record changed. ``witnesses`` is the newest that is known of each
    hospital's ledger, ``ledgers`` what each said of its own when it last answered.
    """

    sequence: int = 0
    runs: dict[int, RunHistory] = field(default_factory=dict)
    feed: list[tuple[int, EventRecord | tuple[int, int]]] = field(default_factory=list)
    witnesses: dict[str, LedgerWitness] = field(default_factory=dict)
    ledgers: dict[str, LedgerState] = field(default_factory=dict)

    @property
    def current(self) -> RunHistory | None:
        """The newest run."""
        return self.runs[max(self.runs)] if self.runs else None

    def add(self, facts: Iterable[AnyFact]) -> None:
        """Fold more facts in."""
        for fact in facts:
            self.sequence += 1
            match fact:
                case SpecAccepted():
                    self._accept(fact)
                case OrderWritten():
                    self._order(fact)
                case UpdateReceived():
                    self._receive(fact)
                case WitnessesGiven():
                    self.witnesses |= self.newer(fact.witnesses)
                case ExchangeDropped():
                    self._drop(fact)
                case RoundCommitted():
                    self._commit(fact)
                case RunCompleted():
                    self.runs[fact.run].completed_at = fact.at
                case Tracked():
                    self.runs[fact.run].tracked = fact
                case Happened():
                    self.feed.append((self.sequence, fact.record))

    def _accept(self, fact: SpecAccepted) -> None:
        self._forget_other_ledgers(fact.spec)
        run = self.runs.get(fact.run)
        if run is None:
            for older in self.runs.values():
                older.order, older.updates = None, {}
            committed = -1 if opening_of(fact.spec) else 0
            self.runs[fact.run] = RunHistory(fact.run, fact.spec, fact.spec, fact.at, committed=committed)
        else:
            run.spec = fact.spec

    def _forget_other_ledgers(self, spec: FederationSpec) -> None:
        """A hospital that brings another cohort than before has another ledger, of which nothing is known here."""
        before = {each.name: each.cohort for each in self.current.spec.hospitals} if self.current else {}
        for hospital in spec.hospitals:
            if before.get(hospital.name, hospital.cohort) != hospital.cohort:
                self.witnesses.pop(hospital.name, None)
                for told in (self.ledgers, *(run.ledgers for run in self.runs.values())):
                    told.pop(hospital.name, None)

    def _order(self, fact: OrderWritten) -> None:
        run = self.runs[fact.run]
        run.order, run.updates, run.attempts, run.completed_at = fact, {}, fact.attempt, None

    def _receive(self, fact: UpdateReceived) -> None:
        self.runs[fact.run].updates[fact.hospital] = fact
        if fact.ledger is not None:
            self.ledgers[fact.hospital] = self.runs[fact.run].ledgers[fact.hospital] = fact.ledger
            # An answer that is given again tells of a ledger as it was.
            told = LedgerWitness(sequence=fact.ledger.sequence, head=fact.ledger.head)
            self.witnesses |= self.newer({fact.hospital: told})

    def newer(self, witnesses: Mapping[str, LedgerWitness]) -> dict[str, LedgerWitness]:
        """Those that tell of a later entry than is known, or of a ledger that is not known."""
        return {
            hospital: witness
            for hospital, witness in witnesses.items()
            if hospital not in self.witnesses or witness.sequence > self.witnesses[hospital].sequence
        }

    def _drop(self, fact: ExchangeDropped) -> None:
        run = self.runs[fact.run]
        run.order, run.updates = None, {}

    def _commit(self, fact: RoundCommitted) -> None:
        run = self.runs[fact.run]
        if fact.task in ("moments", "centre"):
            run.opened, run.committed = fact.parameters, 0
        elif fact.task in ("train", "statistics"):
            run.parameters, run.committed, run.statistics = fact.parameters, fact.round, fact.statistics
            run.released = fact.released or fact.parameters
            if fact.released is not None and fact.parameters is not None:
                run.iterates.append(fact.parameters)
            run.rounds[fact.round] = RoundRecord(
                run=fact.run,
                round=fact.round,
                at=fact.at,
                seconds=fact.seconds,
                participants=fact.contributors,
                metrics=fact.metrics,
                hospitals={name: HospitalMetrics(rows=run.updates[name].rows) for name in fact.contributors},
                epsilons=_epsilons(run),
            )
            self.feed.append((self.sequence, (fact.run, fact.round)))
        self._attach_scores(run, fact)
        run.order, run.updates, run.attempts = None, {}, 0

    def _attach_scores(self, run: RunHistory, fact: RoundCommitted) -> None:
        """An answer scores the parameters that its order carried: those of the round before, or the final ones."""
        scored = fact.round - 1 if fact.task == "train" else fact.round
        record = run.rounds.get(scored)
        if record is None or fact.task in ("moments", "centre", "statistics"):
            return
        hospitals = dict(record.hospitals)
        for name in fact.contributors:
            update = run.updates[name]
            if update.metrics is not None:
                rows = hospitals[name].rows if name in hospitals else update.rows
                hospitals[name] = update.metrics.model_copy(update={"rows": rows})
        changes: dict[str, object] = {"hospitals": hospitals}
        if fact.task == "evaluate":
            changes["epsilons"] = _epsilons(run)
        run.rounds[scored] = record.model_copy(update=changes)
        self.feed.append((self.sequence, (run.number, scored)))


def _epsilons(run: RunHistory) -> dict[str, float] | None:
    """What the run has cost so far, by hospital."""
    return {name: ledger.run_spent for name, ledger in sorted(run.ledgers.items())} or None
