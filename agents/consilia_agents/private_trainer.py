"""What a hospital computes in a private run: noised sums over its patients, whatever its rows hold.

Nothing is refused for a value, a label, a class that is missing or a side without patients: whoever sees a refusal
learns of somebody. Such records count as zeros (:mod:`consilia.privacy.clipping`). The sums without noise never leave
:mod:`consilia.privacy.releases`; scores without noise are of holdout patients alone, for cohorts that say so.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from consilia.features import FeatureMap
from consilia.metrics import score
from consilia.model import LOGISTIC, Family
from consilia.privacy.cells import usable as predictable
from consilia.privacy.clipping import predictor_alone
from consilia.privacy.dp_fedsgd import Centre, private_rows
from consilia.privacy.keystream import Keystream, WordSource
from consilia.privacy.noise_plan import Planned
from consilia.privacy.releases import noised_gradient, noised_rows, noised_scores
from consilia.privacy.statistics_release import noised_statistics
from consilia.statistics_sums import Axes
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia_agents.holdout import Sides
from consilia_agents.trainers import require_length

Words = Callable[[], WordSource]
"""Makes the random words of one release; only a test chooses their key."""


@dataclass(frozen=True)
class _Design:
    """Rows under one feature map, and one centre."""

    feature_map: FeatureMap
    centre: Centre | None
    z: FloatArray

    def of(self, feature_map: FeatureMap, centre: Centre | None) -> bool:
        return self.centre == centre and self.feature_map == feature_map


class PrivateTrainer:
    """A hospital's engine over its two sides, with noise. Keeps the design rows that it made last.

    Parameters and feature map are public, so a length that does not fit is refused (:class:`InvalidMessage`).
    """

    def __init__(self, sides: Sides, words: Words = Keystream.fresh, family: Family = LOGISTIC) -> None:
        self._sides = sides
        self._family = family
        self._words = words
        self._train: _Design | None = None
        self._holdout: _Design | None = None

    def centre(self, feature_map: FeatureMap, planned: Planned) -> FloatArray:
        """The sum of the training rows, with noise: (d + 1)."""
        return noised_rows(self._training(feature_map, None), planned, self._words())

    def train(self, feature_map: FeatureMap, centre: Centre | None, w: FloatArray, planned: Planned) -> FloatArray:
        """The sum of the training records' clipped gradients at ``w``, with noise: as long as ``w``."""
        require_length(self._family, feature_map, w)
        z, y = self._training(feature_map, centre), self._sides.train.y
        return noised_gradient(z, y, w, planned, self._words(), self._family)

    def statistics(self, axes: Axes, planned: Planned) -> FloatArray:
        """The sums over the training rows for statistics, with noise: see :func:`noised_statistics`."""
        return noised_statistics(self._sides.train.x, axes, planned, self._words())

    def evaluate(self, feature_map: FeatureMap, w: FloatArray, planned: Planned) -> FloatArray:
        """Scores of ``w`` on the holdout, with noise, see :func:`noised_scores`."""
        prediction = self._prediction(feature_map, w)
        return noised_scores(self._sides.holdout.y, prediction, planned, self._words(), self._family)

    def score(self, feature_map: FeatureMap, w: FloatArray) -> Metrics:
        """Scores of ``w`` on the holdout without noise; records that are not usable are left out."""
        prediction, y = self._prediction(feature_map, w), self._sides.holdout.y
        usable = predictable(y, prediction, self._family) & self._family.label_ok(y)
        return score(y[usable], prediction[usable], self._family)

    def _training(self, feature_map: FeatureMap, centre: Centre | None) -> FloatArray:
        if self._train is None or not self._train.of(feature_map, centre):
            z = private_rows(feature_map, self._sides.train.x)
            self._train = _Design(feature_map, centre, z if centre is None else centre.rows(z))
        return self._train.z

    def _prediction(self, feature_map: FeatureMap, w: FloatArray) -> FloatArray:
        """What the model expects of each holdout row, (n,) or one probability a class; NaN where one is not usable."""
        require_length(self._family, feature_map, w)
        if self._holdout is None or not self._holdout.of(feature_map, None):
            self._holdout = _Design(feature_map, None, private_rows(feature_map, self._sides.holdout.x))
        with np.errstate(over="ignore", invalid="ignore"):
            return self._family.mean(predictor_alone(self._holdout.z, w, self._family))
