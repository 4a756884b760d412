"""The hospital's process: ``python -m consilia_agents``."""

import logging
import os
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from consilia.errors import InvalidSetting
from consilia_agents.backend import Backend
from consilia_agents.blob_client import BlobClient
from consilia_agents.custodian import Custodian
from consilia_agents.engine import CohortEngine
from consilia_agents.hospital import Hospital
from consilia_agents.in_memory import InMemory
from consilia_agents.looks import Looks
from consilia_agents.outbox import Outbox
from consilia_agents.settings import Settings
from consilia_agents.sources.chosen import source_of
from consilia_bus.process import run_process
from consilia_bus.settings import BusSettings
from consilia_bus.spade_bus import SpadeBus

logger = logging.getLogger(__name__)


def main() -> int:
    """Run until SIGTERM; 2 for a wrong setting, 1 where something else cannot be had.

    ``CONSILIA_PULSE_FILE``, if it is set, is touched as long as the process does not hang.
    """
    pulse = os.environ.get("CONSILIA_PULSE_FILE")
    return run_process(hospital, Path(pulse) if pulse else None)


@dataclass(frozen=True)
class Holding:
    """A hospital, and what its backend holds outside of this process: both end together."""

    hospital: Hospital
    backend: Backend

    async def run(self) -> None:
        """See :class:`consilia_bus.process.Service`."""
        try:
            await self.hospital.run()
        finally:
            # At once, also in the middle of a pass: whoever waits for it is told that there is no more Spark.
            self.backend.close()

    async def leave(self) -> None:
        """See :class:`consilia_bus.process.Service`."""
        await self.hospital.leave()


def hospital() -> Holding:
    """Put the hospital together from the environment."""
    settings = Settings.of(os.environ)
    bus_settings = BusSettings.of(os.environ)
    looks = Looks(settings.cohort, settings.state)
    backend = backend_of(settings, looks)
    return Holding(_hospital(settings, bus_settings, backend, looks), backend)


def backend_of(settings: Settings, looks: Looks | None = None) -> Backend:
    """The engine that the cohort, or ``USE_SPARK``, asks for; ``looks`` are told of what it reads."""
    source = partial(source_of, places=settings.places)
    rows = (settings.scratch or settings.state) / "spark"
    for left in {rows, settings.state / "spark"}:
        # Of a process that was killed, and of patients: not only before the next Spark, which there may never be, and
        # from before it was told to keep them elsewhere.
        shutil.rmtree(left, ignore_errors=True)
        if left.exists():
            logger.warning("%s cannot be removed, and may hold rows of patients: remove it", left)
    if not settings.spark:
        return InMemory(settings.cohort, source=source, looks=looks)
    try:
        from consilia_agents.spark.backend import SparkBackend  # noqa: PLC0415 - seconds, and an extra of its own
        from consilia_agents.spark.session import Session, require_java, settings_of  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pyspark", "py4j"):
            raise
        raise InvalidSetting("engine spark needs pyspark: pip install 'consilia[spark]'") from error
    require_java()
    conf = settings_of(settings.spark_conf) if settings.spark_conf else {}
    return SparkBackend(settings.cohort, Session(rows, conf), source=source, looks=looks, places=settings.places)


def _hospital(settings: Settings, bus_settings: BusSettings, backend: Backend, looks: Looks) -> Hospital:
    return Hospital(
        SpadeBus(bus_settings),
        f"{settings.coordinator}@{bus_settings.domain}",
        CohortEngine(settings.cohort, backend),
        Outbox(settings.state / "answers"),
        BlobClient(settings.coordinator_url, bus_settings.tls_context(), settings.state / "blobs"),
        Custodian(settings.cohort, settings.ledger, settings.cap),
        looks=looks,
    )


if __name__ == "__main__":
    sys.exit(main())
