"""What is not valid, not ours or not asked for: refused with a sentence, and the run goes on."""

import asyncio

import numpy as np
import pytest

from consilia import protocol
from consilia.protocol import Decline, Heartbeat, Join, Order, Update, decode, encode, pack
from world import COHORTS, LIMIT_SECONDS, World, spec


class Impostor:
    """Speaks the protocol by hand, in the place of a hospital or of a stranger."""

    def __init__(self, world: World, account: str) -> None:
        self.heard: asyncio.Queue[protocol.AnyMessage] = asyncio.Queue()
        self.bus = world.network.bus(account)
        world.tasks[account] = asyncio.ensure_future(self.bus.run(self))

    def on_message(self, sender: str, body: str) -> None:
        self.heard.put_nowait(decode(body))

    def on_connected(self) -> None:
        pass

    def on_disconnected(self, reason: str) -> None:
        pass

    async def say(self, body: str | protocol.AnyMessage) -> None:
        await self.bus.send("coordinator@localhost", body if isinstance(body, str) else encode(body))

    async def hear(self, kind: type[protocol.AnyMessage]) -> protocol.AnyMessage:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not isinstance(message := await self.heard.get(), kind):
                pass
        return message


async def join_as(world: World, name: str) -> tuple[Impostor, Order]:
    """``name`` is played by hand; the others are real. The first order that it gets."""
    world.conductor.desire(1, spec(quorum=4))
    impostor = Impostor(world, name)
    await asyncio.sleep(0)
    await impostor.say(Join(instance="i", engine="sklearn"))
    await impostor.hear(protocol.Welcome)
    for other in sorted(set(COHORTS) - {name}):
        world.start_hospital(other)
    await world.until(lambda status: status.connected == 5 or status.round > 0)
    await impostor.say(Heartbeat(instance="i"))
    order = await impostor.hear(Order)
    assert isinstance(order, Order)
    return impostor, order


NAN = pack(np.array([np.nan] * 61))
BAD = [
    pytest.param("moo", "is not JSON", id="not JSON"),
    pytest.param('{"consilia":2,"type":"join"}', "protocol version 2; this process speaks version 1", id="version"),
    pytest.param('{"consilia":1,"type":"join","instance":5}', "instance is 5; it must be text", id="wrong type"),
    pytest.param(Decline(reason="the table is locked"), "the table is locked", id="declined"),
    pytest.param(protocol.Pulse(instance="i", joined=True), 'a hospital does not send "pulse"', id="wrong way"),
    pytest.param({"rows": 9, "vector": pack(np.zeros(30))}, "vector has 30 values; ", id="wrong length"),
    pytest.param({"rows": 9, "vector": NAN}, "not finite", id="NaN"),
    pytest.param({"rows": 9}, "has no vector", id="no vector"),
]


@pytest.mark.parametrize(("bad", "sentence"), BAD)
async def test_what_is_not_valid_is_refused_with_a_sentence_and_the_run_goes_on(
    world: World, bad: object, sentence: str
) -> None:
    impostor, order = await join_as(world, "north")
    if isinstance(bad, dict):
        size = world.conductor.status().round
        vector = bad.get("vector")
        if vector is NAN and order.task == "train":
            vector = pack(np.array([np.nan] * 31))
        bad = Update(order=order.key, rows=bad["rows"], vector=vector)
        assert size >= 0
    assert isinstance(bad, (str, protocol.Message))
    await impostor.say(bad)  # type: ignore[arg-type]
    status = await world.complete()
    (north,) = (hospital for hospital in status.hospitals if hospital.name == "north")
    assert north.phase == "Refused"
    assert north.reason is not None
    assert sentence in north.reason
    assert any(event.startswith("HospitalRefused: north: ") and sentence in event for event in world.events)


async def test_a_stranger_is_refused_by_name_and_told_once(world: World) -> None:
    world.conductor.desire(1, spec(suspend=True))
    stranger = Impostor(world, "mallory")
    await asyncio.sleep(0)
    for _ in range(3):
        await stranger.say(Join(instance="i", engine="sklearn"))
        refusal = await stranger.hear(protocol.Rejection)
        assert isinstance(refusal, protocol.Rejection)
        assert refusal.reason == '"mallory" is not a hospital of this federation: add it to spec.hospitals'
    assert sum("mallory" in event for event in world.events) == 1


async def test_a_hospital_takes_orders_from_the_coordinator_alone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.conductor.desire(1, spec(suspend=True))
    world.start_hospital("north")
    await world.until(lambda status: status.connected == 1)
    stranger = Impostor(world, "mallory")
    await asyncio.sleep(0)
    order = Order(federation="uid", run=1, round=0, attempt=1, task="moments", settings="0" * 64, participants="0" * 64)
    await stranger.bus.send("north@localhost", encode(order))
    await stranger.say(Join(instance="i", engine="sklearn"))
    await stranger.hear(protocol.Rejection)
    assert "only coordinator@localhost gives orders" in caplog.text
    assert not any(envelope.to.startswith("mallory") and "update" in envelope.body for envelope in world.network.sent)


@pytest.mark.parametrize(
    ("rows", "first", "sentence"),
    [
        pytest.param(9, -9.0, "the moments count -9 rows, and the answer says 9", id="a negative count"),
        pytest.param(9, 8.0, "the moments count 8 rows, and the answer says 9", id="another count"),
        pytest.param(9, 9.0, "a sum of squares is too small for its sum", id="of no table"),
    ],
)
async def test_moments_of_no_table_are_refused_before_they_count(
    world: World, rows: int, first: float, sentence: str
) -> None:
    impostor, order = await join_as(world, "north")
    assert order.task == "moments"
    vector = np.ones(61)
    vector[0], vector[1] = first, 1e6
    await impostor.say(Update(order=order.key, rows=rows, vector=pack(vector)))
    status = await world.complete()
    (north,) = (hospital for hospital in status.hospitals if hospital.name == "north")
    assert north.phase == "Refused"
    assert sentence in str(north.reason)
