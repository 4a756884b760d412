"""The hospital's process: ``python -m consilia_agents``."""

import os
import sys
from pathlib import Path

from consilia_agents.blob_client import BlobClient
from consilia_agents.custodian import Custodian
from consilia_agents.engine import CohortEngine
from consilia_agents.hospital import Hospital
from consilia_agents.outbox import Outbox
from consilia_agents.settings import Settings
from consilia_bus.process import run_process
from consilia_bus.settings import BusSettings
from consilia_bus.spade_bus import SpadeBus


def main() -> int:
    """Run until SIGTERM; 2 for a wrong setting, 1 where something else cannot be had.

    ``CONSILIA_PULSE_FILE``, if it is set, is touched as long as the process does not hang.
    """
    pulse = os.environ.get("CONSILIA_PULSE_FILE")
    return run_process(hospital, Path(pulse) if pulse else None)


def hospital() -> Hospital:
    """Put the hospital together from the environment."""
    settings = Settings.of(os.environ)
    bus_settings = BusSettings.of(os.environ)
    return Hospital(
        SpadeBus(bus_settings),
        f"{settings.coordinator}@{bus_settings.domain}",
        CohortEngine(settings.cohort),
        Outbox(settings.state / "answers"),
        BlobClient(settings.coordinator_url, bus_settings.tls_context(), settings.state / "blobs"),
        Custodian(settings.cohort, settings.ledger, settings.cap),
    )


if __name__ == "__main__":
    sys.exit(main())
