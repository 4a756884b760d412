"""What a private run optimises: steps along the hospitals' noisy sums, and their average as the model.

All of it is post-processing of what left the hospitals with noise (:mod:`consilia.privacy.dp_fedsgd`), and costs no
patient anything. Nothing here is drawn: the same answers give the same bits.
"""

from collections.abc import Iterable

import numpy as np

from consilia.aggregation import Update, sum_vectors
from consilia.experiment import Algorithm, DpFedSGD
from consilia.features import FeatureMap
from consilia.model import family_of
from consilia.privacy.cells import Evaluation
from consilia.privacy.dp_fedsgd import Centre, average_of_last_half, step
from consilia.protocol import PrivacyTerms, RunSettings, Task
from consilia.spec import FederationSpec
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia_coordinator.evaluation import PublicEvaluation
from consilia_coordinator.objective import Progress


class PrivateObjective:
    """The objective of a run on ``terms``, which ``spec``, the one that it starts with, asks for.

    ``opened`` are the hospitals' summed noisy rows (d + 1), where the run has a centre. Raises
    :class:`consilia.errors.InvalidPrivacy` for terms with which no promise can be kept.
    """

    def __init__(self, spec: FederationSpec, terms: PrivacyTerms) -> None:
        self._spec = spec
        self._terms = terms
        # How a hospital scores its holdout changes no noise of training, and so no step.
        self._plan = terms.plan(noised_holdout=True)
        self._map = FeatureMap.from_codebook(spec.features)
        self._family = family_of(spec.model, spec.features)
        self._evaluation = PublicEvaluation.of(spec)
        self._lengths: dict[Task, int] = {
            "centre": self._map.size,
            "train": self._family.size(self._map.size),
            "evaluate": Evaluation.of(self._family).length,
        }

    def length(self, task: Task) -> int:
        """See :class:`consilia_coordinator.objective.Objective`."""
        return self._lengths.get(task, 0)

    def examine(self, task: Task, rows: int, vector: FloatArray) -> None:
        """See :class:`consilia_coordinator.objective.Objective`: noise can make a sum anything."""

    def initial(self) -> FloatArray:
        """See :class:`consilia_coordinator.objective.Objective`: zeros, which tell of nobody."""
        return np.zeros(self.length("train"))

    def settings(self, opened: FloatArray | None) -> RunSettings:
        """See :class:`consilia_coordinator.objective.Objective`."""
        return RunSettings(
            features=self._spec.features,
            model=self._spec.model,
            algorithm=Algorithm(dp_fed_sgd=DpFedSGD()),
            feature_map=self._map,
            privacy=self._terms,
            centre=self._centre(opened),
        )

    def combine(self, task: Task, updates: Iterable[Update], progress: Progress) -> FloatArray:
        """See :class:`consilia_coordinator.objective.Objective`: the summed rows, or the next iterate."""
        total = sum_vectors(updates, self.length(task))
        if task == "centre":
            return total
        before = progress.iterates[-1] if progress.iterates else self.initial()
        return step(before, total, self._plan, self._spec.model.l2, self._family)

    def released(self, progress: Progress) -> FloatArray:
        """See :class:`consilia_coordinator.objective.Objective`: the average, in weights of plain design rows."""
        average = average_of_last_half(progress.iterates)
        centre = self._centre(progress.opened)
        return average if centre is None else centre.weights(average)

    def score(self, released: FloatArray, opened: FloatArray | None) -> Metrics | None:  # noqa: ARG002  folded in
        """See :class:`consilia_coordinator.objective.Objective`."""
        return None if self._evaluation is None else self._evaluation.score(self._map, released)

    def _centre(self, opened: FloatArray | None) -> Centre | None:
        return None if opened is None else Centre.of(opened, self._terms.nominal_rows)
