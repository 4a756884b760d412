"""Both real brokers as processes, and what hears and speaks through them."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from consilia.pki import Authority
from consilia_bus.settings import BusSettings
from consilia_bus.spade_bus import SpadeBus
from consilia_local.broker import BrokerFolder, write_broker_folder
from deadline import eventually
from ports import free_port

DEADLINE = 20.0  # seconds for anything that ought to happen at once
ACCOUNTS = {"coordinator": "secret of coordinator", "north": "secret of north", "south": "secret of south"}


@dataclass
class Broker:
    """A broker's process, its folder, and the authority that its clients trust."""

    kind: str
    folder: BrokerFolder
    ca_file: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        command = [sys.executable, "-m", "consilia_local.broker", self.kind, str(self.folder.path)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        eventually(self._is_up, DEADLINE, lambda: "the broker listens")

    def _is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "the broker ended instead of listening"
        return self.listens()

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.folder.port)) == 0

    def kill(self, signum: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(signum)
            self.process.wait(DEADLINE)

    def settings(self, account: str) -> BusSettings:
        password = self.folder.path.parent / f"{account}.password"
        if not password.exists():
            password.write_text(ACCOUNTS[account])
        return BusSettings(account, "localhost", password, self.ca_file, self.folder.port)

    def bus(self, account: str) -> SpadeBus:
        return SpadeBus(self.settings(account))


@dataclass
class Ears:
    """Keeps what it hears, and lets a test wait for it."""

    heard: "asyncio.Queue[tuple[str, str]]" = field(default_factory=asyncio.Queue)
    reasons: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    up: asyncio.Event = field(default_factory=asyncio.Event)

    def on_message(self, sender: str, body: str) -> None:
        self.heard.put_nowait((sender, body))

    def on_connected(self) -> None:
        self.up.set()

    def on_disconnected(self, reason: str) -> None:
        self.up.clear()
        self.reasons.put_nowait(reason)

    async def message(self) -> tuple[str, str]:
        return await asyncio.wait_for(self.heard.get(), DEADLINE)

    async def reason(self) -> str:
        return await asyncio.wait_for(self.reasons.get(), DEADLINE)

    async def connected(self) -> None:
        await asyncio.wait_for(self.up.wait(), DEADLINE)


@asynccontextmanager
async def running(bus: SpadeBus, *, connected: bool = True) -> AsyncIterator[Ears]:
    ears = Ears()
    task = asyncio.create_task(bus.run(ears))
    try:
        if connected:
            await ears.connected()
        yield ears
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def exchange(sender: SpadeBus, receiver: SpadeBus, ears: Ears, body: str) -> str:
    """Send until it arrives, as the protocol above does; the receiver may not be available yet."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        await sender.send(receiver.address, body)
        try:
            heard = await asyncio.wait_for(ears.heard.get(), 0.5)
        except TimeoutError:
            continue
        if heard[1] == body:
            return heard[0]
    raise AssertionError(f"{body[:20]!r} never arrived")


def make_broker(kind: str, place: Path, authority: Authority) -> Broker:
    (place / "ca.crt").write_bytes(authority.cert_pem)
    certificate = authority.issue(["localhost"], datetime.now(UTC))
    folder = write_broker_folder(place / "broker", "localhost", free_port(), ACCOUNTS, certificate)
    return Broker(kind, folder, place / "ca.crt")
