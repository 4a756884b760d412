"""The trainer of engine sklearn: what a hospital computes in a round, on rows in memory.

Importing this module is what imports scikit-learn (seconds): a process does it once, before it joins.
"""

from dataclasses import dataclass

import numpy as np

from consilia.dataset import Rows
from consilia.errors import InvalidData, InvalidMessage
from consilia.features import FeatureMap, moments
from consilia.metrics import score
from consilia.model import Work, predict_proba
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

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._design: _Design | None = None

    @property
    def rows(self) -> int:
        """See :class:`consilia_agents.backend.Trainer`."""
        return len(self._sides.train)

    def moments(self) -> FloatArray:
        """See :class:`consilia_agents.backend.Trainer`."""
        return moments(self._sides.train.x)

    def train(self, feature_map: FeatureMap, w0: FloatArray, work: Work) -> FloatArray:
        """See :class:`consilia_agents.backend.Trainer`."""
        require_length(feature_map, w0)
        z = self._designed(feature_map).train
        w = FederatedLogisticRegression.of(work).warm_fit(z, self._sides.train.y, w0)
        if not all_finite(w):
            raise InvalidData(
                f"training diverged at learningRate {work.learning_rate:g} and l2 {work.l2:g}: lower either of them"
            )
        return w

    def evaluate(self, feature_map: FeatureMap, w: FloatArray) -> Metrics:
        """See :class:`consilia_agents.backend.Trainer`."""
        require_length(feature_map, w)
        return score(self._sides.holdout.y, predict_proba(self._designed(feature_map).holdout, w))

    def _designed(self, feature_map: FeatureMap) -> _Design:
        if self._design is None or self._design.feature_map != feature_map:
            self._design = _Design(feature_map, *(feature_map.apply(side.x) for side in self._both()))
        return self._design

    def _both(self) -> tuple[Rows, Rows]:
        return self._sides.train, self._sides.holdout


def require_length(feature_map: FeatureMap, w: FloatArray) -> None:
    """Refuse parameters that are not (d + 1), with :class:`InvalidMessage`."""
    if w.shape != (feature_map.size,):
        raise InvalidMessage(
            f"the parameters have {counted(np.size(w), 'value')}: the feature map needs {feature_map.size}"
        )
