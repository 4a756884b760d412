"""Keeps processes running: what ends unasked is started again, later each time, and told with its reason."""

import asyncio
import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from consilia.backoff import delays
from consilia.errors import Unavailable
from consilia_local.launcher import ProcessSpec, RunningProcess

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds before a process is started again
LOOP_EXITS, LOOP_SECONDS = 5, 30.0  # so many exits in so short a time are a crash loop
GRACE_SECONDS = 5.0  # between asking a process to stop and killing it
TAIL_BYTES = 4096


class Starter(Protocol):
    """What starts a process: :class:`consilia_local.launcher.Launcher`."""

    async def start(self, spec: ProcessSpec) -> RunningProcess:
        """Start ``spec``; raise :class:`Unavailable` where that is not possible now."""


@dataclass(frozen=True)
class Happening:
    """Something about a process that a person should read: one sentence."""

    process: str
    reason: str
    message: str

    @property
    def is_loop(self) -> bool:
        """Whether the process keeps failing."""
        return self.reason == "CrashLoop"


class Supervisor:
    """Keeps each of its processes running until it is told to stop.

    ``tell`` is called with each :class:`Happening`. ``clock`` gives seconds that only grow. ``first_pause``: seconds
    before a first restart. ``grace``: seconds between asking a process to stop and killing it.
    """

    def __init__(
        self,
        starter: Starter,
        tell: Callable[[Happening], None],
        clock: Callable[[], float] = time.monotonic,
        first_pause: float = FIRST_PAUSE,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._starter = starter
        self._tell = tell
        self._clock = clock
        self._first_pause = first_pause
        self._grace = grace
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, RunningProcess] = {}
        self._stopping = asyncio.Event()

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of what runs now, by name."""
        return {name: process.pid for name, process in self._running.items()}

    def keep(self, specs: Iterable[ProcessSpec]) -> None:
        """Start these and keep them running."""
        for spec in specs:
            self._keeping[spec.name] = asyncio.create_task(self._keep(spec), name=spec.name)

    async def stop(self) -> None:
        """Ask all to stop, kill after the grace what has not, and return when none is left."""
        self._stopping.set()
        for name, keeping in self._keeping.items():
            if name not in self._running:
                keeping.cancel()
        self._signal(signal.SIGTERM)
        if self._keeping:
            _, left = await asyncio.wait(self._keeping.values(), timeout=self._grace)
            if left:
                self.kill()
                await asyncio.wait(left, timeout=GRACE_SECONDS)

    def kill(self) -> None:
        """Kill all at once."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._running.values():
            process.send(number)

    async def _keep(self, spec: ProcessSpec) -> None:
        exits: deque[float] = deque(maxlen=LOOP_EXITS)
        pauses = delays(self._first_pause, LONGEST_PAUSE)
        while not self._stopping.is_set():
            started, written = self._clock(), _size(spec.log)
            code = await self._run(spec)
            if self._stopping.is_set():
                return
            now = self._clock()
            exits.append(now)
            if now - started > LOOP_SECONDS:
                pauses = delays(self._first_pause, LONGEST_PAUSE)
            why = f"{_ending(code)}{_quoted(last_line(spec.log, written)) if code and code > 0 else ''}"
            if len(exits) == LOOP_EXITS and now - exits[0] <= LOOP_SECONDS:
                exits.clear()
                self._tell(
                    Happening(spec.name, "CrashLoop", f"{spec.name} keeps failing: {why}; its log is {spec.log}")
                )
            else:
                self._tell(Happening(spec.name, "Restarted", f"{spec.name} {why}; it is started again"))
            await self._pause(next(pauses))

    async def _run(self, spec: ProcessSpec) -> int | None:
        """Run ``spec`` once: its exit code, None where it could not be started."""
        try:
            process = await self._starter.start(spec)
        except Unavailable:
            return None
        self._running[spec.name] = process
        if self._stopping.is_set():
            process.send(signal.SIGTERM)
        try:
            return await process.exited
        finally:
            del self._running[spec.name]

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def last_line(log: Path, after: int = 0) -> str:
    """The last line in ``log`` that is not empty, of what was written after its first ``after`` bytes."""
    try:
        with log.open("rb") as file:
            file.seek(max(after, _size(log) - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _ending(code: int | None) -> str:
    if code is None:
        return "could not be started"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"
    return "ended unasked" if code == 0 else f"ended with exit code {code}"


def _quoted(line: str) -> str:
    return f" ({line})" if line else ""
