"""Buses over both real brokers, each a process of its own: what is promised is seen to happen on the wire."""

import asyncio
import base64
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from consilia.errors import InvalidSetting
from consilia.pki import Authority, make_authority
from consilia_bus.settings import BusSettings
from consilia_bus.spade_bus import SpadeBus
from consilia_local.broker import BrokerFolder, write_broker_folder

pytestmark = pytest.mark.real

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
        deadline = time.monotonic() + DEADLINE
        while not self.listens():
            assert self.process.poll() is None, "the broker ended instead of listening"
            assert time.monotonic() < deadline, "the broker does not listen"
            time.sleep(0.02)

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


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority("consortium/breast-cancer", datetime.now(UTC), days=1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_broker(kind: str, place: Path, authority: Authority) -> Broker:
    (place / "ca.crt").write_bytes(authority.cert_pem)
    certificate = authority.issue(["localhost"], datetime.now(UTC))
    folder = write_broker_folder(place / "broker", "localhost", free_port(), ACCOUNTS, certificate)
    return Broker(kind, folder, place / "ca.crt")


@pytest.fixture(scope="module", params=["embedded", "prosody"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Broker]:
    """A broker that no test of this module stops."""
    broker = make_broker(request.param, tmp_path_factory.mktemp(request.param), authority)
    broker.start()
    yield broker
    broker.kill(signal.SIGTERM)


@pytest.fixture(params=["embedded", "prosody"])
def mortal(request: pytest.FixtureRequest, tmp_path: Path, authority: Authority) -> Iterator[Broker]:
    """A broker of this test's own."""
    broker = make_broker(request.param, tmp_path, authority)
    broker.start()
    yield broker
    broker.kill()


async def test_messages_pass_both_ways_with_the_senders_address(shared: Broker) -> None:
    north, coordinator = shared.bus("north"), shared.bus("coordinator")
    async with running(north) as north_ears, running(coordinator) as ears:
        sender = await exchange(north, coordinator, ears, "hello")
        assert sender.startswith("north@localhost/")
        await coordinator.send(sender, "to this connection")
        await coordinator.send("north@localhost", "to whatever connection")
        assert [(await north_ears.message())[1] for _ in range(2)] == ["to this connection", "to whatever connection"]


async def test_a_body_of_64_kb_arrives_as_it_was_sent(shared: Broker) -> None:
    north, coordinator = shared.bus("north"), shared.bus("coordinator")
    body = ("<&>\"'ä€\n" * 9000)[:65_000]
    async with running(north), running(coordinator) as ears:
        await exchange(north, coordinator, ears, "ready")
        await north.send(coordinator.address, body)
        assert (await ears.message())[1] == body


async def test_messages_arrive_in_the_order_in_which_they_were_sent(shared: Broker) -> None:
    north, coordinator = shared.bus("north"), shared.bus("coordinator")
    async with running(north), running(coordinator) as ears:
        await exchange(north, coordinator, ears, "ready")
        for number in range(200):
            await north.send(coordinator.address, str(number))
        assert [(await ears.message())[1] for _ in range(200)] == [str(number) for number in range(200)]


async def test_a_wrong_password_is_told_in_one_sentence(shared: Broker, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("guess")
    settings = replace(shared.settings("north"), password_file=tmp_path / "wrong")
    async with running(SpadeBus(settings), connected=False) as ears:
        reason = await ears.reason()
        assert reason == (
            f"broker localhost:{settings.port} refuses the password of north@localhost; "
            f"check {tmp_path / 'wrong'}; retrying"
        )
        (tmp_path / "wrong").write_text(ACCOUNTS["north"])
        await ears.connected()


async def test_a_wrong_password_ends_the_bus_where_it_is_told_so(shared: Broker, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("guess")
    settings = replace(shared.settings("north"), password_file=tmp_path / "wrong")
    with pytest.raises(InvalidSetting, match="refuses the password of north@localhost"):
        await asyncio.wait_for(SpadeBus(settings, retry_refused=False).run(Ears()), DEADLINE)


async def test_an_account_that_does_not_exist_is_refused(shared: Broker, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("anything")
    settings = replace(shared.settings("north"), account="stranger", password_file=tmp_path / "password")
    with pytest.raises(InvalidSetting, match="refuses the password of stranger@localhost"):
        await asyncio.wait_for(SpadeBus(settings, retry_refused=False).run(Ears()), DEADLINE)


async def test_a_broker_of_another_authority_is_refused(shared: Broker, tmp_path: Path) -> None:
    (tmp_path / "other.crt").write_bytes(make_authority("consortium/breast-cancer", datetime.now(UTC), 1).cert_pem)
    settings = replace(shared.settings("north"), ca_file=tmp_path / "other.crt")
    async with running(SpadeBus(settings), connected=False) as ears:
        assert f"shows a certificate that {tmp_path / 'other.crt'} does not vouch for" in await ears.reason()
        assert not ears.up.is_set()


async def test_a_certificate_of_another_name_is_refused(tmp_path: Path, authority: Authority) -> None:
    broker = make_broker("embedded", tmp_path, authority)
    other = authority.issue(["elsewhere"], datetime.now(UTC))
    broker.folder.certificate.write_bytes(other.cert_pem)
    broker.folder.key.write_bytes(other.key_pem)
    broker.start()
    try:
        async with running(broker.bus("north"), connected=False) as ears:
            assert "Hostname mismatch" in await ears.reason()
            assert not ears.up.is_set()
    finally:
        broker.kill(signal.SIGTERM)


async def test_a_new_password_in_the_folder_counts_from_the_next_login(shared: Broker, tmp_path: Path) -> None:
    (shared.folder.path / "accounts" / "south").write_text("rotated")
    (tmp_path / "password").write_text("rotated")
    async with running(SpadeBus(replace(shared.settings("south"), password_file=tmp_path / "password"))):
        pass
    (shared.folder.path / "accounts" / "south").write_text(ACCOUNTS["south"])


async def test_nobody_can_write_another_sender(shared: Broker) -> None:
    north, coordinator = shared.bus("north"), shared.bus("coordinator")
    async with running(north), running(coordinator) as ears:
        await exchange(north, coordinator, ears, "ready")
        assert north._session is not None
        north._session.write(
            "<message from='south@localhost/1' to='coordinator@localhost' type='chat'><body>forged</body></message>"
        )
        await north.send(coordinator.address, "honest")
        heard = [await ears.message()]
        if heard[0][1] == "forged":
            heard.append(await ears.message())
        assert all(sender.startswith("north@localhost/") for sender, _ in heard)


async def test_nothing_is_kept_for_an_absent_receiver(shared: Broker) -> None:
    north, south = shared.bus("north"), shared.bus("south")
    async with running(north) as north_ears:
        await north.send(south.address, "while you were out")
        await exchange(north, north, north_ears, "the broker has handled what came before this")
        async with running(south) as ears:
            await exchange(north, south, ears, "welcome")
            assert ears.heard.empty()


async def test_a_second_login_takes_the_place_of_the_first(shared: Broker) -> None:
    coordinator, dead, restarted = shared.bus("coordinator"), shared.bus("north"), shared.bus("north")
    async with running(coordinator):
        dead_ears = Ears()
        zombie = asyncio.create_task(dead.run(dead_ears))
        await dead_ears.connected()
        async with running(restarted) as ears:
            assert "another process has logged in as north@localhost" in await dead_ears.reason()
            zombie.cancel()
            await asyncio.gather(zombie, return_exceptions=True)
            await ears.connected()
            await exchange(coordinator, restarted, ears, "you alone")


async def test_a_restarted_peer_is_reached_by_the_same_address(shared: Broker) -> None:
    north = shared.bus("north")
    async with running(north):
        for life in ("first", "second", "third"):
            coordinator = shared.bus("coordinator")
            async with running(coordinator) as ears:
                await exchange(north, coordinator, ears, life)


async def test_what_a_listener_raises_comes_out_of_run(shared: Broker) -> None:
    class Broken(Ears):
        def on_message(self, sender: str, body: str) -> None:
            raise LookupError(body)

    north, coordinator, ears = shared.bus("north"), shared.bus("coordinator"), Broken()
    failing = asyncio.create_task(coordinator.run(ears))
    await ears.connected()
    async with running(north):
        while not failing.done():
            await north.send(coordinator.address, "trouble")
            await asyncio.wait([failing], timeout=0.2)
    with pytest.raises(LookupError, match="trouble"):
        await failing


async def test_a_bus_comes_back_after_its_broker_was_killed(mortal: Broker) -> None:
    north, coordinator = mortal.bus("north"), mortal.bus("coordinator")
    async with running(north) as north_ears, running(coordinator) as ears:
        await exchange(north, coordinator, ears, "before")
        mortal.kill()
        for each in (north_ears, ears):
            assert f"broker localhost:{mortal.folder.port}" in await each.reason()
        assert not north.connected
        mortal.start()
        for each in (north_ears, ears):
            await each.connected()
        await exchange(north, coordinator, ears, "after")


async def test_a_broker_that_hangs_is_noticed(mortal: Broker) -> None:
    settings = replace(mortal.settings("north"), ping_seconds=0.3)
    async with running(SpadeBus(settings)) as ears:
        assert mortal.process is not None
        mortal.process.send_signal(signal.SIGSTOP)
        assert "has not answered a ping for 0.3 s" in await ears.reason()
        mortal.process.send_signal(signal.SIGCONT)
        await ears.connected()


async def test_a_killed_peer_is_forgotten_and_its_successor_reached(mortal: Broker) -> None:
    north, coordinator = mortal.bus("north"), mortal.bus("coordinator")
    async with running(north) as first:
        async with running(coordinator) as ears:
            await exchange(north, coordinator, ears, "first")
            assert coordinator._session is not None
            coordinator._session.client.abort()  # as when the process dies: no goodbye
            assert "closed the connection" in await ears.reason()
            await ears.connected()
            await exchange(north, coordinator, ears, "second")
        assert first.up.is_set()


@pytest.mark.parametrize("kind", ["embedded", "prosody"])
def test_a_taken_port_is_told_in_one_sentence(kind: str, tmp_path: Path, authority: Authority) -> None:
    broker = make_broker(kind, tmp_path, authority)
    with socket.create_server(("127.0.0.1", broker.folder.port)):
        command = [sys.executable, "-m", "consilia_local.broker", kind, str(broker.folder.path)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert ended.returncode == 1
    assert ended.stderr == f"broker: port {broker.folder.port} of 127.0.0.1 is taken; stop what listens there\n"


@pytest.mark.parametrize("kind", ["embedded", "prosody"])
def test_a_broker_ends_on_sigterm_and_leaves_its_port(kind: str, tmp_path: Path, authority: Authority) -> None:
    broker = make_broker(kind, tmp_path, authority)
    broker.start()
    broker.kill(signal.SIGTERM)
    assert not broker.listens()
    broker.start()
    broker.kill(signal.SIGTERM)


class Wire:
    """XMPP by hand, for what no honest client does."""

    OPEN = (
        "<stream:stream to='localhost' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    )

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._socket = socket.create_connection(("127.0.0.1", broker.folder.port), timeout=DEADLINE)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, text: str, *awaited: str) -> str:
        """Send `text`, and read until one of `awaited` or the end of the stream."""
        self._socket.sendall(text.encode())
        answer = ""
        while not any(mark in answer for mark in awaited):
            chunk = self._socket.recv(65536)
            if not chunk:
                break
            answer += chunk.decode()
        return answer

    def encrypt(self) -> str:
        """Begin TLS; the features that are offered inside it."""
        self.say(self.OPEN, "features>")
        self.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "proceed")
        context = ssl.create_default_context(cafile=self._broker.ca_file)
        self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        return self.say(self.OPEN, "features>")


def plain(account: str, password: str) -> str:
    secret = base64.b64encode(f"\x00{account}\x00{password}".encode()).decode()
    return f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"


def test_nothing_but_tls_is_offered_in_the_clear(shared: Broker) -> None:
    with Wire(shared) as wire:
        features = wire.say(Wire.OPEN, "features>")
        assert "starttls" in features
        assert "mechanism" not in features
        assert "success" not in wire.say(plain("north", ACCOUNTS["north"]), "success", "</stream", "failure", "error")


def test_prosody_offers_scram_alone_and_the_embedded_broker_plain_inside_tls(shared: Broker) -> None:
    with Wire(shared) as wire:
        features = wire.encrypt()
    offered = {name for name in ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "DIGEST-MD5") if f">{name}<" in features}
    assert offered == ({"PLAIN"} if shared.kind == "embedded" else {"SCRAM-SHA-1", "SCRAM-SHA-256"})


def test_prosody_refuses_a_password_in_the_clear_even_inside_tls(shared: Broker) -> None:
    if shared.kind == "prosody":
        with Wire(shared) as wire:
            wire.encrypt()
            answer = wire.say(plain("north", ACCOUNTS["north"]), "success", "failure", "</stream")
            assert "invalid-mechanism" in answer


def test_registration_is_neither_offered_nor_done(shared: Broker) -> None:
    with Wire(shared) as wire:
        assert "register" not in wire.encrypt()
        answer = wire.say(
            "<iq type='set' id='r1'><query xmlns='jabber:iq:register'><username>mallory</username>"
            "<password>chosen</password></query></iq>",
            "</iq>",
            "/>",
            "</stream",
        )
        assert "result" not in answer
    assert not (shared.folder.path / "accounts" / "mallory").exists()


def test_bytes_that_are_not_xmpp_cost_only_their_own_connection(shared: Broker) -> None:
    for rubbish in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        os.urandom(64),
        b"</a>",
    ):
        with socket.create_connection(("127.0.0.1", shared.folder.port), timeout=DEADLINE) as peer:
            peer.sendall(rubbish)
    with Wire(shared) as wire:
        assert "mechanism" in wire.encrypt()


def test_it_listens_on_loopback_alone_and_only_one_port(shared: Broker) -> None:
    assert shared.process is not None
    inodes = set()
    for entry in Path(f"/proc/{shared.process.pid}/fd").iterdir():
        target = entry.readlink().name
        if target.startswith("socket:"):
            inodes.add(target[8:-1])
    listening = {
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[9] in inodes
    }
    assert listening == {f"0100007F:{shared.folder.port:04X}"}
