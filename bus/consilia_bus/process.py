"""A process of a federation, from its environment to its exit code: one event loop, one sentence for what is wrong."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import uvloop

from consilia.errors import ConsiliaError, Refusal, Unavailable

logger = logging.getLogger(__name__)

PULSE_SECONDS = 5.0
"""How often a process touches its pulse."""


class Service(Protocol):
    """What a process runs."""

    async def run(self) -> None:
        """Serve until cancelled."""
        ...

    async def leave(self) -> None:
        """Take leave, before :meth:`run` is cancelled."""
        ...


def run_process(build: Callable[[], Service], pulse: Path | None = None) -> int:
    """Build a service on a fresh event loop and run it until SIGTERM or SIGINT.

    ``pulse`` is a file that is touched as long as the event loop turns: one that grows old is of a process that hangs.

    Returns 0, or 2 for a wrong setting, or 1 where something else that is needed cannot be had; either with its
    sentence on standard error.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(build, pulse))
    except ConsiliaError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, Refusal) else 1
    return 0


async def _serve(build: Callable[[], Service], pulse: Path | None) -> None:
    try:
        service = build()
    except OSError as error:
        raise _unusable(error) from error
    running = asyncio.ensure_future(service.run())
    if pulse is not None:
        _beat(asyncio.get_running_loop(), pulse)
    leaving: list[asyncio.Task[None]] = []

    async def stop() -> None:
        try:
            await service.leave()
        finally:
            running.cancel()

    def on_signal() -> None:
        if leaving:
            running.cancel()
            return
        leaving.append(asyncio.ensure_future(stop()))

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    try:
        await running
    except asyncio.CancelledError:
        return
    except ExceptionGroup as group:
        first = _first(group)
        if isinstance(first, OSError):
            raise _unusable(first) from group
        raise first from group


def _beat(loop: asyncio.AbstractEventLoop, pulse: Path) -> None:
    try:
        pulse.touch()
    except OSError as error:
        # Whoever looks at its age acts; the work itself needs no pulse.
        logger.warning("the pulse %s cannot be touched: %s", pulse, error.strerror or error)
    loop.call_later(PULSE_SECONDS, _beat, loop, pulse)


def _unusable(error: OSError) -> Unavailable:
    return Unavailable(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}")


def _first(group: BaseException) -> BaseException:
    """The exception inside a task group's group of one."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
