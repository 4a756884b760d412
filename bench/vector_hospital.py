"""The product's hospital with no rows behind it: ``python -m bench.vector_hospital``.

Settings come from the environment, as in the product's own process; ``BENCH_WORKLOAD`` names the workload's folder and
``BENCH_HOSPITAL`` the hospital's number.
"""

import os
import sys

from bench.workload import Vectors, load_vectors
from consilia.protocol import RunSettings, Task
from consilia.vectors import FloatArray
from consilia_agents.blob_client import BlobClient
from consilia_agents.custodian import Custodian
from consilia_agents.engine import Answer
from consilia_agents.hospital import Hospital
from consilia_agents.outbox import Outbox
from consilia_agents.settings import Settings
from consilia_bus.process import run_process
from consilia_bus.settings import BusSettings
from consilia_bus.spade_bus import SpadeBus


class VectorEngine:
    """Answers an order to train with the workload's vector of this hospital and round."""

    name = "sklearn"

    def __init__(self, workload: Vectors, hospital: int) -> None:
        """Answer for the hospital of this number."""
        self._workload = workload
        self._hospital = hospital
        self._round = 0

    def prepare(self, settings: RunSettings) -> None:
        """Get ready: there is nothing to read."""

    def answer(
        self,
        task: Task,
        settings: RunSettings,  # noqa: ARG002
        parameters: FloatArray | None,
        scored: FloatArray | None = None,  # noqa: ARG002
    ) -> Answer:
        """Answer the next round; the outbox gives an order that comes again the same answer."""
        if task != "train" or parameters is None:
            return Answer(1)
        self._round += 1
        return Answer(1, self._workload.train(self._hospital, self._round, parameters).parameters)


def hospital() -> Hospital:
    """Put a hospital together from the environment."""
    settings = Settings.of(os.environ)
    bus = BusSettings.of(os.environ)
    return Hospital(
        SpadeBus(bus),
        f"{settings.coordinator}@{bus.domain}",
        VectorEngine(load_vectors(os.environ["BENCH_WORKLOAD"]), int(os.environ["BENCH_HOSPITAL"])),
        Outbox(settings.state / "answers"),
        BlobClient(settings.coordinator_url, bus.tls_context(), settings.state / "blobs"),
        Custodian(settings.cohort, settings.ledger),
    )


if __name__ == "__main__":
    sys.exit(run_process(hospital))
