"""Public evaluation data: how the coordinator scores every global model without any hospital's rows."""

from typing import Self

from consilia import dataset
from consilia.dataset import Rows
from consilia.errors import InvalidData
from consilia.features import FeatureMap
from consilia.metrics import score
from consilia.model import LOGISTIC, Family, family_of
from consilia.spec import FederationSpec
from consilia.status import Metrics
from consilia.vectors import FloatArray


class PublicEvaluation:
    """Rows that nobody needs to protect. Keeps the design rows of the last feature map."""

    def __init__(self, rows: Rows, family: Family = LOGISTIC) -> None:
        self._rows = rows
        self._family = family
        self._design: tuple[FeatureMap, FloatArray] | None = None

    @classmethod
    def of(cls, spec: FederationSpec) -> Self | None:
        """The evaluation that a federation asks for, or None where it asks for none.

        Raises :class:`consilia.errors.InvalidData` where the dataset lacks a feature or the label, or the label is
        none of the model's.
        """
        if spec.evaluation is None:
            return None
        builtin = spec.evaluation.builtin
        test = dataset.split(dataset.load(builtin.dataset), builtin.seed).test
        owner, label = f"evaluation dataset {builtin.dataset}", spec.features.label
        rows, family = test.project(spec.features.names, label, owner), family_of(spec.model, spec.features)
        if not family.label_ok(rows.y).all():
            raise InvalidData(f'{owner}: label "{label}" is none that {spec.model.kind} learns: name another column')
        return cls(rows, family)

    def score(self, feature_map: FeatureMap, w: FloatArray) -> Metrics:
        """Score parameters under a map."""
        if self._design is None or self._design[0] != feature_map:
            self._design = (feature_map, feature_map.apply(self._rows.x))
        return score(self._rows.y, self._family.mean(self._family.predictor(self._design[1], w)), self._family)
