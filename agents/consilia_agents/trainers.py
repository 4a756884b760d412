"""The trainer of engine sklearn: what a hospital computes in a round, on rows in memory.

Importing this module is what imports scikit-learn (seconds): a process does it once, before it joins.
"""

from dataclasses import dataclass

import numpy as np

from consilia.dataset import Rows
from consilia.errors import InvalidData, InvalidMessage
from consilia.features import FeatureMap, moments
from consilia.metrics import score
from consilia.model import LOGISTIC, Family, Work, train_local
from consilia.statistics_sums import Axes, statistic_sums
from consilia.status import Metrics
from consilia.vectors import FloatArray, all_finite
from consilia.wording import counted
from consilia_agents.estimator import FederatedLogisticRegression
from consilia_agents.holdout import Sides


@dataclass(frozen=True)
class _Design:
    """Both sides under one feature map."""

    feature_map: FeatureMap
    train: FloatArray
    holdout: FloatArray


class SklearnTrainer:
    """Trains with scikit-learn's estimator on rows in memory. Keeps the design rows of the last feature map."""

    def __init__(self, sides: Sides, family: Family = LOGISTIC) -> None:
        self._sides = sides
        self._family = family
        self._target = family.target(sides.train.y)
        self._design: _Design | None = None

    @property
    def rows(self) -> int:
        """See :class:`consilia_agents.backend.Trainer`."""
        return len(self._sides.train)

    def moments(self) -> FloatArray:
        """See :class:`consilia_agents.backend.Trainer`."""
        return moments(self._sides.train.x)

    def statistics(self, axes: Axes) -> FloatArray:
        """See :class:`consilia_agents.backend.Trainer`."""
        return statistic_sums(self._sides.train.x, axes)

    def train(self, feature_map: FeatureMap, w0: FloatArray, work: Work) -> FloatArray:
        """See :class:`consilia_agents.backend.Trainer`."""
        require_length(self._family, feature_map, w0)
        w = self._trained(self._designed(feature_map).train, w0, work)
        require_converged(self._family, w, work)
        return w

    def evaluate(self, feature_map: FeatureMap, w: FloatArray) -> Metrics:
        """See :class:`consilia_agents.backend.Trainer`."""
        require_length(self._family, feature_map, w)
        eta = self._family.predictor(self._designed(feature_map).holdout, w)
        return score(self._sides.holdout.y, self._family.mean(eta), self._family)

    def _trained(self, z: FloatArray, w0: FloatArray, work: Work) -> FloatArray:
        if self._family == LOGISTIC:
            return FederatedLogisticRegression.of(work).warm_fit(z, self._target, w0)
        # A rate or a square may overflow on the way to what is refused.
        with np.errstate(over="ignore", invalid="ignore"):
            return train_local(z, self._target, w0, work.local_epochs, work.learning_rate, work.l2, self._family)

    def _designed(self, feature_map: FeatureMap) -> _Design:
        if self._design is None or self._design.feature_map != feature_map:
            self._design = _Design(feature_map, *(feature_map.apply(side.x) for side in self._both()))
        return self._design

    def _both(self) -> tuple[Rows, Rows]:
        return self._sides.train, self._sides.holdout


def require_length(family: Family, feature_map: FeatureMap, w: FloatArray) -> None:
    """Refuse parameters that are not as many as the model has under this map, with :class:`InvalidMessage`."""
    needed = family.size(feature_map.size)
    if w.shape != (needed,):
        raise InvalidMessage(f"the parameters have {counted(np.size(w), 'value')}: the feature map needs {needed}")


def require_converged(family: Family, w: FloatArray, work: Work) -> None:
    """Refuse parameters that are not finite, or beyond all reason, with :class:`InvalidData`."""
    if not (all_finite(w) and family.plausible(w)):
        raise InvalidData(
            f"training diverged at learningRate {work.learning_rate:g} and l2 {work.l2:g}: lower either of them"
        )
