"""Private runs, whole: a coordinator and three hospitals, with budgets, restarts, edits and an early end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilia.journal import AnyFact, History, OrderWritten, UpdateReceived, decode, encode
from consilia.manifest import parse
from consilia.privacy.dp_fedsgd import Centre, average_of_last_half
from consilia.protocol import AnyMessage, Heartbeat, Join, Order, Task, Update, Welcome, unpack
from consilia.protocol import decode as read_message
from consilia.protocol import encode as write_message
from consilia.spec import Budget, Cohort, FederationSpec
from consilia.status import LedgerState, LedgerWitness
from world import LIMIT_SECONDS, World

EXAMPLE = Path(__file__).parents[2] / "examples" / "breast-cancer.yaml"
MANIFEST = parse(EXAMPLE.read_text(), EXAMPLE.name)
FEDERATION = MANIFEST.federations[0]
NAMES = ("hillview", "lakeside", "north")
ROUNDS = 4


def spec(epsilon: float = 1.0, hospitals: tuple[str, ...] = NAMES, **changes: Any) -> FederationSpec:
    """The example, with three of its hospitals and few rounds."""
    chosen = [hospital for hospital in FEDERATION.spec.hospitals if hospital.name in hospitals]
    privacy = FEDERATION.spec.privacy.model_copy(update={"epsilon": epsilon})
    fields = {"hospitals": chosen, "rounds": ROUNDS, "privacy": privacy, **changes}
    return FEDERATION.spec.model_copy(update=fields)


def cohorts(budget: float = 20.0, exact: tuple[str, ...] = ()) -> dict[str, Cohort]:
    """Every hospital's cohort with this budget; those named in ``exact`` score without noise."""
    found = {}
    for name, cohort in MANIFEST.cohorts_of(FEDERATION).items():
        holdout = cohort.spec.holdout.model_copy(update={"metrics": "exact" if name in exact else "noised"})
        fields = {"budget": Budget(epsilon=budget), "holdout": holdout}
        found[name] = cohort.model_copy(update={"spec": cohort.spec.model_copy(update=fields)})
    return found


@asynccontextmanager
async def federation(folder: Path, **of_cohorts: Any) -> AsyncIterator[World]:
    world = World(folder, cohorts(**of_cohorts))
    world.start_coordinator()
    try:
        yield world
    finally:
        await world.close()


def facts_of(world: World) -> list[AnyFact]:
    return decode((world.folder / "journal").read_bytes(), "journal")[0]


def history_of(world: World) -> History:
    assert world.journal is not None
    return world.journal.history


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 2.0])
async def test_a_private_run_of_three_hospitals_reaches_its_model_and_tells_what_it_cost(
    tmp_path: Path, epsilon: float
) -> None:
    async with federation(tmp_path) as world:
        world.conductor.desire(1, spec(epsilon))
        world.start_hospitals(list(NAMES))
        status = await world.complete()
        events = world.events
    assert (status.phase, status.round, status.private) == ("Complete", ROUNDS, True)
    assert status.metrics is not None
    assert status.metrics.accuracy is not None
    assert status.metrics.accuracy > 0.6
    assert status.privacy is not None
    # The final evaluation has all of the promise; and holdout patients are in nothing else.
    assert status.privacy.epsilon_spent == pytest.approx(epsilon, rel=1e-9)
    assert status.privacy.epsilon_spent <= epsilon * (1 + 1e-9)
    assert status.privacy.epsilon_replace_one > epsilon
    assert status.privacy.holdout == "noised"
    for hospital in status.hospitals:
        assert hospital.rows is None
        assert hospital.ledger is not None
        assert hospital.ledger.run_spent == pytest.approx(epsilon, rel=1e-9)
        assert 20 - epsilon <= hospital.ledger.remaining < 20
    assert events[0] == f"Started: run 1: {ROUNDS} rounds, quorum 3, epsilon {epsilon:g} (delta 1e-5)"
    (budget,) = (each for each in status.conditions if each.type == "PrivacyBudgetAvailable")
    assert (budget.status, budget.reason) == ("True", "BudgetAvailable")


async def test_the_model_is_the_average_of_the_last_half_of_the_iterates_in_plain_weights(tmp_path: Path) -> None:
    async with federation(tmp_path) as world:
        world.conductor.desire(1, spec(2.0))
        world.start_hospitals(list(NAMES))
        await world.complete()
        run = history_of(world).runs[1]
        sent = [read_message(each.body) for each in world.network.sent if '"type":"order"' in each.body]
    assert run.opened is not None
    assert run.released is not None
    iterates = [unpack(iterate) for iterate in run.iterates]
    assert len(iterates) == ROUNDS
    centre = Centre.of(unpack(run.opened), 455)
    np.testing.assert_array_equal(unpack(run.released), centre.weights(average_of_last_half(iterates)))
    orders = {(order.task, order.round): order for order in sent if isinstance(order, Order)}
    assert [task for task, _ in sorted(orders, key=lambda key: (key[0] == "evaluate", key[1]))] == [
        "centre",
        *["train"] * ROUNDS,
        "evaluate",
    ]
    assert orders["train", 1].scored is None
    assert orders["train", 2].scored is not None
    assert orders["train", 2].parameters == run.iterates[0]
    assert orders["train", 2].scored.sha256 != orders["train", 2].parameters.sha256
    assert orders["evaluate", ROUNDS].parameters == run.released
    assert orders["evaluate", ROUNDS].scored is None


async def test_exact_cohorts_score_every_round_and_noised_ones_the_last_within_their_bars(tmp_path: Path) -> None:
    async with federation(tmp_path, budget=100.0, exact=("north",)) as world:
        world.conductor.desire(1, spec(50.0))
        world.start_hospitals(list(NAMES))
        status = await world.complete()
        rounds = history_of(world).runs[1].rounds
    assert status.privacy is not None
    assert status.privacy.holdout == "mixed"
    for number in range(1, ROUNDS + 1):
        assert rounds[number].hospitals["north"].loss is not None
        assert rounds[number].hospitals["north"].errors is None
    for name in ("hillview", "lakeside"):
        assert all(rounds[number].hospitals[name].loss is None for number in range(1, ROUNDS))
        last = rounds[ROUNDS].hospitals[name]
        assert last.accuracy is not None, "at epsilon 50 the noise hides no accuracy"
        assert last.errors is not None
        assert last.errors.accuracy is not None
        assert 0 < last.errors.accuracy <= 0.1
    seen = {hospital.name: hospital for hospital in status.hospitals}
    assert seen["hillview"].errors is not None
    assert seen["north"].errors is None
    # North's holdout patients are outside of the promise, and its training patients did not need the reserve.
    epsilons = rounds[ROUNDS].epsilons
    assert epsilons is not None
    assert epsilons["north"] < epsilons["lakeside"]
    assert [rounds[number].epsilons["north"] for number in (1, 2, 3)] == sorted(  # type: ignore[index]
        rounds[number].epsilons["north"]  # type: ignore[index]
        for number in (1, 2, 3)
    )


async def test_hospitals_without_the_budget_block_the_run_and_say_what_remains_until_one_asks_for_less(
    tmp_path: Path,
) -> None:
    async with federation(tmp_path, budget=0.6) as world:
        world.conductor.desire(1, spec(1.0))
        world.start_hospitals(list(NAMES))
        status = await world.until(
            lambda status: status.phase == "Blocked" and all(each.phase == "Refused" for each in status.hospitals)
        )
        assert not [fact for fact in facts_of(world) if isinstance(fact, UpdateReceived)]
        world.conductor.desire(2, spec(0.5))
        assert (await world.complete()).connected == len(NAMES)
    (data,) = (each for each in status.conditions if each.type == "DataAccepted")
    assert data.reason != "DataRefused"
    (budget,) = (each for each in status.conditions if each.type == "PrivacyBudgetAvailable")
    assert (budget.status, budget.reason) == ("False", "BudgetExceeded")
    assert budget.message.startswith("hillview: ")
    assert "0.6" in budget.message


# Early end, more rounds, other hospitals.


async def test_a_run_that_ends_early_has_the_average_of_what_it_did(tmp_path: Path) -> None:
    async with federation(tmp_path) as world:
        world.conductor.desire(1, spec(rounds=500))
        world.start_hospitals(list(NAMES))
        await world.until(lambda status: status.round >= 3)
        world.conductor.desire(1, spec(rounds=3))
        status = await world.complete()
        run = history_of(world).runs[1]
    assert 3 <= status.round < 500
    assert run.released is not None
    assert len(run.iterates) == status.round
    assert run.opened is not None
    expected = Centre.of(unpack(run.opened), 455).weights(
        average_of_last_half([unpack(iterate) for iterate in run.iterates])
    )
    np.testing.assert_array_equal(unpack(run.released), expected)
    assert status.privacy is not None
    assert status.privacy.epsilon_spent <= 1 + 1e-9


async def test_more_rounds_than_the_noise_was_made_for_wait_for_a_new_run_and_it_is_said_once(tmp_path: Path) -> None:
    told = (
        "EditDeferred: spec.rounds 9: the noise of this run was calibrated for 4 rounds, so that its target stays 4; "
        "start a new run for more"
    )
    async with federation(tmp_path) as world:
        world.conductor.desire(1, spec(suspend=True))
        for _ in range(3):
            world.conductor.desire(1, spec(rounds=9))
        assert world.conductor.status().rounds == ROUNDS
        assert world.events.count(told) == 1
        world.start_hospitals(list(NAMES))
        await world.complete()
        version = world.conductor.changes.version
        sequence = history_of(world).sequence
        for _ in range(3):
            world.conductor.desire(1, spec(rounds=9))
        assert history_of(world).sequence == sequence, "a wish that was told to wait writes nothing"
        assert world.conductor.status().phase == "Complete"
        await world.kill("coordinator")
        world.start_coordinator()
        world.conductor.desire(1, spec(rounds=9))
        assert world.events.count(told) == 1, "nor after a restart"
        assert world.conductor.status().round == ROUNDS
        world.conductor.desire(2, spec(rounds=9))
        assert world.conductor.status().rounds == 9
        assert version > 0


async def test_fewer_rounds_and_up_to_the_first_target_again_hold_at_once(tmp_path: Path) -> None:
    async with federation(tmp_path) as world:
        world.conductor.desire(1, spec(suspend=True))
        world.conductor.desire(1, spec(suspend=True, rounds=2))
        assert world.conductor.status().rounds == 2
        world.conductor.desire(1, spec(suspend=True, rounds=ROUNDS))
        assert world.conductor.status().rounds == ROUNDS
        assert not [event for event in world.events if event.startswith("EditDeferred")]


async def test_a_hospital_that_is_added_in_mid_run_trains_with_the_same_noise(tmp_path: Path) -> None:
    async with federation(tmp_path) as world:
        world.conductor.desire(1, spec(rounds=500))
        world.start_hospitals(list(NAMES))
        await world.until(lambda status: status.round >= 1)
        terms = world.conductor._learning.settings().privacy
        world.conductor.desire(1, spec(rounds=500, hospitals=(*NAMES, "harbor")))
        world.start_hospital("harbor")
        status = await world.until(
            lambda status: any(h.name == "harbor" and h.phase == "Sent" for h in status.hospitals)
        )
        assert world.conductor._learning.settings().privacy == terms
        world.conductor.desire(1, spec(rounds=status.round, hospitals=(*NAMES, "harbor")))
        await world.complete()
        last = history_of(world).runs[1]
    assert "harbor" in last.rounds[last.committed].participants


# Restarts.


class Replaying:
    """A hospital played from a book: to each task and round it gives the answer that was given before."""

    def __init__(self, world: World, name: str, book: dict[tuple[Task, int], UpdateReceived]) -> None:
        self.name = name
        self.book = book
        self.welcomes: list[Welcome] = []
        self.heard = asyncio.Event()
        self.bus = world.network.bus(name)
        world.tasks[name] = asyncio.ensure_future(self.bus.run(self))
        self.sending: set[asyncio.Task[None]] = set()

    def on_connected(self) -> None:
        self.say(Join(instance=self.name, engine="sklearn"))

    def on_disconnected(self, reason: str) -> None:
        """The coordinator is what is restarted here, not the broker."""

    def on_message(self, sender: str, body: str) -> None:
        message = read_message(body)
        if isinstance(message, Welcome):
            self.welcomes.append(message)
            self.heard.set()
            self.say(Heartbeat(instance=self.name))
        elif isinstance(message, Order):
            answer = self.book[message.task, message.round]
            metrics = answer.metrics if answer.vector is None else None
            self.say(Update(order=message.key, vector=answer.vector, metrics=metrics, ledger=answer.ledger))

    async def welcomed(self) -> Welcome:
        """The first welcome, once it is here."""
        async with asyncio.timeout(LIMIT_SECONDS):
            await self.heard.wait()
        return self.welcomes[0]

    def say(self, message: AnyMessage) -> None:
        task = asyncio.ensure_future(self.bus.send("coordinator@localhost", write_message(message)))
        self.sending.add(task)
        task.add_done_callback(self.sending.discard)


def books_of(facts: list[AnyFact]) -> dict[str, dict[tuple[Task, int], UpdateReceived]]:
    """Every hospital's answers of a run."""
    books: dict[str, dict[tuple[Task, int], UpdateReceived]] = {name: {} for name in NAMES}
    asked: tuple[Task, int] = ("centre", 0)
    for fact in facts:
        if isinstance(fact, OrderWritten):
            asked = (fact.task, fact.round)
        elif isinstance(fact, UpdateReceived):
            books[fact.hospital][asked] = fact
    return books


async def run_to_its_end(folder: Path, epsilon: float) -> tuple[list[AnyFact], str]:
    """The facts of an undisturbed run with real hospitals, and its model's digest."""
    async with federation(folder) as world:
        world.conductor.desire(1, spec(epsilon))
        world.start_hospitals(list(NAMES))
        await world.complete()
        model = world.model
    return facts_of(world), model


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
async def test_a_coordinator_restarted_after_any_fact_makes_the_same_model_of_the_same_answers(
    tmp_path: Path, epsilon: float
) -> None:
    facts, model = await run_to_its_end(tmp_path / "whole", epsilon)
    books = books_of(facts)
    for kept in range(1, len(facts) + 1):
        folder = tmp_path / str(kept)
        folder.mkdir()
        (folder / "journal").write_bytes(b"".join(encode(fact) for fact in facts[:kept]))
        async with federation(folder) as world:
            hospitals = [Replaying(world, name, books[name]) for name in NAMES]
            status = await world.complete()
            assert world.model == model, f"after {kept} of {len(facts)} facts"
            for hospital in hospitals:
                await hospital.welcomed()
        assert status.metrics is not None
        for hospital in hospitals:
            answers = [fact for fact in facts[:kept] if isinstance(fact, UpdateReceived)]
            sequences = [fact.ledger.sequence for fact in answers if fact.hospital == hospital.name and fact.ledger]
            witness = hospital.welcomes[0].witness
            assert (None if witness is None else witness.sequence) == (sequences[-1] if sequences else None)


async def test_real_hospitals_and_a_coordinator_that_is_killed_count_every_release_once(tmp_path: Path) -> None:
    async with federation(tmp_path) as world:
        world.conductor.desire(1, spec(rounds=30))
        world.start_hospitals(list(NAMES))
        for at in (1, 5, 12):
            await world.until(lambda status, at=at: status.round >= at)  # type: ignore[misc]
            await world.kill("coordinator")
            world.start_coordinator()
        status = await world.complete()
    assert status.privacy is not None
    assert status.privacy.epsilon_spent == pytest.approx(1.0, rel=1e-9)
    for hospital in status.hospitals:
        assert hospital.ledger is not None
        # Created, opened, the centre, thirty rounds and the evaluation; an order that came twice cost nothing.
        assert hospital.ledger.sequence == 1 + 1 + 30 + 1


async def test_a_witness_given_from_outside_is_kept_and_told(tmp_path: Path) -> None:
    far = LedgerWitness(sequence=900, head="ab" * 32)
    async with federation(tmp_path) as world:
        world.conductor.desire(1, spec(), {"north": far})
        before = history_of(world).sequence
        world.conductor.desire(1, spec(), {"north": far})
        world.conductor.desire(1, spec(), {"north": LedgerWitness(sequence=3, head="cd" * 32)})
        assert history_of(world).sequence == before, "what is known is not written again, nor what is older"
        await world.kill("coordinator")
        world.start_coordinator()
        north = Replaying(world, "north", {})
        assert (await north.welcomed()).witness == far


async def test_a_hospital_whose_ledger_is_behind_its_witness_is_refused(tmp_path: Path) -> None:
    async with federation(tmp_path) as world:
        world.conductor.desire(1, spec(), {"north": LedgerWitness(sequence=900, head="ab" * 32)})
        world.start_hospitals(list(NAMES))
        status = await world.until(lambda status: any(each.phase == "Refused" for each in status.hospitals))
        assert not [fact for fact in facts_of(world) if isinstance(fact, UpdateReceived) and fact.hospital == "north"]
    (budget,) = (each for each in status.conditions if each.type == "PrivacyBudgetAvailable")
    assert (budget.status, budget.reason) == ("False", "LedgerDamaged")
    assert budget.message.startswith("north: ")


async def test_a_release_whose_answer_came_too_late_is_shown_as_spent(tmp_path: Path) -> None:
    state = LedgerState(sequence=5, head="ab" * 32, spent=0.7, remaining=3.0, budget=4.0, delta=1e-5, run_spent=0.7)
    async with federation(tmp_path) as world:
        world.conductor.desire(1, spec())
        north = Replaying(world, "north", {})
        await north.welcomed()
        for sequence in (5, 4):
            ledger = state.model_copy(update={"sequence": sequence})
            north.say(Update(order="0" * 64, ledger=ledger))
        status = await world.until(lambda status: any(each.ledger is not None for each in status.hospitals))
    (shown,) = (each.ledger for each in status.hospitals if each.name == "north")
    assert shown is not None
    assert (shown.sequence, shown.spent) == (5, 0.7)
