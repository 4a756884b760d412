"""Public evaluation data: how the coordinator scores every global model without any hospital's rows."""

from typing import Self

from consilia import dataset
from consilia.dataset import Rows
from consilia.features import FeatureMap
from consilia.metrics import score
from consilia.model import predict_proba
from consilia.spec import FederationSpec
from consilia.status import Metrics
from consilia.vectors import FloatArray


class PublicEvaluation:
    """Rows that nobody needs to protect. Keeps the design rows of the last feature map."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._design: tuple[FeatureMap, FloatArray] | None = None

    @classmethod
    def of(cls, spec: FederationSpec) -> Self | None:
        """The evaluation that a federation asks for, or None where it asks for none.

        Raises :class:`consilia.errors.InvalidData` where the dataset lacks a feature or the label.
        """
        if spec.evaluation is None:
            return None
        builtin = spec.evaluation.builtin
        test = dataset.split(dataset.load(builtin.dataset), builtin.seed).test
        return cls(test.select(spec.features.names, spec.features.label, f"evaluation dataset {builtin.dataset}"))

    def score(self, feature_map: FeatureMap, w: FloatArray) -> Metrics:
        """Score parameters (d + 1) under a map."""
        if self._design is None or self._design[0] != feature_map:
            self._design = (feature_map, feature_map.apply(self._rows.x))
        return score(self._rows.y, predict_proba(self._design[1], w))
