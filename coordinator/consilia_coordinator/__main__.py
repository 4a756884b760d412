"""The coordinator's process: ``python -m consilia_coordinator``."""

import os
import sys

from consilia_bus.process import run_process
from consilia_bus.settings import BusSettings
from consilia_bus.spade_bus import SpadeBus
from consilia_coordinator.clock import SystemClock
from consilia_coordinator.service import Service
from consilia_coordinator.settings import Settings


def main() -> int:
    """Run until SIGTERM; 2 for a wrong setting, 1 where something else cannot be had."""
    return run_process(coordinator)


def coordinator() -> Service:
    """Put the coordinator together from the environment."""
    settings = Settings.of(os.environ)
    return Service(settings, SpadeBus(BusSettings.of(os.environ)), SystemClock())


if __name__ == "__main__":
    sys.exit(main())
