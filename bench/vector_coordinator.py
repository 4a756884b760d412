"""The product's coordinator with no model behind it: ``python -m bench.vector_coordinator``.

Settings come from the environment, as in the product's own process; ``BENCH_WORKLOAD`` names the workload's folder.
"""

import os
import sys
from collections.abc import Iterable

from bench.workload import Vectors, load_vectors
from consilia.aggregation import FedAvg, Update
from consilia.features import FeatureMap
from consilia.protocol import RunSettings, Task
from consilia.spec import FederationSpec
from consilia.status import Metrics
from consilia.vectors import FloatArray
from consilia_bus.process import run_process
from consilia_bus.settings import BusSettings
from consilia_bus.spade_bus import SpadeBus
from consilia_coordinator.clock import SystemClock
from consilia_coordinator.objective import NOTHING, Progress
from consilia_coordinator.service import Service
from consilia_coordinator.settings import Settings


class VectorObjective:
    """What the coordinator must know of a workload of vectors."""

    def __init__(self, spec: FederationSpec, workload: Vectors) -> None:
        """`spec` is what hospitals are told; its columns mean nothing here."""
        self._spec = spec
        self._workload = workload

    def length(self, task: Task) -> int:
        """Return the workload's size for training, which alone has vectors."""
        return self._workload.size if task == "train" else 0

    def examine(self, task: Task, rows: int, vector: FloatArray) -> None:
        """Accept: any values are as good as any others."""

    def initial(self) -> FloatArray:
        """Return the workload's first vector."""
        return self._workload.initial()

    def settings(self, opened: FloatArray | None) -> RunSettings:  # noqa: ARG002  nothing opens the run
        """Return the spec's settings."""
        spec = self._spec
        return RunSettings(
            features=spec.features,
            model=spec.model,
            algorithm=spec.algorithm,
            feature_map=FeatureMap.from_codebook(spec.features),
        )

    def combine(self, task: Task, updates: Iterable[Update], progress: Progress = NOTHING) -> FloatArray:  # noqa: ARG002
        """Return the product's average."""
        return FedAvg().reduce(updates, self.length(task))

    def released(self, progress: Progress) -> FloatArray | None:  # noqa: ARG002
        """Return nothing: the last parameters are the model."""
        return None

    def score(self, released: FloatArray, opened: FloatArray | None) -> Metrics | None:  # noqa: ARG002  no data
        """Return nothing: there is no data to score on."""
        return None


def coordinator() -> Service:
    """Put the coordinator together from the environment."""
    workload = load_vectors(os.environ["BENCH_WORKLOAD"])
    bus = SpadeBus(BusSettings.of(os.environ))
    return Service(Settings.of(os.environ), bus, SystemClock(), lambda spec, _run: VectorObjective(spec, workload))


if __name__ == "__main__":
    sys.exit(run_process(coordinator))
