"""What a statistics run asks of hospitals, and what it makes of their answers: no model, and one exchange.

All that is made of noised sums is post-processing (:mod:`consilia.statistics`), and costs no patient anything.
"""

from collections.abc import Iterable

import numpy as np

from consilia.aggregation import Update, sum_vectors
from consilia.errors import InvalidMessage
from consilia.protocol import PrivacyTerms, RunSettings, Task
from consilia.spec import FederationSpec
from consilia.statistics import EXACT, Deviations, statistics_of
from consilia.statistics_sums import Axes
from consilia.status import FeatureStatistics, Metrics
from consilia.vectors import FloatArray
from consilia.wording import counted
from consilia_coordinator.objective import Progress


class StatisticsObjective:
    """The statistics that ``spec`` asks for; ``terms`` are None where the run is NON-PRIVATE.

    Raises :class:`consilia.errors.InvalidPrivacy` for terms with which no promise can be kept.
    """

    def __init__(self, spec: FederationSpec, terms: PrivacyTerms | None) -> None:
        self._spec = spec
        self._terms = terms
        self._axes = Axes.of(spec.used_features, spec.asked_statistics.bins)
        if terms is not None:
            terms.statistics_plan()

    def length(self, task: Task) -> int:
        """See :class:`consilia_coordinator.objective.Objective`."""
        return self._axes.size if task == "statistics" else 0

    def examine(self, task: Task, rows: int, vector: FloatArray) -> None:
        """See :class:`consilia_coordinator.objective.Objective`: without noise, every sum counts the same patients."""
        if self._terms is not None or task != "statistics":
            return
        count, first, second, counts = self._axes.split(vector)
        if count != rows:
            raise InvalidMessage(f"the statistics count {count:g} patients, and the answer says {counted(rows, 'row')}")
        whole = bool((counts >= 0).all() and (counts.sum(axis=1) == rows).all())
        # The polynomials are within [-1, 1], and their sums within the rounding of so many.
        most = rows * (1 + 1e-9)
        if not whole or np.abs(first).max() > most or np.abs(second).max() > most:
            raise InvalidMessage("the statistics are of no table: counts or sums do not fit the number of rows")

    def initial(self) -> FloatArray:
        """See :class:`consilia_coordinator.objective.Objective`: nothing, of which no order carries anything."""
        return np.zeros(1)

    def settings(self, opened: FloatArray | None) -> RunSettings:  # noqa: ARG002  there is no opening
        """See :class:`consilia_coordinator.objective.Objective`: hospitals read only the features asked for."""
        return RunSettings(
            features=self._spec.used_features,
            model=self._spec.model,
            algorithm=self._spec.algorithm,
            privacy=self._terms,
            statistics=self._spec.asked_statistics,
        )

    def combine(self, task: Task, updates: Iterable[Update], progress: Progress) -> FloatArray:  # noqa: ARG002
        """See :class:`consilia_coordinator.objective.Objective`: the hospitals' sums, added."""
        return sum_vectors(updates, self.length(task))

    def released(self, progress: Progress) -> None:
        """See :class:`consilia_coordinator.objective.Objective`: there is no model."""

    def score(self, released: FloatArray, opened: FloatArray | None) -> Metrics | None:  # noqa: ARG002
        """See :class:`consilia_coordinator.objective.Objective`: there is no model to score."""
        return None


def described(settings: RunSettings, total: FloatArray, hospitals: int) -> list[FeatureStatistics]:
    """The statistics in the summed answers of so many hospitals, each noised as the run's settings say."""
    asked = settings.statistics
    if asked is None:
        raise InvalidMessage("the run's settings are not those of a statistics run")
    axes = Axes.of(settings.features, asked.bins)
    terms = settings.privacy
    noise = EXACT if terms is None else Deviations.of(terms.statistics_plan().statistics, axes.features, hospitals)
    names = [(feature.name, feature.unit) for feature in settings.features.codebook]
    return statistics_of(names, axes, asked.quantiles, total, noise)
