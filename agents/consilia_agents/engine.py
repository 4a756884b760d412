"""An engine answers orders: the learning side of a hospital, behind one small protocol.

The shell (:mod:`consilia_agents.hospital`) speaks to the coordinator and knows nothing of rows; an engine knows the
rows and nothing of the coordinator.
"""

from dataclasses import dataclass
from typing import Protocol

from consilia.errors import InvalidMessage
from consilia.experiment import FedAvg, Model
from consilia.features import STRETCH, FeatureMap
from consilia.model import Work
from consilia.privacy.noise_plan import NoisePlan
from consilia.protocol import PrivacyTerms, RunSettings, Task
from consilia.spec import Cohort
from consilia.statistics_sums import Axes
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia.wording import NON_PRIVATE
from consilia_agents.backend import Backend
from consilia_agents.in_memory import InMemory


@dataclass(frozen=True)
class Answer:
    """What leaves the hospital for one order: the vector and its weight, and scores of the model it came with.

    In a private run the vector has its noise, and there is no weight.
    """

    rows: int | None
    vector: FloatArray | None = None
    metrics: Metrics | None = None


class Engine(Protocol):
    """Answers orders from the hospital's rows. Blocking: called in a thread of its own."""

    @property
    def name(self) -> str:
        """As in the cohort's ``engine``."""
        ...

    def prepare(self, settings: RunSettings) -> None:
        """Get ready for a run. Raises :class:`consilia.errors.InvalidData` where the rows cannot be used; in a private
        run only for what no patient knows of, as a missing column."""
        ...

    def answer(
        self, task: Task, settings: RunSettings, parameters: FloatArray | None, scored: FloatArray | None
    ) -> Answer:
        """Answer one order. Without noise, the same arguments give the same bits.

        ``scored``: in a private run, the model that is scored in place of ``parameters``, if there is one yet.
        """
        ...


class CohortEngine:
    """The engine of a Cohort: what each order asks of its backend, in the run's own settings."""

    def __init__(self, cohort: Cohort, backend: Backend | None = None) -> None:
        self._cohort = cohort
        self._backend = backend or InMemory(cohort)
        self._noise: tuple[PrivacyTerms, NoisePlan] | None = None
        self._public: RunSettings | None = None

    @property
    def name(self) -> str:
        """See :class:`Engine`."""
        return self._cohort.spec.engine

    def prepare(self, settings: RunSettings) -> None:
        """See :class:`Engine`. Rows are read again only when other columns are asked for."""
        if settings.privacy is None:
            self._backend.clear(settings.features, _learned(settings))
        else:
            self._backend.private(settings.features, _learned(settings))

    def answer(
        self, task: Task, settings: RunSettings, parameters: FloatArray | None, scored: FloatArray | None = None
    ) -> Answer:
        """See :class:`Engine`."""
        if settings.privacy is not None:
            return self._private_answer(task, settings, settings.privacy, parameters, scored)
        trainer = self._backend.clear(settings.features, _learned(settings))
        if task == "statistics" or settings.statistics is not None:
            return Answer(trainer.rows, trainer.statistics(_axes(task, settings)))
        if task == "moments":
            return Answer(trainer.rows, trainer.moments())
        if task == "centre":
            raise InvalidMessage(f"an order of a {NON_PRIVATE} run asks for a centre, which only private runs have")
        feature_map, w = _require_both(task, settings, parameters)
        scores = trainer.evaluate(feature_map, w)
        if task == "evaluate":
            return Answer(trainer.rows, None, scores)
        work = Work.of(settings.model, settings.algorithm.fed_avg or FedAvg())
        return Answer(trainer.rows, trainer.train(feature_map, w, work), scores)

    def _private_answer(
        self,
        task: Task,
        settings: RunSettings,
        terms: PrivacyTerms,
        parameters: FloatArray | None,
        scored: FloatArray | None,
    ) -> Answer:
        if self._public is not settings:
            _require_public_map(settings)
            self._public = settings
        trainer = self._backend.private(settings.features, _learned(settings))
        if task == "statistics" or terms.statistics is not None:
            return Answer(None, trainer.statistics(_axes(task, settings), terms.statistics_plan().statistics))
        plan = self._plan(terms)
        if task == "centre" and plan.centre is not None:
            return Answer(None, trainer.centre(_feature_map(task, settings), plan.centre))
        if task not in ("train", "evaluate"):
            raise InvalidMessage(f"an order asks for {task}, which is not in the plan of this private run")
        feature_map, w = _require_both(task, settings, parameters)
        if task == "evaluate" and plan.evaluate is not None:
            return Answer(None, trainer.evaluate(feature_map, w, plan.evaluate))
        if task == "evaluate":
            return Answer(None, None, trainer.score(feature_map, w))
        scores = trainer.score(feature_map, scored) if plan.evaluate is None and scored is not None else None
        return Answer(None, trainer.train(feature_map, settings.centre, w, plan.train), scores)

    def _plan(self, terms: PrivacyTerms) -> NoisePlan:
        if self._noise is None or self._noise[0] != terms:
            self._noise = (terms, terms.plan(noised_holdout=self._cohort.spec.holdout.metrics == "noised"))
        return self._noise[1]


def _learned(settings: RunSettings) -> Model | None:
    """The model that a run learns; None of a run that takes statistics."""
    return settings.model if settings.statistics is None else None


def _axes(task: Task, settings: RunSettings) -> Axes:
    """What statistics are taken between, in a run that takes them."""
    if settings.statistics is None or task != "statistics":
        run = "training" if settings.statistics is None else "statistics"
        raise InvalidMessage(f"an order asks for {task}, which is not what a run of {run} asks for")
    return Axes.of(settings.features, settings.statistics.bins)


def _feature_map(task: Task, settings: RunSettings) -> FeatureMap:
    feature_map = settings.feature_map
    if feature_map is None:
        raise InvalidMessage(f"an order to {task} needs parameters and a feature map")
    if list(feature_map.names) != list(settings.features.names):
        # Told by names: the sentence of a table that does not fit its map would count patients.
        raise InvalidMessage("the feature map is of other columns than the run's features")
    return feature_map


def _require_public_map(settings: RunSettings) -> None:
    """Rows of a private run are seen through the bounds that its features name, and a centre among such rows alone."""
    if settings.feature_map is not None and settings.feature_map != FeatureMap.from_codebook(settings.features):
        raise InvalidMessage("the feature map is not that of the run's own public bounds")
    centre = settings.centre
    if centre is None:
        return
    if len(centre.centre) != len(settings.features.names) or max(map(abs, centre.centre)) > STRETCH:
        raise InvalidMessage(
            f"the centre is none of this run's rows: a value a column, from {-STRETCH:g} to {STRETCH:g}"
        )


def _require_both(task: Task, settings: RunSettings, w: FloatArray | None) -> tuple[FeatureMap, FloatArray]:
    if w is None:
        raise InvalidMessage(f"an order to {task} needs parameters and a feature map")
    return _feature_map(task, settings), w
