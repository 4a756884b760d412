"""What a run optimises: how long its vectors are, where it starts, what hospitals must know, how a model is scored.

The conductor asks an :class:`Objective` and knows nothing of models, so that rounds of any vector run the same way.
"""

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from consilia.aggregation import FedAvg, Strategy, Update, sum_vectors
from consilia.errors import InvalidData, InvalidMessage
from consilia.features import FeatureMap, scaling_from_moments
from consilia.protocol import RunSettings, Task
from consilia.spec import Algorithm, FederationSpec
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia_coordinator.evaluation import PublicEvaluation


class Objective(Protocol):
    """The learning side of one run."""

    def length(self, task: Task) -> int:
        """How many values an answer to ``task`` has; 0 where it has no vector."""
        ...

    def examine(self, task: Task, rows: int, vector: FloatArray) -> None:
        """Raise :class:`consilia.errors.InvalidMessage` for an answer that no table of ``rows`` rows gives."""
        ...

    def initial(self) -> FloatArray:
        """The parameters of the fresh model (``length("train")``,)."""
        ...

    def settings(self, moments: FloatArray | None) -> RunSettings:
        """What hospitals must know; with the summed moments once there are any."""
        ...

    def combine(self, task: Task, updates: Iterable[Update]) -> FloatArray:
        """The hospitals' answers, combined in the order of names."""
        ...

    def score(self, parameters: FloatArray, moments: FloatArray | None) -> Metrics | None:
        """Scores of ``parameters`` on public data; None where the federation names none."""
        ...


class SpecObjective:
    """The objective that a Federation's spec describes."""

    def __init__(self, spec: FederationSpec, strategy: Strategy | None = None) -> None:
        self._spec = spec
        self._strategy = strategy or FedAvg()
        self._evaluation = PublicEvaluation.of(spec)
        self._columns = len(spec.features.codebook)
        self._map: tuple[bytes | None, FeatureMap] | None = None

    def length(self, task: Task) -> int:
        """See :class:`Objective`."""
        return {"train": self._columns + 1, "moments": 1 + 2 * self._columns, "evaluate": 0}[task]

    def examine(self, task: Task, rows: int, vector: FloatArray) -> None:
        """See :class:`Objective`: sums of moments that no table has would make a map that nobody can use."""
        if task != "moments":
            return
        if vector[0] != rows:
            raise InvalidMessage(f"the moments count {vector[0]:g} rows, and the answer says {rows}")
        try:
            scaling_from_moments(vector)
        except InvalidData as error:
            raise InvalidMessage(str(error)) from error

    def initial(self) -> FloatArray:
        """See :class:`Objective`: zeros, which a convex objective needs no better than."""
        return np.zeros(self.length("train"))

    def settings(self, moments: FloatArray | None) -> RunSettings:
        """See :class:`Objective`."""
        spec = self._spec
        return RunSettings(
            features=spec.features,
            model=spec.model,
            algorithm=Algorithm(fed_avg=spec.fed_avg),
            feature_map=None if self._waits_for(moments) else self.feature_map(moments),
        )

    def combine(self, task: Task, updates: Iterable[Update]) -> FloatArray:
        """See :class:`Objective`."""
        if task == "moments":
            return sum_vectors(updates, self.length(task))
        return self._strategy.reduce(updates, self.length(task))

    def score(self, parameters: FloatArray, moments: FloatArray | None) -> Metrics | None:
        """See :class:`Objective`."""
        if self._evaluation is None:
            return None
        return self._evaluation.score(self.feature_map(moments), parameters)

    def feature_map(self, moments: FloatArray | None) -> FeatureMap:
        """The run's map from columns to the model's input; kept, for it is asked for at every round."""
        key = None if moments is None else moments.tobytes()
        if self._map is None or self._map[0] != key:
            self._map = (key, FeatureMap.of(self._spec.features, moments))
        return self._map[1]

    def _waits_for(self, moments: FloatArray | None) -> bool:
        return self._spec.features.scaling == "federated" and moments is None
