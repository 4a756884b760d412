"""A coordinator and five hospitals: the whole protocol, with kills, losses and edits."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pytest

from consilia.errors import InvalidData, Refusal
from consilia.protocol import RunSettings, Task
from consilia.vectors import FloatArray
from consilia_agents.engine import Answer, CohortEngine
from consilia_agents.hospital import INTERNAL
from world import COHORTS, FEDERATION, World, spec


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


MISSING = InvalidData('column "mean radius" is missing from table biopsies: map it')
BUG = RuntimeError("row 7: Ada Lovelace, born 1815")
"""An error that nobody foresaw, and that names a patient."""


@dataclass
class Failing:
    """Riverside's engine, with an error where its data are prepared or an order is answered, until it is mended."""

    preparing: Exception | None = None
    answering: Exception | None = None
    name: str = "sklearn"
    engine: CohortEngine = field(default_factory=lambda: CohortEngine(COHORTS["riverside"]))

    def prepare(self, settings: RunSettings) -> None:
        if self.preparing is not None:
            raise self.preparing
        self.engine.prepare(settings)

    def answer(
        self, task: Task, settings: RunSettings, parameters: FloatArray | None, scored: FloatArray | None
    ) -> Answer:
        self.prepare(settings)
        if self.answering is not None:
            raise self.answering
        return self.engine.answer(task, settings, parameters, scored)


async def test_refused_data_block_a_run_that_needs_everybody_and_say_why(world: World) -> None:
    world.conductor.desire(1, FEDERATION.spec)
    world.start_hospital("riverside", Failing(MISSING))
    for name in sorted(set(COHORTS) - {"riverside"}):
        world.start_hospital(name)
    status = await world.until(lambda status: status.phase == "Blocked" and status.connected == 4)
    (condition,) = (condition for condition in status.conditions if condition.type == "DataAccepted")
    assert condition.status == "False"
    assert condition.message == 'riverside: column "mean radius" is missing from table biopsies: map it'


async def test_refused_data_do_not_stop_a_run_that_has_its_quorum(world: World) -> None:
    world.start_hospital("riverside", Failing(MISSING))
    for name in sorted(set(COHORTS) - {"riverside"}):
        world.start_hospital(name)
    world.conductor.desire(1, spec(quorum=4))
    status = await world.complete()
    assert [hospital.phase for hospital in status.hospitals if hospital.name == "riverside"] == ["Refused"]


@pytest.mark.parametrize("failing", [Failing(preparing=BUG), Failing(answering=BUG)], ids=["preparing", "answering"])
async def test_an_error_that_nobody_foresaw_declines_and_tells_nothing_of_what_it_says(
    world: World, failing: Failing
) -> None:
    world.start_hospital("riverside", failing)
    for name in sorted(set(COHORTS) - {"riverside"}):
        world.start_hospital(name)
    world.conductor.desire(1, spec(quorum=4))
    refused = ("riverside", "Refused", INTERNAL)
    await world.until(lambda status: refused in [(each.name, each.phase, each.reason) for each in status.hospitals])
    await world.complete()
    assert f"HospitalRefused: riverside: {INTERNAL}" in world.events
    assert not any("Lovelace" in envelope.body for envelope in world.network.sent)


async def test_a_hospital_whose_data_were_mended_comes_in_again(world: World, reference: str) -> None:
    world.conductor.desire(1, FEDERATION.spec)
    failing = Failing(MISSING)
    world.start_hospital("riverside", failing)
    for name in sorted(set(COHORTS) - {"riverside"}):
        world.start_hospital(name)
    await world.until(lambda status: status.phase == "Blocked" and status.connected == 4)
    failing.preparing = None
    await world.complete()
    assert world.model == reference


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
