"""A coordinator and five hospitals over a network in memory: the whole protocol; only the broker is not real."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
from consilia import protocol
from consilia.errors import InvalidData, Refusal
from consilia.manifest import parse
from consilia.protocol import Decline, Heartbeat, Join, Order, RunSettings, Task, Update, decode, encode, pack
from consilia.spec import FederationSpec
from consilia.status import FederationStatus
from consilia.vectors import FloatArray
from consilia_agents.blob_client import BlobClient
from consilia_agents.engine import Answer, CohortEngine, Engine
from consilia_agents.hospital import Hospital
from consilia_agents.outbox import Outbox
from consilia_bus.fake import FakeBus, FakeNetwork
from consilia_coordinator.blobs import BlobStore
from consilia_coordinator.clock import SystemClock
from consilia_coordinator.conductor import Conductor
from consilia_coordinator.hospitals import Hospitals
from consilia_coordinator.journal_file import JournalFile
from consilia_coordinator.learning import Learning
from consilia_coordinator.objective import SpecObjective

EXAMPLE = Path(__file__).parents[2] / "examples" / "breast-cancer.yaml"
MANIFEST = parse(EXAMPLE.read_text(), EXAMPLE.name)
FEDERATION = MANIFEST.federations[0]
COHORTS = MANIFEST.cohorts_of(FEDERATION)
LIMIT_SECONDS = 20


class World:
    """A federation whose processes can be killed and started one by one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = FakeNetwork()
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.journal: JournalFile | None = None
        self.conductor: Conductor

    def start_coordinator(self) -> None:
        self.journal = JournalFile(self.folder / "journal")
        learning = Learning(BlobStore(self.folder / "blobs"), self.journal.history, SpecObjective)
        clock = SystemClock()
        self.conductor = Conductor(self.journal, learning, clock)
        bus = self.network.bus("coordinator")
        hospitals = Hospitals(self.conductor, learning, bus, clock, "uid", lambda name: f"ticket of {name}")
        self.conductor.resume()
        self.tasks["coordinator"] = asyncio.ensure_future(self._run(bus, hospitals))

    @staticmethod
    async def _run(bus: FakeBus, hospitals: Hospitals) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(bus.run(hospitals))
            group.create_task(hospitals.watch())

    def start_hospital(self, name: str, engine: Engine | None = None) -> None:
        folder = self.folder / name
        hospital = Hospital(
            self.network.bus(name),
            "coordinator@localhost",
            engine or CohortEngine(COHORTS[name]),
            Outbox(folder / "answers"),
            BlobClient("https://localhost:1", ssl.create_default_context(), folder / "blobs"),
        )
        self.tasks[name] = asyncio.ensure_future(hospital.run())

    def start_hospitals(self, order: list[str] | None = None) -> None:
        for name in order or sorted(COHORTS):
            self.start_hospital(name)

    async def kill(self, name: str) -> None:
        """Gone without a word, as by SIGKILL; only what was written to the kernel is left."""
        task = self.tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if name == "coordinator" and self.journal is not None:
            self.journal._due = []
            self.journal.close()

    async def until(self, wanted: Callable[[FederationStatus], bool]) -> FederationStatus:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not wanted(self.conductor.status()):
                await self.conductor.changed(self.conductor.version, 1.0)
        return self.conductor.status()

    async def complete(self) -> FederationStatus:
        return await self.until(lambda status: status.phase == "Complete")

    @property
    def events(self) -> list[str]:
        assert self.journal is not None
        return [
            f"{item.reason}: {item.message}" for _, item in self.journal.history.feed if not isinstance(item, tuple)
        ]

    @property
    def model(self) -> str:
        """The final model's digest."""
        assert self.journal is not None
        current = self.journal.history.current
        assert current is not None
        assert current.parameters is not None
        return current.parameters.sha256

    async def close(self) -> None:
        for name in list(self.tasks):
            await self.kill(name)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    world.start_coordinator()
    yield world
    await world.close()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the undisturbed run's model."""

    async def run() -> str:
        world = World(tmp_path_factory.mktemp("reference"))
        world.start_coordinator()
        world.conductor.desire(1, FEDERATION.spec)
        world.start_hospitals()
        await world.complete()
        digest = world.model
        await world.close()
        return digest

    return asyncio.run(run())


def spec(**changes: object) -> FederationSpec:
    return FEDERATION.spec.model_copy(update=changes)


async def test_five_hospitals_train_one_model_and_every_round_is_scored(world: World) -> None:
    world.conductor.desire(1, FEDERATION.spec)
    world.start_hospitals()
    status = await world.complete()
    assert (status.round, status.connected, status.private) == (10, 5, False)
    assert status.metrics is not None
    assert status.metrics.accuracy is not None
    assert status.metrics.accuracy > 0.95
    assert world.journal is not None
    current = world.journal.history.current
    assert current is not None
    assert sorted(current.rounds) == list(range(1, 11))
    for record in current.rounds.values():
        assert sorted(record.hospitals) == sorted(COHORTS)
        assert all(scores.loss is not None for scores in record.hospitals.values())
    assert [event.split(":")[0] for event in world.events] == ["Started", "QuorumReached", "Completed"]


async def test_the_order_in_which_hospitals_come_does_not_change_a_bit(world: World, reference: str) -> None:
    world.start_hospitals(sorted(COHORTS, reverse=True))
    world.conductor.desire(1, FEDERATION.spec)
    await world.complete()
    assert world.model == reference


@pytest.mark.parametrize("victim", ["coordinator", "lakeside", "north"])
@pytest.mark.parametrize("at", [0, 3, 9])
async def test_a_kill_and_a_restart_do_not_change_a_bit(world: World, reference: str, victim: str, at: int) -> None:
    world.conductor.desire(1, FEDERATION.spec)
    world.start_hospitals()
    await world.until(lambda status: status.round >= at)
    await world.kill(victim)
    if victim == "coordinator":
        world.start_coordinator()
    else:
        world.start_hospital(victim)
    await world.complete()
    assert world.model == reference


async def test_lost_messages_are_sent_again(world: World, reference: str) -> None:
    dice = np.random.default_rng(7)
    lost = 0

    def lose(_envelope: object) -> bool:
        nonlocal lost
        hit = bool(dice.random() < 0.05)
        lost += hit
        return hit

    world.network.lose = lose
    world.conductor.desire(1, FEDERATION.spec)
    world.start_hospitals()
    await world.complete()
    assert lost > 0
    assert world.model == reference


async def test_a_broker_that_cuts_the_coordinator_off_loses_nobody(world: World, reference: str) -> None:
    world.conductor.desire(1, FEDERATION.spec)
    world.start_hospitals()
    await world.until(lambda status: status.round >= 2)
    bus = world.network.connections["coordinator@localhost"]
    world.network.disconnect("coordinator")
    assert "closed the connection" in world.conductor.status().message
    world.network.connect(bus)
    await world.complete()
    assert world.model == reference
    assert not any("HospitalLost" in event for event in world.events)


async def test_with_one_lost_the_rounds_go_on_with_the_quorum_until_it_rejoins(world: World) -> None:
    world.conductor.desire(1, spec(quorum=4, rounds=100_000))
    world.start_hospitals()
    await world.until(lambda status: status.connected == 5)
    await world.kill("lakeside")
    status = await world.until(lambda status: any(h.phase == "Lost" for h in status.hospitals))
    assert [hospital.reason for hospital in status.hospitals if hospital.name == "lakeside"] == [
        "no sign of life (process, machine or network down)"
    ]
    lost_at = status.round
    await world.until(lambda status: status.round > lost_at + 3)
    world.start_hospital("lakeside")
    await world.until(lambda status: any(h.name == "lakeside" and h.phase == "Sent" for h in status.hospitals))
    assert any(event.startswith("HospitalRejoined: lakeside") for event in world.events)
    world.conductor.desire(1, spec(quorum=4, rounds=1))
    await world.complete()


async def test_stop_start_more_rounds_and_a_new_run(world: World) -> None:
    world.conductor.desire(1, spec(suspend=True, rounds=3))
    world.start_hospitals()
    await world.until(lambda status: status.connected == 5)
    assert world.conductor.status().phase == "Idle"
    world.conductor.desire(1, spec(rounds=3))
    await world.complete()
    world.conductor.desire(1, spec(rounds=5))
    status = await world.until(lambda status: status.phase == "Complete" and status.round == 5)
    first = world.model
    world.conductor.desire(2, spec(rounds=5))
    status = await world.until(lambda status: status.phase == "Complete" and status.run == 2)
    assert status.round == 5
    assert world.model == first, "a new run starts from a fresh model"
    with pytest.raises(Refusal, match="run 1 is over: the current run is 2"):
        world.conductor.desire(1, spec())


async def test_an_edit_that_cannot_hold_in_mid_run_is_told(world: World) -> None:
    world.conductor.desire(1, spec(suspend=True))
    world.conductor.desire(1, spec(rounds=4, seed=7))
    assert "TargetChanged: 4 rounds instead of 10" in world.events
    assert "EditDeferred: spec.seed: holds from the next run on" in world.events


class Unusable:
    """An engine whose data are refused."""

    name = "sklearn"

    def prepare(self, settings: RunSettings) -> None:
        raise InvalidData('column "mean radius" is missing from table biopsies: map it')

    def answer(self, task: Task, settings: RunSettings, parameters: FloatArray | None) -> Answer:
        self.prepare(settings)
        raise AssertionError("data that are refused were used")


async def test_refused_data_block_a_run_that_needs_everybody_and_say_why(world: World) -> None:
    world.conductor.desire(1, FEDERATION.spec)
    world.start_hospital("riverside", Unusable())
    for name in sorted(set(COHORTS) - {"riverside"}):
        world.start_hospital(name)
    status = await world.until(lambda status: status.phase == "Blocked" and status.connected == 4)
    (condition,) = (condition for condition in status.conditions if condition.type == "DataAccepted")
    assert condition.status == "False"
    assert condition.message == 'riverside: column "mean radius" is missing from table biopsies: map it'


async def test_refused_data_do_not_stop_a_run_that_has_its_quorum(world: World) -> None:
    world.start_hospital("riverside", Unusable())
    for name in sorted(set(COHORTS) - {"riverside"}):
        world.start_hospital(name)
    world.conductor.desire(1, spec(quorum=4))
    status = await world.complete()
    assert [hospital.phase for hospital in status.hospitals if hospital.name == "riverside"] == ["Refused"]


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


async def test_an_answer_that_comes_twice_or_for_another_round_changes_nothing(world: World, reference: str) -> None:
    await_settings = COHORTS["north"]
    engine = CohortEngine(await_settings)
    world.conductor.desire(1, FEDERATION.spec)
    world.start_hospitals()
    await world.until(lambda status: status.round >= 1)
    updates = [envelope for envelope in world.network.sent if '"type":"update"' in envelope.body]
    for envelope in updates[:20]:
        world.network.carry(envelope)
        world.network.carry(envelope)
    await world.complete()
    assert world.model == reference
    assert engine.name == "sklearn"


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
