"""A hospital whose vectors are blobs: real HTTPS to a coordinator, a bus in memory, and the test gives the orders."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from builders import cohort
from consilia.errors import InvalidData
from consilia.protocol import (
    LONGEST_REASON,
    Decline,
    Order,
    RunSettings,
    Task,
    Update,
    Welcome,
    decode,
    encode,
    pack,
    to_bytes,
)
from consilia.vectors import FloatArray
from consilia_agents.blob_client import BlobClient
from consilia_agents.custodian import Custodian
from consilia_agents.engine import Answer
from consilia_agents.hospital import Hospital
from consilia_agents.outbox import Outbox
from consilia_bus.fake import FakeNetwork
from deadline import until
from serving import DIGEST, LongObjective, Served, serve

LENGTH = 2049
OBJECTIVE = LongObjective(LENGTH, np.arange(float(LENGTH)))
SETTINGS = OBJECTIVE.settings(None)


class AddsOne:
    """An engine that adds 1 to the parameters; counts how often it was asked."""

    name = "adds-one"

    def __init__(self) -> None:
        self.asked = 0
        self.problem: str | None = None

    def prepare(self, settings: RunSettings) -> None:
        """There is nothing to read."""

    def answer(
        self, task: Task, settings: RunSettings, parameters: FloatArray | None, scored: FloatArray | None
    ) -> Answer:
        self.asked += 1
        if self.problem is not None:
            raise InvalidData(self.problem)
        assert parameters is not None
        return Answer(10, parameters + 1)


class Listening:
    """The coordinator's account at the bus: what it was told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_message(self, sender: str, body: str) -> None:
        self.heard.append(body)

    def on_connected(self) -> None:
        """The test knows."""

    def on_disconnected(self, reason: str) -> None:
        """The test knows."""

    def answers(self) -> list[str]:
        return [body for body in self.heard if isinstance(decode(body), Update | Decline)]


class Scene:
    """A coordinator's API, a hospital, and the orders between them."""

    def __init__(self, served: Served, folder: Path) -> None:
        self.served = served
        self.engine = AddsOne()
        self.folder = folder
        network = FakeNetwork()
        self._bus = network.bus("coordinator")
        self._listener = Listening()
        blobs = BlobClient(served.url, served.tls, folder / "blobs", first_pause=1e-4)
        hospital = Hospital(
            network.bus("north"),
            "coordinator@localhost",
            self.engine,
            Outbox(folder / "answers"),
            blobs,
            Custodian(cohort(), folder / "ledger"),
        )
        self.tasks = [asyncio.ensure_future(self._bus.run(self._listener)), asyncio.ensure_future(hospital.run())]

    async def tell(self, message: Welcome | Order) -> None:
        await self._bus.send("north@localhost", encode(message))

    def order(self, **fields: object) -> Order:
        order = Order(
            federation="uid",
            run=1,
            round=1,
            attempt=1,
            task="train",
            settings=SETTINGS.digest,
            participants=DIGEST,
            parameters=self.served.coordinator.learning.parameters("train"),
            ticket=self.served.coordinator.ticket("north"),
        )
        return order.model_copy(update=fields)

    async def ask(self, order: Order) -> str:
        """The hospital's answer to ``order``."""
        before = len(self._listener.answers())
        await self.tell(order)
        await until(lambda: len(self._listener.answers()) > before)
        return self._listener.answers()[-1]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with serve(tmp_path, lambda _spec, _run: OBJECTIVE) as served:
        served.coordinator.start()
        scene = Scene(served, tmp_path / "north")
        await until(lambda: bool(scene._listener.heard))
        await scene.tell(Welcome(federation="uid", instance="c", heartbeat_seconds=60, settings=SETTINGS))
        yield scene
        for task in scene.tasks:
            task.cancel()
        await asyncio.gather(*scene.tasks, return_exceptions=True)


async def test_a_large_answer_is_at_the_coordinator_before_it_is_told_of(scene: Scene) -> None:
    update = decode(await scene.ask(scene.order()))
    assert isinstance(update, Update)
    assert update.vector is not None
    assert not update.vector.inline
    expected = np.arange(float(LENGTH)) + 1
    assert update.vector == pack(expected)
    assert scene.served.coordinator.blobs.path(update.vector.sha256).read_bytes() == to_bytes(expected)


async def test_the_same_order_gets_the_same_bytes_without_being_computed_again(scene: Scene) -> None:
    first = await scene.ask(scene.order())
    again = await scene.ask(scene.order(ticket=scene.served.coordinator.ticket("north")))
    assert again == first
    assert scene.engine.asked == 1


async def test_a_coordinator_that_lost_the_blob_gets_it_again(scene: Scene) -> None:
    update = decode(await scene.ask(scene.order()))
    assert isinstance(update, Update)
    assert update.vector is not None
    blob = scene.served.coordinator.blobs.path(update.vector.sha256)
    blob.unlink()
    await scene.ask(scene.order())
    assert blob.exists()
    assert scene.engine.asked == 1


async def test_an_answer_whose_vector_is_gone_is_computed_again_to_the_same_bytes(scene: Scene) -> None:
    first = await scene.ask(scene.order())
    for file in (scene.folder / "blobs").iterdir():
        file.unlink()
    assert await scene.ask(scene.order()) == first
    assert scene.engine.asked == 2


async def test_parameters_that_are_not_what_the_order_promised_are_declined_with_the_reason(scene: Scene) -> None:
    order = scene.order()
    assert order.parameters is not None
    scene.served.coordinator.blobs.path(order.parameters.sha256).write_bytes(bytes(LENGTH * 8))
    answer = decode(await scene.ask(order))
    assert isinstance(answer, Decline)
    assert "does not have its digest" in answer.reason
    assert scene.engine.asked == 0


async def test_an_order_with_large_vectors_and_no_ticket_is_declined(scene: Scene) -> None:
    answer = decode(await scene.ask(scene.order(ticket=None)))
    assert isinstance(answer, Decline)
    assert "came without a ticket" in answer.reason


async def test_a_reason_longer_than_a_message_may_say_is_cut_and_still_told(scene: Scene) -> None:
    scene.engine.problem = "columns are missing: " + ", ".join(f"column {number}" for number in range(500))
    answer = decode(await scene.ask(scene.order()))
    assert isinstance(answer, Decline)
    assert answer.reason == scene.engine.problem[:LONGEST_REASON]
