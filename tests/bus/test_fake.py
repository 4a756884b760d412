"""The fake network loses what a broker loses, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from consilia_bus.bus import Bus
from consilia_bus.fake import FakeBus, FakeNetwork


@dataclass
class Ears:
    heard: list[tuple[str, str]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    def on_message(self, sender: str, body: str) -> None:
        self.heard.append((sender, body))

    def on_connected(self) -> None:
        self.states.append("connected")

    def on_disconnected(self, reason: str) -> None:
        self.states.append(reason)


@asynccontextmanager
async def running(bus: Bus) -> AsyncIterator[Ears]:
    ears = Ears()
    task = asyncio.create_task(bus.run(ears))
    await asyncio.sleep(0)
    try:
        yield ears
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def turn() -> None:
    await asyncio.sleep(0)


async def test_messages_arrive_in_order_with_the_senders_full_address() -> None:
    network = FakeNetwork()
    north, coordinator = network.bus("north"), network.bus("coordinator")
    async with running(north), running(coordinator) as ears:
        await north.send("coordinator@localhost", "one")
        await north.send("coordinator@localhost", "two")
        assert ears.heard == []
        await turn()
        assert ears.heard == [(north.full_address, "one"), (north.full_address, "two")]


async def test_what_is_sent_to_an_absent_account_or_an_old_connection_is_lost() -> None:
    network = FakeNetwork()
    north, coordinator = network.bus("north"), network.bus("coordinator")
    async with running(north), running(coordinator) as ears:
        await north.send("south@localhost", "nobody")
        old = coordinator.full_address
        network.disconnect("coordinator", "gone")
        await north.send("coordinator@localhost", "lost")
        await turn()
        network.connect(coordinator)
        await north.send(old, "to the old connection")
        await north.send("coordinator@localhost", "kept")
        await turn()
        assert [body for _, body in ears.heard] == ["kept"]
        assert ears.states == ["connected", "gone", "connected"]


async def test_a_disconnected_sender_and_a_lossy_network_drop_messages() -> None:
    network = FakeNetwork(lose=lambda envelope: envelope.body == "unlucky")
    north, coordinator = network.bus("north"), network.bus("coordinator")
    async with running(north), running(coordinator) as ears:
        await north.send("coordinator@localhost", "unlucky")
        network.disconnect("north")
        await north.send("coordinator@localhost", "unsent")
        await turn()
        assert ears.heard == []
        assert [envelope.body for envelope in network.sent] == ["unlucky"]


async def test_a_cancelled_bus_leaves_the_network() -> None:
    network = FakeNetwork()
    bus: FakeBus = network.bus("north")
    async with running(bus):
        assert bus.connected
    assert not bus.connected
    assert network.connections == {}
