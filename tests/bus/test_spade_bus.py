"""What a bus says and does when there is no broker, or something that is none."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from consilia.errors import InvalidSetting
from consilia.pki import make_authority
from consilia_bus.settings import BusSettings
from consilia_bus.spade_bus import SpadeBus, backoff
from ports import free_port


@dataclass
class Ears:
    connections: int = 0
    reasons: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)

    def on_message(self, sender: str, body: str) -> None:
        pass

    def on_connected(self) -> None:
        self.connections += 1

    def on_disconnected(self, reason: str) -> None:
        self.reasons.put_nowait(reason)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[[int], BusSettings]:
    (tmp_path / "password").write_text("a secret\n")
    (tmp_path / "ca.crt").write_bytes(make_authority("x", datetime.now(UTC), days=1).cert_pem)
    return lambda port: BusSettings(
        account="north",
        domain="localhost",
        port=port,
        password_file=tmp_path / "password",
        ca_file=tmp_path / "ca.crt",
        login_seconds=5,
    )


@asynccontextmanager
async def running(bus: SpadeBus) -> AsyncIterator[Ears]:
    ears = Ears()
    task = asyncio.create_task(bus.run(ears))
    try:
        yield ears
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}


@asynccontextmanager
async def server_that_says(text: str) -> AsyncIterator[int]:
    """Something that answers every chunk it gets with `text`, in the clear."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(text.encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_a_broker_that_is_down_is_told_once_in_one_sentence(settings: Callable[[int], BusSettings]) -> None:
    port = free_port()
    bus = SpadeBus(settings(port))
    async with running(bus) as ears:
        reason = await asyncio.wait_for(ears.reasons.get(), 10)
        assert reason == f"broker localhost:{port} does not answer (connection refused); retrying"
        with pytest.raises(TimeoutError):  # three more attempts, and no more news
            await asyncio.wait_for(ears.reasons.get(), 1)
        assert not bus.connected
        await bus.send("coordinator@localhost", "lost without an error")


async def test_a_server_that_lets_us_in_without_tls_or_password_is_refused(
    settings: Callable[[int], BusSettings],
) -> None:
    impostor = (
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' id='1'>"
        "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"
    )
    bound = (
        "<iq type='result' id='{id}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        "<jid>north@localhost/1</jid></bind></iq>"
    )
    seen = b""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        writer.write(impostor.encode())
        while chunk := await reader.read(4096):
            seen += chunk
            if b" id=" in chunk and b"bind" in chunk:
                mark = chunk.split(b" id=")[1]
                writer.write(bound.format(id=mark[1 : mark.index(mark[:1], 1)].decode()).encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, running(SpadeBus(settings(server.sockets[0].getsockname()[1]))) as ears:
        reason = await asyncio.wait_for(ears.reasons.get(), 10)
        assert "without TLS or without a password" in reason
        assert ears.connections == 0
        assert b"secret" not in seen
        assert b"presence" not in seen


async def test_a_server_that_is_no_broker_does_not_hang_us(settings: Callable[[int], BusSettings]) -> None:
    async with server_that_says("HTTP/1.1 400 Bad Request\r\n\r\n") as port, running(SpadeBus(settings(port))) as ears:
        assert f"broker localhost:{port}" in await asyncio.wait_for(ears.reasons.get(), 10)
        assert ears.connections == 0


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        pytest.param("password", None, "the password file .* cannot be read", id="no password"),
        pytest.param("password", "\n", "the password file .* is empty", id="empty password"),
        pytest.param("ca.crt", None, "the CA file .* cannot be used", id="no authority"),
        pytest.param("ca.crt", "nonsense", "the CA file .* cannot be used", id="no certificate in it"),
    ],
)
async def test_a_file_that_cannot_be_used_ends_it_at_once(
    file: str, content: str | None, sentence: str, settings: Callable[[int], BusSettings], tmp_path: Path
) -> None:
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(content)
    with pytest.raises(InvalidSetting, match=sentence):
        await SpadeBus(settings(free_port())).run(Ears())


def test_delays_double_up_to_five_seconds_and_differ() -> None:
    delays = list(islice(backoff(Random(1)), 12))
    ceilings = [min(0.1 * 2**n, 5.0) for n in range(12)]
    assert all(ceiling / 2 <= delay <= ceiling for delay, ceiling in zip(delays, ceilings, strict=True))
    assert len({round(delay, 6) for delay in delays[-4:]}) == 4
