"""``python -m consilia_coordinator.tracking``: exit code 0 when it is told to stop, 2 for a bad setting."""

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress

from consilia.errors import InvalidSetting
from consilia_coordinator.tracking.follower import Follower
from consilia_coordinator.tracking.mlflow_tracker import QUIET, MlflowTracker
from consilia_coordinator.tracking.settings import Settings
from consilia_coordinator.tracking.source import CoordinatorSource

NICENESS = 10
"""Added to the process's niceness: rounds come first."""

GRACE_SECONDS = 5.0
"""How long a pass that has begun may take to end once the process is told to stop."""


async def track(settings: Settings) -> None:
    """Follow until SIGTERM or SIGINT, then let the pass in hand end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tracker = MlflowTracker(settings.mlflow)
    async with CoordinatorSource(settings.coordinator, settings.authority, settings.token) as source:
        follower = Follower(source, tracker, settings.federation, settings.model_name)
        following = asyncio.create_task(follower.follow())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((following, stopping), return_when=asyncio.FIRST_COMPLETED)
        with suppress(TimeoutError):
            await asyncio.wait_for(follower.in_hand.acquire(), GRACE_SECONDS)
        stopping.cancel()
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


def main() -> None:
    """Run the process."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("consilia").setLevel(logging.INFO)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        settings = Settings.of(os.environ)
    except InvalidSetting as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    os.nice(NICENESS)
    asyncio.run(track(settings))


if __name__ == "__main__":
    main()
