"""What would leave the rounds half applied ends the coordinator: a journal or a blob that the disk does not give."""

import asyncio
import contextlib
import os
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from builders import StoppedClock, federation_spec
from consilia.protocol import Join, Order, Update, decode, encode
from consilia.tokens import sign
from consilia_bus.fake import FakeNetwork
from consilia_coordinator.blobs import BlobStore
from consilia_coordinator.conductor import SMALL
from consilia_coordinator.journal_file import JournalFile
from consilia_coordinator.service import Service
from deadline import until
from ports import free_port
from serving import PRIVATE, UID, LongObjective, certificate_in, client_session, settings_in

LIMIT_SECONDS = 20
FULL_DISK = """
import resource, sys
from pathlib import Path
from consilia_bus.fake import FakeNetwork
from consilia_bus.process import run_process
from consilia_coordinator.clock import SystemClock
from consilia_coordinator.service import Service
from serving import settings_in

folder, port = sys.argv[1:]
settings = settings_in(Path(folder), CONSILIA_HTTP_PORT=port)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
sys.exit(run_process(lambda: Service(settings, FakeNetwork().bus("coordinator"), SystemClock())))
"""
"""A coordinator's process that can write no file beyond its 100th byte: half of the first fact."""


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    return certificate_in(tmp_path)


async def ask_for_a_run(url: str, tls: ssl.SSLContext) -> None:
    """Ask as soon as the coordinator listens; it may end before it answers."""
    token = sign(PRIVATE, "operator", "ada", datetime.now(UTC), timedelta(minutes=5), federation=UID)
    body = {"run": 1, "spec": federation_spec().to_json()}
    async with client_session(tls) as session:
        while True:
            with contextlib.suppress(aiohttp.ClientConnectorError):
                with contextlib.suppress(aiohttp.ServerDisconnectedError):
                    await session.put(f"{url}/v1/run", json=body, headers={"Authorization": f"Bearer {token}"})
                return
            await asyncio.sleep(0.02)


async def test_a_journal_that_cannot_be_written_ends_the_process_with_one_sentence(
    tmp_path: Path, tls: ssl.SSLContext
) -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FULL_DISK, str(tmp_path), str(port)),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT_SECONDS):
        await ask_for_a_run(f"https://127.0.0.1:{port}", tls)
        _, said = await process.communicate()
    journal = tmp_path / "journal"
    assert process.returncode == 1
    assert said.decode().splitlines()[-1] == f"{journal} cannot be written: File too large; make room, then it resumes"
    assert journal.stat().st_size == 100
    again = JournalFile(journal)
    assert again.history.current is None, "half a fact is none"
    again.close()


class Answering:
    """A hospital at the bus, played by hand: it joins, and answers its order when the test says so."""

    def __init__(self, network: FakeNetwork, name: str) -> None:
        self.bus = network.bus(name)
        self.order: asyncio.Future[Order] = asyncio.get_running_loop().create_future()

    def on_message(self, sender: str, body: str) -> None:
        message = decode(body)
        if isinstance(message, Order) and not self.order.done():
            self.order.set_result(message)

    def on_connected(self) -> None:
        self.joining = asyncio.ensure_future(
            self.bus.send("coordinator@localhost", encode(Join(instance="i", engine="sklearn")))
        )

    def on_disconnected(self, reason: str) -> None:
        """Nobody cuts it off."""


@pytest.mark.parametrize("size", [pytest.param(4096, id="at once"), pytest.param(SMALL + 1, id="in a thread")])
async def test_answers_that_vanish_before_they_are_combined_end_the_service(
    tmp_path: Path, tls: ssl.SSLContext, size: int
) -> None:
    network = FakeNetwork()
    settings = settings_in(tmp_path, CONSILIA_HTTP_PORT=str(free_port()))
    made = Service(settings, network.bus("coordinator"), StoppedClock(), lambda _spec, _run: LongObjective(size))
    # A task that ends with what ended the service is logged when it is collected: in another test, perhaps.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    made.conductor.desire(1, federation_spec())
    service = asyncio.ensure_future(made.run())
    north, south = Answering(network, "north"), Answering(network, "south")
    blobs = BlobStore(tmp_path / "blobs")

    async def answer(hospital: Answering, value: float) -> Path:
        vector = blobs.put(np.full(size, value))
        order = await hospital.order
        await hospital.bus.send("coordinator@localhost", encode(Update(order=order.key, rows=10, vector=vector)))
        return blobs.path(vector.sha256)

    async with asyncio.timeout(LIMIT_SECONDS):
        await until(lambda: "coordinator@localhost" in network.connections)
        buses = [asyncio.ensure_future(each.bus.run(each)) for each in (north, south)]
        spooled = await answer(north, 1.0)
        while made.conductor.run.exchange is None or "north" not in made.conductor.run.exchange.received:
            await made.conductor.changes.after(made.conductor.changes.version, 1.0)
        spooled.unlink()
        await answer(south, 2.0)
        with pytest.RaisesGroup(pytest.RaisesExc(FileNotFoundError, match=spooled.name)):
            await service
    for bus in buses:
        bus.cancel()
    await asyncio.gather(*buses, return_exceptions=True)
    journal = JournalFile(tmp_path / "journal")
    assert journal.history.current is not None
    assert journal.history.current.committed == 0
    journal.close()
