"""The coordinator as one process runs it: it listens, it resumes, and it says what keeps it from either."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from builders import StoppedClock, federation_spec
from consilia.errors import InvalidSetting, Unavailable
from consilia_bus.fake import FakeNetwork
from consilia_coordinator.journal_file import JournalFile
from consilia_coordinator.service import Service
from ports import free_port
from serving import certificate_in, client_session, settings_in


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    return certificate_in(tmp_path)


def service(folder: Path, port: int) -> Service:
    bus = FakeNetwork().bus("coordinator")
    return Service(settings_in(folder, CONSILIA_HTTP_PORT=str(port)), bus, StoppedClock())


@asynccontextmanager
async def running(made: Service) -> AsyncIterator[None]:
    """Run until the block ends; what made it stop earlier is raised."""
    task = asyncio.ensure_future(made.run())
    while not made._bus.connected:
        await asyncio.sleep(0)
        if task.done():
            task.result()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_listens_with_its_own_certificate_and_lets_go_of_everything_when_it_ends(
    tmp_path: Path, tls: ssl.SSLContext
) -> None:
    port = free_port()
    for _ in range(2):
        async with (
            running(service(tmp_path, port)),
            client_session(tls) as session,
            session.get(f"https://127.0.0.1:{port}/readyz") as answer,
        ):
            assert await answer.json() == {"ok": True, "message": None}
    JournalFile(tmp_path / "journal").close()


async def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path: Path, tls: ssl.SSLContext) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            Unavailable, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use; choose"
        ):
            await service(tmp_path, port).run()
    JournalFile(tmp_path / "journal").close()


async def test_an_address_of_another_machine_is_not_called_a_taken_port(tmp_path: Path, tls: ssl.SSLContext) -> None:
    settings = settings_in(tmp_path, CONSILIA_HTTP_HOST="192.0.2.1", CONSILIA_HTTP_PORT="8443")
    made = Service(settings, FakeNetwork().bus("coordinator"), StoppedClock())
    with pytest.raises(Unavailable, match=r"cannot listen on 192\.0\.2\.1 port 8443: Cannot assign requested address;"):
        await made.run()


async def test_a_coordinator_started_again_goes_on_with_its_run(tmp_path: Path, tls: ssl.SSLContext) -> None:
    first = service(tmp_path, free_port())
    async with running(first):
        first.conductor.desire(3, federation_spec())
    second = service(tmp_path, free_port())
    async with running(second):
        status = second.conductor.status()
    assert (status.run, status.phase) == (3, "Registration")
    told = [item for _, item in second.journal.history.feed if not isinstance(item, tuple)]
    assert [event.reason for event in told] == ["Started", "CoordinatorResumed"]


@pytest.mark.parametrize("content", [None, b"no certificate"], ids=["missing", "rubbish"])
async def test_a_certificate_that_cannot_be_used_is_named(
    tmp_path: Path, tls: ssl.SSLContext, content: bytes | None
) -> None:
    made = service(tmp_path, free_port())
    (tmp_path / "server.pem").unlink()
    if content is not None:
        (tmp_path / "server.pem").write_bytes(content)
    with pytest.raises(InvalidSetting, match=r"certificate .*server.pem .* cannot be used"):
        await made.run()


def test_a_token_key_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"CONSILIA_TOKEN_PUBLIC_KEY .*public.pem cannot be read"):
        service(tmp_path, 8443)
