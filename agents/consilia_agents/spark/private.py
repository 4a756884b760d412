"""The trainer of engine spark in a private run: clipped sums from Spark, and noise from where all noise comes from.

Each record is clipped by itself, by the rules of :mod:`consilia.privacy.clipping`, and adds whole multiples of the
noise's grid, which are the same in any order: so the sum is that of rows in memory, to the last bit.
"""

import numpy as np

from consilia.errors import InvalidPrivacy
from consilia.features import FeatureMap
from consilia.model import LOGISTIC, Family
from consilia.privacy.cells import Evaluation
from consilia.privacy.clipping import MOST_ROWS, gradient_sum, row_sum
from consilia.privacy.dp_fedsgd import Centre
from consilia.privacy.keystream import Keystream
from consilia.privacy.noise import Integers
from consilia.privacy.noise_plan import Planned
from consilia.privacy.releases import noised_sum, noised_sum_of_scores
from consilia.privacy.statistics_release import noised_sum_of_statistics, weighted_sum
from consilia.statistics_sums import Axes
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia_agents.private_trainer import Words
from consilia_agents.spark.passes import Cells, ClippedGradient, ClippedRows, Design, Predictions, WeightedStatistics
from consilia_agents.spark.scores import Scored
from consilia_agents.spark.trainer import Designs, Sides, added
from consilia_agents.trainers import require_length


class SparkPrivateTrainer:
    """See :class:`consilia_agents.backend.NoisedTrainer`."""

    def __init__(self, sides: Sides, words: Words = Keystream.fresh, family: Family = LOGISTIC) -> None:
        self._sides = sides
        self._family = family
        self._words = words
        self._designs = Designs(sides)

    def centre(self, feature_map: FeatureMap, planned: Planned) -> FloatArray:
        """See :class:`consilia_agents.backend.NoisedTrainer`."""
        design = self._design(feature_map, held=False)
        # Of nobody: it refuses what it would of a table, before anything is looked at.
        nothing = row_sum(self._nobody(feature_map), planned.sensitivity, planned.noise.grid, planned.norm)
        total = self._designs.added(design, ClippedRows(design, planned), self._exact(nothing))
        return noised_sum("centre", total, planned, self._words())

    def train(self, feature_map: FeatureMap, centre: Centre | None, w: FloatArray, planned: Planned) -> FloatArray:
        """See :class:`consilia_agents.backend.NoisedTrainer`."""
        require_length(self._family, feature_map, w)
        design = self._design(feature_map, held=False, centre=centre)
        bound, grid = planned.sensitivity, planned.noise.grid
        nothing = gradient_sum(self._nobody(feature_map), np.zeros(0), w, bound, grid, planned.norm, self._family)
        total = self._designs.added(design, ClippedGradient(design, w, planned), self._exact(nothing))
        return noised_sum("train", total, planned, self._words())

    def statistics(self, axes: Axes, planned: Planned) -> FloatArray:
        """See :class:`consilia_agents.backend.NoisedTrainer`."""
        nothing = self._exact(weighted_sum(np.zeros((0, axes.features)), axes, planned))
        total = added(self._sides.session, self._sides.blocks, WeightedStatistics(axes, planned), nothing)
        return noised_sum_of_statistics(total, axes, planned, self._words())

    def evaluate(self, feature_map: FeatureMap, w: FloatArray, planned: Planned) -> FloatArray:
        """See :class:`consilia_agents.backend.NoisedTrainer`."""
        predictions = self._predictions(feature_map, w)
        nothing = np.zeros(Evaluation.of(self._family).length, dtype=np.int64)
        total = self._designs.added(predictions.design, Cells(predictions, planned), nothing)
        return noised_sum_of_scores(total, planned, self._words(), self._family)

    def score(self, feature_map: FeatureMap, w: FloatArray) -> Metrics:
        """See :class:`consilia_agents.backend.NoisedTrainer`."""
        predictions = self._predictions(feature_map, w)
        return Scored(self._sides.session, self._designs.rows(predictions.design), predictions).metrics(
            self._sides.held
        )

    def release(self) -> None:
        """Let go of what is kept in Spark."""
        self._designs.release(False, True)

    def _design(self, feature_map: FeatureMap, *, held: bool, centre: Centre | None = None) -> Design:
        return Design(feature_map, self._family, held=held, private=True, centre=centre)

    def _predictions(self, feature_map: FeatureMap, w: FloatArray) -> Predictions:
        require_length(self._family, feature_map, w)
        return Predictions(self._design(feature_map, held=True), w)

    def _nobody(self, feature_map: FeatureMap) -> FloatArray:
        return np.zeros((0, feature_map.size))

    def _exact(self, nothing: Integers) -> Integers:
        if self._sides.training > MOST_ROWS:
            raise InvalidPrivacy(
                f"the table has more rows than sums are exact for, {MOST_ROWS}: divide it into cohorts"
            )
        return nothing
