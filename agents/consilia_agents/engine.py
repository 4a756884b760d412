"""An engine answers orders: the learning side of a hospital, behind one small protocol.

The shell (:mod:`consilia_agents.hospital`) speaks to the coordinator and knows nothing of rows; an engine knows the
rows and nothing of the coordinator.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from consilia.errors import InvalidMessage
from consilia.model import Work
from consilia.protocol import RunSettings, Task
from consilia.spec import Cohort, FedAvg
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia_agents.holdout import divide
from consilia_agents.sources import BuiltinSource
from consilia_agents.trainers import SklearnTrainer, Trainer


@dataclass(frozen=True)
class Answer:
    """What leaves the hospital for one order: the weight, the vector, the scores of the parameters it came with."""

    rows: int
    vector: FloatArray | None = None
    metrics: Metrics | None = None


class Engine(Protocol):
    """Answers orders from the hospital's rows. Blocking: called in a thread of its own."""

    @property
    def name(self) -> str:
        """As in the cohort's ``engine``."""
        ...

    def prepare(self, settings: RunSettings) -> None:
        """Get ready for a run. Raises :class:`consilia.errors.InvalidData` where the rows cannot be used."""
        ...

    def answer(self, task: Task, settings: RunSettings, parameters: FloatArray | None) -> Answer:
        """Answer one order; the same arguments give the same bits."""
        ...


class CohortEngine:
    """The engine of a Cohort: its source, divided into train and holdout, and a trainer over the two."""

    def __init__(self, cohort: Cohort, trainer_of: Callable[..., Trainer] = SklearnTrainer) -> None:
        self._cohort = cohort
        self._trainer_of = trainer_of
        self._prepared: tuple[tuple[str, ...], str, Trainer] | None = None

    @property
    def name(self) -> str:
        """See :class:`Engine`."""
        return self._cohort.spec.engine

    def prepare(self, settings: RunSettings) -> None:
        """See :class:`Engine`. Rows are read again only when other columns are asked for."""
        columns = tuple(settings.features.names)
        if self._prepared is not None and self._prepared[:2] == (columns, settings.features.label):
            return
        rows = BuiltinSource.of_cohort(self._cohort.spec).load(columns, settings.features.label)
        cohort = self._cohort
        sides = divide(rows, cohort.spec.hospital, cohort.metadata.name, cohort.spec.holdout.fraction)
        self._prepared = (columns, settings.features.label, self._trainer_of(sides))

    def answer(self, task: Task, settings: RunSettings, parameters: FloatArray | None) -> Answer:
        """See :class:`Engine`."""
        self.prepare(settings)
        trainer = self._require_prepared()
        if task == "moments":
            return Answer(trainer.rows, trainer.moments())
        if parameters is None or settings.feature_map is None:
            raise InvalidMessage(f"an order to {task} needs parameters and a feature map")
        scores = trainer.evaluate(settings.feature_map, parameters)
        if task == "evaluate":
            return Answer(trainer.rows, None, scores)
        work = Work.of(settings.model, settings.algorithm.fed_avg or FedAvg())
        return Answer(trainer.rows, trainer.train(settings.feature_map, parameters, work), scores)

    def _require_prepared(self) -> Trainer:
        if self._prepared is None:
            raise InvalidMessage("an order came before the run's settings")
        return self._prepared[2]
