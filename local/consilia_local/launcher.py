"""The near side of the nursery: start processes and be told how they end.

:func:`open_nursery` costs 20 ms and needs nothing but the standard library, so that the nursery's imports run while
the command reads its file.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consilia.errors import Refusal, Unavailable
from consilia.threads import ONE_THREAD

# In pieces, so that requests are served in between. What the last three import is most of their cost.
LOAD = (
    "numpy",
    "aiohttp",
    "slixmpp",
    "consilia_local.broker.embedded",
    "consilia_local.broker.__main__",
    "consilia_coordinator.__main__",
    "scipy.sparse",
    "scipy.stats",
    "sklearn.base",
    "consilia_agents.__main__",
)
LAST_GRACE = 2.0  # seconds in which a nursery that was told to end kills what it started


@dataclass(frozen=True)
class ProcessSpec:
    """One process: ``module`` (forked, its ``main()`` called) or ``command`` (executed), and its surroundings.

    ``environment`` is all of the process's environment; ``log`` takes what it prints; ``nice`` adds to its niceness.
    """

    name: str
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    module: str | None = None
    command: Sequence[str] = ()
    arguments: Sequence[str] = ()
    nice: int = 0

    def request(self, number: int) -> dict[str, Any]:
        """What the nursery is told, as its documentation says."""
        chosen: dict[str, Any] = {"command": list(self.command)} if self.command else {"module": self.module}
        return chosen | {
            "start": number,
            "name": self.name,
            "environment": dict(self.environment),
            "log": str(self.log),
            "arguments": list(self.arguments),
            "nice": self.nice,
        }


@dataclass
class RunningProcess:
    """A process that was started; ``exited`` gives its exit code (negative: the signal that ended it)."""

    pid: int
    exited: asyncio.Future[int]

    def send(self, number: signal.Signals) -> None:
        """Signal the process and its group; nothing where it has ended already."""
        if not self.exited.done():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


@dataclass(frozen=True)
class OpenedNursery:
    """A nursery that was started, not spoken to yet."""

    process: subprocess.Popen[bytes]
    connection: socket.socket

    def abandon(self) -> None:
        """End it, with all it started."""
        self.connection.close()
        self.process.terminate()
        try:
            self.process.wait(LAST_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def require_linux(platform: str = sys.platform) -> None:
    """Raise :class:`Refusal` elsewhere: only there does the kernel end what outlives the one that started it."""
    if platform != "linux":
        raise Refusal(f"`consilia run` needs Linux, and this is {platform}: use a Linux machine, or a container")


def open_nursery(load: Sequence[str] = LOAD) -> OpenedNursery:
    """Start a nursery that imports ``load``. Call it from the main thread: the nursery dies with that thread."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "consilia_local.nursery", str(theirs.fileno()), str(os.getpid())],
            env=os.environ | ONE_THREAD,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    ours.sendall(json.dumps({"load": list(load)}).encode() + b"\n")
    return OpenedNursery(process, ours)


class Launcher:
    """Starts processes from a nursery; opens another where that died."""

    def __init__(self, opened: OpenedNursery | None, log: Path, load: Sequence[str] = LOAD) -> None:
        self._opened = opened
        self._log = log
        self._load = load
        self._numbers = itertools.count()
        self._starting: dict[int, asyncio.Future[RunningProcess]] = {}
        self._running: dict[int, RunningProcess] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()
        self._closed = False

    async def start(self, spec: ProcessSpec) -> RunningProcess:
        """Start ``spec``. Raises :class:`Unavailable` where the nursery died meanwhile, or is closed."""
        if self._closed:
            raise Unavailable(f"{spec.name} is not started: this run is stopping")
        writer = await self._connected()
        number = next(self._numbers)
        self._starting[number] = asyncio.get_running_loop().create_future()
        _write(writer, spec.request(number))
        return await self._starting[number]

    async def close(self) -> None:
        """End the nursery, and with it every process that is left."""
        self._closed = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()
        if self._opened is not None:
            await asyncio.to_thread(self._opened.abandon)
        self._lost()

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None or self._opened is None:
                self._opened = self._opened or open_nursery(self._load)
                reader, self._writer = await asyncio.open_connection(sock=self._opened.connection)
                _write(self._writer, {"log": str(self._log)})
                self._reading = asyncio.create_task(self._read(reader))
            return self._writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionResetError):
            while line := await reader.readline():
                self._hear(json.loads(line))
        opened, writer = self._opened, self._writer
        self._opened = self._writer = None
        self._lost()
        if writer is not None:
            writer.close()
        if opened is not None:
            await asyncio.to_thread(opened.abandon)

    def _hear(self, message: dict[str, int]) -> None:
        if "started" in message:
            number = message["started"]
            process = RunningProcess(message["pid"], asyncio.get_running_loop().create_future())
            self._running[number] = process
            waiting = self._starting.pop(number)
            if waiting.cancelled():
                process.send(signal.SIGKILL)
            else:
                waiting.set_result(process)
        else:
            self._running.pop(message["exited"]).exited.set_result(message["code"])

    def _lost(self) -> None:
        """The nursery is gone: the kernel killed what it had started."""
        for process in self._running.values():
            process.exited.set_result(-signal.SIGKILL)
        for waiting in self._starting.values():
            if not waiting.done():
                waiting.set_exception(Unavailable("the process from which others are forked was killed"))
        self._running.clear()
        self._starting.clear()


def _write(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message).encode() + b"\n")
