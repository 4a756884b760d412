"""Buses over both real brokers, each a process of its own: what is promised is seen to happen."""

import asyncio
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from brokers import ACCOUNTS, DEADLINE, Broker, Ears, exchange, make_broker, running
from consilia.errors import InvalidSetting
from consilia.pki import Authority, make_authority
from consilia_bus.spade_bus import SpadeBus

pytestmark = pytest.mark.real


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
