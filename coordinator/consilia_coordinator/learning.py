"""The vectors of a run: where the global parameters are, how answers are combined, what may be thrown away.

Small vectors live in the journal's facts; large ones are blobs, and the facts hold their digests.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from consilia.aggregation import Update, checked, chunks
from consilia.errors import InvalidMessage
from consilia.journal import History, RunHistory, work_of
from consilia.protocol import BYTES_A_VALUE, RunSettings, Task, VectorRef, fits_inline, pack, require_usable, unpack
from consilia.protocol import Update as Answer
from consilia.rounds import Exchange
from consilia.spec import FederationSpec
from consilia.status import FeatureStatistics, HospitalMetrics, Metrics
from consilia.vectors import FloatArray
from consilia.wording import counted
from consilia_coordinator.blobs import BlobStore
from consilia_coordinator.objective import Objective, Progress
from consilia_coordinator.objectives import ObjectiveOf
from consilia_coordinator.private_answers import noised_scores, require_private
from consilia_coordinator.statistics_objective import described


@dataclass(frozen=True)
class Result:
    """What an exchange gave: the new parameters (or what opens the run), the model where it is another vector, and its
    scores on public data."""

    parameters: VectorRef | None = None
    released: VectorRef | None = None
    metrics: Metrics | None = None
    statistics: list[FeatureStatistics] | None = None


class Learning:
    """The learning side of the coordinator's current run."""

    def __init__(self, blobs: BlobStore, history: History, objective_of: ObjectiveOf) -> None:
        self.blobs = blobs
        self._history = history
        self._objective_of = objective_of
        self._objective: Objective | None = None
        self._settings: tuple[int, str | None, RunSettings] | None = None
        self._initial: tuple[int, VectorRef] | None = None
        self._iterates: tuple[int, list[FloatArray]] = (0, [])
        self._spooled: dict[str, str] = {}

    @property
    def objective(self) -> Objective:
        """The objective of the current run, which is that of the spec that it began with."""
        if self._objective is not None:
            return self._objective
        run = self._current()
        return self.start(run.first, run.number)

    def require_possible(self, spec: FederationSpec, run: int) -> None:
        """Refuse a spec that cannot be run, before anything of it is written down."""
        self._objective_of(spec, run)

    def start(self, spec: FederationSpec, run: int) -> Objective:
        """A new run of ``spec``, from a fresh model: its objective."""
        objective = self._objective = self._objective_of(spec, run)
        self._settings = self._initial = None
        return objective

    def length(self, task: Task) -> int:
        """How many values an answer to ``task`` has."""
        return self.objective.length(task)

    @property
    def longest(self) -> int:
        """How many values the longest vector of the run has."""
        return max(self.length(work_of(self._current().first)), self.length("moments"))

    def settings(self) -> RunSettings:
        """What hospitals must know now."""
        run = self._current()
        key = run.opened.sha256 if run.opened else None
        if self._settings is None or self._settings[:2] != (run.number, key):
            self._settings = (run.number, key, self.objective.settings(self._opened(run)))
        return self._settings[2]

    def parameters(self, task: Task) -> VectorRef | None:
        """The global parameters that an order of ``task`` carries: the final evaluation is of the model itself."""
        if task in ("moments", "centre", "statistics"):
            return None
        run = self._current()
        newest = run.released if task == "evaluate" else run.parameters
        if newest is not None:
            return newest
        if self._initial is None or self._initial[0] != run.number:
            self._initial = (run.number, self._store(self.objective.initial()))
        return self._initial[1]

    def scored(self, task: Task) -> VectorRef | None:
        """The model that an order of ``task`` has scored in place of its parameters: that of a private run so far."""
        return self._current().released if task == "train" and self._private else None

    def is_global(self, sha256: str) -> bool:
        """Whether the blob is of the run's global parameters, which every hospital may read."""
        parameters = self.parameters("train")
        return parameters is not None and parameters.sha256 == sha256

    def admit(self, task: Task, answer: Answer) -> None:
        """Check an answer: it tells no more than it may, its vector is there, of the right length, usable.

        The values of a blob are checked by :meth:`admit_blob`. Raises :class:`InvalidMessage`.
        """
        rows, vector = answer.rows or 0, answer.vector
        if self._private:
            require_private(task, answer)
        elif task == "train" and rows < 1:
            raise InvalidMessage("the answer to train has 0 rows; its weight must be at least 1")
        self._require_length(task, vector)
        if vector is not None and vector.inline:
            self.objective.examine(task, rows, require_usable(unpack(vector), self.length(task)))

    def scores(self, task: Task, answer: Answer) -> HospitalMetrics | None:
        """The scores that an admitted answer tells, as they are or out of noise."""
        settings = self.settings()
        if settings.privacy is not None and task == "evaluate" and answer.metrics is None:
            return noised_scores(answer, settings.privacy, settings)
        return None if answer.metrics is None else HospitalMetrics(**answer.metrics.model_dump())

    def admit_blob(self, hospital: str, task: Task, rows: int, vector: VectorRef) -> None:
        """Check the values of a hospital's blob (slow: reads it all). Raises :class:`InvalidMessage`."""
        if not self.blobs.has(vector.sha256):
            raise InvalidMessage(f"blob {vector.sha256[:12]}… has not arrived: upload it, then answer again")
        if self.blobs.path(vector.sha256).stat().st_size != vector.length * BYTES_A_VALUE:
            raise InvalidMessage(
                f"blob {vector.sha256[:12]}… does not have the {counted(vector.length, 'value')} it should"
            )
        for _ in checked(hospital, self.blobs.reader(vector.sha256)(), vector.length):
            pass
        if task in ("moments", "statistics"):
            self.objective.examine(task, rows, self.vector(vector))

    def vector(self, reference: VectorRef) -> FloatArray:
        """The values of a vector that is here, from its message or its blob."""
        if reference.inline:
            return unpack(reference)
        return np.fromfile(self.blobs.path(reference.sha256), dtype="<f8").astype(np.float64, copy=False)

    def spool(self, hospital: str, sha256: str) -> None:
        """``hospital`` sends this blob: what it began to send before, and nothing refers to, goes."""
        before = self._spooled.get(hospital)
        self._spooled[hospital] = sha256
        if before is not None and before not in self._spooled.values() and before not in self._referred():
            self.blobs.discard(before)

    def combine(self, run: RunHistory, exchange: Exchange) -> Result:
        """Combine the answers to ``exchange``, in the order of names."""
        if exchange.task == "evaluate":
            return Result()
        updates = [self._update(run, hospital) for hospital in sorted(exchange.received)]
        progress = Progress(self._opened(run), self._iterates_of(run))
        vector = self.objective.combine(exchange.task, updates, progress)
        if exchange.task == "statistics":
            return Result(statistics=described(self.settings(), vector, len(updates)))
        if exchange.task != "train":
            return Result(self._store(vector))
        released = self.objective.released(progress.after(vector))
        metrics = self.objective.score(vector if released is None else released, progress.opened)
        return Result(self._store(vector), None if released is None else self._store(released), metrics)

    def forget_torn(self, run: RunHistory) -> None:
        """After a crash: drop answers whose blob is not whole; they are asked for again."""
        torn = [
            hospital
            for hospital, update in run.updates.items()
            if update.vector is not None and not update.vector.inline and not self.blobs.verify(update.vector.sha256)
        ]
        for hospital in torn:
            del run.updates[hospital]

    def collect_garbage(self) -> None:
        """Remove the blobs that nothing refers to: the spooled answers of committed rounds, older global models."""
        if fits_inline(self.longest):
            return
        self.blobs.keep_only(self._referred())

    def _referred(self) -> set[str]:
        """The digests of all vectors that something still refers to."""
        digests: set[str] = set()
        for run in self._history.runs.values():
            answers = [update.vector for update in run.updates.values()]
            references = [run.parameters, run.released, run.opened, *run.iterates, *answers]
            digests |= {reference.sha256 for reference in references if reference is not None}
        if self._initial is not None:
            digests.add(self._initial[1].sha256)
        return digests

    def _current(self) -> RunHistory:
        current = self._history.current
        if current is None:
            raise InvalidMessage("no run has been asked for yet")
        return current

    @property
    def _private(self) -> bool:
        return self._current().first.privacy.private

    def _opened(self, run: RunHistory) -> FloatArray | None:
        return self.vector(run.opened) if run.opened is not None else None

    def _iterates_of(self, run: RunHistory) -> list[FloatArray]:
        """The iterates of a private run; each is unpacked once."""
        number, known = self._iterates
        if number != run.number:
            known = []
            self._iterates = (run.number, known)
        known += [self.vector(iterate) for iterate in run.iterates[len(known) :]]
        return known

    def _store(self, vector: FloatArray) -> VectorRef:
        return pack(vector) if fits_inline(len(vector)) else self.blobs.put(vector)

    def _update(self, run: RunHistory, hospital: str) -> Update:
        update = run.updates[hospital]
        if update.vector is None:
            raise InvalidMessage(f"the answer of {hospital} has no vector")
        return Update(hospital, update.rows or 0, self._reader(update.vector))

    def _reader(self, vector: VectorRef) -> Callable[[], Iterable[FloatArray]]:
        if vector.inline:
            return lambda: chunks(unpack(vector))
        return self.blobs.reader(vector.sha256)

    def _require_length(self, task: Task, vector: VectorRef | None) -> None:
        expected = self.length(task)
        if vector is None and expected > 0 and task != "evaluate":
            raise InvalidMessage(f"the answer to {task} has no vector; {counted(expected, 'value')} expected")
        if vector is not None and vector.length != expected:
            raise InvalidMessage(f"vector has {counted(vector.length, 'value')}; {task} has {expected}")
