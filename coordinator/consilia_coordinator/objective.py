"""What a run optimises: how long its vectors are, where it starts, what hospitals must know, how a model is scored.

The conductor asks an :class:`Objective` and knows nothing of models, so that rounds of any vector run the same way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from consilia.aggregation import FedAvg, Strategy, Update, sum_vectors
from consilia.errors import InvalidData, InvalidMessage
from consilia.experiment import Algorithm
from consilia.features import FeatureMap, scaling_from_moments
from consilia.model import family_of
from consilia.protocol import RunSettings, Task
from consilia.spec import FederationSpec
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia_coordinator.evaluation import PublicEvaluation


@dataclass(frozen=True)
class Progress:
    """What a run has committed so far.

    ``opened`` is what its opening gave (summed moments, or rows), if it had one; ``iterates`` are the parameters of
    the rounds of a private run, in order, and of no other.
    """

    opened: FloatArray | None = None
    iterates: Sequence[FloatArray] = ()

    def after(self, iterate: FloatArray) -> "Progress":
        """The same, with one round more."""
        return Progress(self.opened, [*self.iterates, iterate])


NOTHING = Progress()


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

    def settings(self, opened: FloatArray | None) -> RunSettings:
        """What hospitals must know; with what the run's opening gave, once there is that."""
        ...

    def combine(self, task: Task, updates: Iterable[Update], progress: Progress) -> FloatArray:
        """The hospitals' answers, combined in the order of names: the next parameters, or what the opening gives."""
        ...

    def released(self, progress: Progress) -> FloatArray | None:
        """The model of a run that has come so far; None where it is the last parameters themselves."""
        ...

    def score(self, released: FloatArray, opened: FloatArray | None) -> Metrics | None:
        """Scores of a released model on public data; None where the federation names none."""
        ...


class SpecObjective:
    """The objective of a run without noise, as a Federation's spec describes it; its opening gives moments."""

    def __init__(self, spec: FederationSpec, strategy: Strategy | None = None) -> None:
        self._spec = spec
        self._strategy = strategy or FedAvg()
        self._evaluation = PublicEvaluation.of(spec)
        self._columns = len(spec.features.codebook)
        self._parameters = family_of(spec.model, spec.features).size(self._columns + 1)
        self._map: tuple[bytes | None, FeatureMap] | None = None

    def length(self, task: Task) -> int:
        """See :class:`Objective`."""
        return {"moments": 1 + 2 * self._columns, "centre": 0, "train": self._parameters, "evaluate": 0}.get(task, 0)

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

    def settings(self, opened: FloatArray | None) -> RunSettings:
        """See :class:`Objective`."""
        spec = self._spec
        return RunSettings(
            features=spec.features,
            model=spec.model,
            algorithm=Algorithm(fed_avg=spec.fed_avg),
            feature_map=None if self._waits_for(opened) else self._feature_map(opened),
        )

    def combine(self, task: Task, updates: Iterable[Update], progress: Progress = NOTHING) -> FloatArray:  # noqa: ARG002
        """See :class:`Objective`: an average of models needs nothing of the rounds before."""
        if task == "moments":
            return sum_vectors(updates, self.length(task))
        return self._strategy.reduce(updates, self.length(task))

    def released(self, progress: Progress) -> FloatArray | None:  # noqa: ARG002
        """See :class:`Objective`: the last parameters are the model."""
        return None

    def score(self, released: FloatArray, opened: FloatArray | None) -> Metrics | None:
        """See :class:`Objective`."""
        if self._evaluation is None:
            return None
        return self._evaluation.score(self._feature_map(opened), released)

    def _feature_map(self, opened: FloatArray | None) -> FeatureMap:
        """The run's map from columns to the model's input; kept, for it is asked for at every round."""
        key = None if opened is None else opened.tobytes()
        if self._map is None or self._map[0] != key:
            self._map = (key, FeatureMap.of(self._spec.features, opened))
        return self._map[1]

    def _waits_for(self, opened: FloatArray | None) -> bool:
        return self._spec.features.scaling == "federated" and opened is None
