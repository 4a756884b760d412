"""The backend of engine sklearn: rows in this process's memory, computed with NumPy and scikit-learn."""

from collections.abc import Callable

from consilia.experiment import Features, Model
from consilia.model import Family, family_of
from consilia.privacy.keystream import Keystream
from consilia.spec import Cohort, CohortSpec
from consilia_agents.backend import Trainer
from consilia_agents.holdout import Sides, divide, sides_of
from consilia_agents.private_trainer import PrivateTrainer, Words
from consilia_agents.sources.chosen import source_of
from consilia_agents.sources.extract import DataSource
from consilia_agents.trainers import SklearnTrainer


class InMemory:
    """See :class:`consilia_agents.backend.Backend`. Keeps the rows of the columns that were asked for last."""

    def __init__(
        self,
        cohort: Cohort,
        trainer_of: Callable[[Sides, Family], Trainer] = SklearnTrainer,
        words: Words = Keystream.fresh,
        source: Callable[[CohortSpec], DataSource] = source_of,
    ) -> None:
        self._cohort = cohort
        self._trainer_of = trainer_of
        self._words = words
        self._source = source
        self._clear: tuple[object, Trainer] | None = None
        self._private: tuple[object, PrivateTrainer] | None = None

    def clear(self, features: Features, model: Model) -> Trainer:
        """See :class:`consilia_agents.backend.Backend`."""
        family = family_of(model, features)
        asked = _columns(features), family
        if self._clear is None or self._clear[0] != asked:
            table = self._source(self._cohort.spec).extract(features).table
            rows = table.select(features.names, features.label, f"hospital {self._cohort.spec.hospital}")
            self._clear = (asked, self._trainer_of(divide(rows, *self._key), family))
        return self._clear[1]

    def private(self, features: Features, model: Model) -> PrivateTrainer:
        """See :class:`consilia_agents.backend.Backend`."""
        family = family_of(model, features)
        asked = _columns(features), family
        if self._private is None or self._private[0] != asked:
            rows = self._source(self._cohort.spec).extract(features).rows
            self._private = (asked, PrivateTrainer(sides_of(rows, *self._key), self._words, family))
        return self._private[1]

    def close(self) -> None:
        """See :class:`consilia_agents.backend.Backend`: nothing is held outside."""

    @property
    def _key(self) -> tuple[str, str, float]:
        cohort = self._cohort
        return cohort.spec.hospital, cohort.metadata.name, cohort.spec.holdout.fraction


def _columns(features: Features) -> object:
    """What makes other rows, or the same in other units."""
    return tuple((feature.name, feature.unit) for feature in features.codebook), features.label
