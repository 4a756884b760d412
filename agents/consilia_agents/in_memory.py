"""The backend of engine sklearn: rows in this process's memory, computed with NumPy and scikit-learn."""

from collections.abc import Callable

from consilia.dataset import Rows
from consilia.experiment import Features, Model
from consilia.model import Family
from consilia.privacy.keystream import Keystream
from consilia.spec import Cohort, CohortSpec
from consilia_agents.backend import Trainer
from consilia_agents.findings import Findings, usable
from consilia_agents.holdout import Sides, divide, sides_of
from consilia_agents.looks import Looks, Question, Seen
from consilia_agents.private_trainer import PrivateTrainer, Words
from consilia_agents.sources.chosen import source_of
from consilia_agents.sources.extract import DataSource
from consilia_agents.trainers import SklearnTrainer


class InMemory:
    """See :class:`consilia_agents.backend.Backend`. Keeps the rows that were asked for last, for as long as the table
    stays as it is."""

    def __init__(
        self,
        cohort: Cohort,
        trainer_of: Callable[[Sides, Family], Trainer] = SklearnTrainer,
        words: Words = Keystream.fresh,
        source: Callable[[CohortSpec], DataSource] = source_of,
        looks: Looks | None = None,
    ) -> None:
        self._cohort = cohort
        self._trainer_of = trainer_of
        self._words = words
        self._source_of = source
        self._looks = looks or Looks(cohort)
        self._source: DataSource | None = None
        self._clear: Trainer | None = None
        self._private: PrivateTrainer | None = None

    def clear(self, features: Features, model: Model | None) -> Trainer:
        """See :class:`consilia_agents.backend.Backend`."""
        question = Question.of(features, model, private=False)
        if self._clear is None or not self._stands(question):
            rows = self._look(question)
            self._clear = self._trainer_of(divide(rows, *self._key), question.trained)
        return self._clear

    def private(self, features: Features, model: Model | None) -> PrivateTrainer:
        """See :class:`consilia_agents.backend.Backend`."""
        question = Question.of(features, model, private=True)
        if self._private is None or not self._stands(question):
            rows = self._look(question)
            self._private = PrivateTrainer(sides_of(rows, *self._key), self._words, question.trained)
        return self._private

    def close(self) -> None:
        """See :class:`consilia_agents.backend.Backend`: nothing is held outside."""

    def _stands(self, question: Question) -> bool:
        return self._source is not None and self._looks.stand(question, self._source.stamp())

    def _look(self, question: Question) -> Rows:
        """Read the table: the records that count, once it was accepted."""
        self._source = self._clear = self._private = None
        self._looks.begin()
        try:
            # Made anew, as its password may have been changed.
            source = self._source_of(self._cohort.spec)
            stamp = source.stamp()
            extract = source.extract(question.features, self._looks.progress)
            mapping = self._cohort.spec.mapping
            findings = Findings.of(extract, question.features, mapping, question.family)
            self._looks.accept(Seen(question, findings, extract.fingerprint, stamp, extract.notes))
        finally:
            self._looks.end()
        self._source = source
        return usable(extract, question.features, mapping, question.family)

    @property
    def _key(self) -> tuple[str, str, float]:
        cohort = self._cohort
        return cohort.spec.hospital, cohort.metadata.name, cohort.spec.holdout.fraction
