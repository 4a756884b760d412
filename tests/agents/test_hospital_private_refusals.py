"""What a hospital in a private run refuses, with its sentence."""

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from consilia.privacy.dp_fedsgd import Centre
from consilia.protocol import Decline, Heartbeat, Join, RunSettings, Task, Update
from consilia.status import LedgerWitness
from consilia.vectors import FloatArray
from consilia_agents.engine import Answer
from deadline import until
from private_hospital import (
    BUSY,
    COHORT,
    DAMAGED,
    EXCEEDED,
    ROUNDS,
    SETTINGS,
    Guard,
    engine_of,
    entries,
    order,
    playing,
    private_cohort,
    private_settings,
    releases,
    settled,
    table,
    whole_run,
    witness_of,
)


def non_private() -> RunSettings:
    return private_settings(privacy={"epsilon": 0})


@pytest.mark.parametrize(
    ("cohort", "cap", "settings", "said", "problem"),
    [
        pytest.param(private_cohort(budget=None), 0.0, SETTINGS, "has no budget", EXCEEDED, id="no budget"),
        pytest.param(COHORT, 0.0, non_private(), "takes part in no NON-PRIVATE run", None, id="not private"),
        pytest.param(
            private_cohort(allowNonPrivate=True),
            0.5,
            non_private(),
            "DP_EPSILON is 0.5",
            None,
            id="not private, with a cap",
        ),
        pytest.param(COHORT, 0.5, SETTINGS, r"epsilon 0.5 at most.*DP_EPSILON", EXCEEDED, id="above DP_EPSILON"),
        pytest.param(
            private_cohort(budget={"epsilon": 4, "perRun": 0.5}),
            0.0,
            SETTINGS,
            r"epsilon 0.5 at most.*budget\.perRun",
            EXCEEDED,
            id="above perRun",
        ),
        pytest.param(
            private_cohort(budget={"epsilon": 0.5}),
            0.0,
            SETTINGS,
            r"a run of at most epsilon 0\.\d+ fits",
            EXCEEDED,
            id="budget",
        ),
        pytest.param(
            private_cohort(budget={"epsilon": 4, "perRun": 1}),
            0.0,
            private_settings(privacy={"epsilon": 1, "delta": 9e-3}),
            r"epsilon 1 at most, at delta 1e-5 .budget\.perRun",
            EXCEEDED,
            id="a delta that buys more",
        ),
        pytest.param(
            COHORT,
            0.0,
            private_settings(
                features={"label": "sick", "nominalRows": 9, "codebook": [{"name": "shoe size", "min": 0, "max": 9}]}
            ),
            'hospital north has no column "shoe size"',
            None,
            id="a missing column",
        ),
    ],
)
async def test_what_the_cohort_does_not_grant_is_declined_before_and_after_an_order(
    tmp_path: Path, cohort: Any, cap: float, settings: RunSettings, said: str, problem: str | None
) -> None:
    guard = Guard(tmp_path)
    async with playing(tmp_path, engine_of(table(), cohort), of=cohort, cap=cap, on_sent=guard) as coordinator:
        await coordinator.welcome(settings)
        await until(coordinator.answers)
        answer = coordinator.answers()[0]
        assert isinstance(answer, Decline)
        assert (answer.order, answer.problem) == (None, problem)
        assert re.search(said, answer.reason), answer.reason
        assert re.search(said, await coordinator.refusal(order("train", 1, settings), problem))
        assert not any(isinstance(each, Update) for each in coordinator.heard)
    assert not releases(tmp_path)


async def test_a_non_private_run_is_answered_where_the_cohort_allows_it_and_costs_nothing(tmp_path: Path) -> None:
    cohort = private_cohort(allowNonPrivate=True)
    async with playing(tmp_path, of=cohort) as coordinator:
        await coordinator.welcome(non_private())
        update = await coordinator.update(order("train", 1, non_private()))
    assert update.rows
    assert update.ledger is None
    assert not (tmp_path / "ledger").exists()


async def test_a_run_whose_terms_changed_is_refused(tmp_path: Path) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        await coordinator.update(order("train", 1))
        raised = private_settings(rounds=40)
        await coordinator.welcome(raised)
        assert "start a new run" in await coordinator.refusal(order("train", 2, raised), EXCEEDED)
    assert len(releases(tmp_path)) == 1


@pytest.mark.parametrize("changed", [{"run": 2}, {"federation": "uid-2"}])
async def test_an_order_of_another_run_than_its_settings_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        assert "came with the settings of another run" in await coordinator.refusal(order("train", 1, **changed))
    assert not releases(tmp_path)


class SlowLook:
    """An engine whose look at the table lasts until a test lets it end."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self._engine = engine_of(table())

    @property
    def name(self) -> str:
        return self._engine.name

    def prepare(self, settings: RunSettings) -> None:
        assert self.goes_on.wait(30)
        self._engine.prepare(settings)

    def answer(
        self, task: Task, settings: RunSettings, parameters: FloatArray | None, scored: FloatArray | None
    ) -> Answer:
        return self._engine.answer(task, settings, parameters, scored)


async def test_an_answer_that_waited_is_not_counted_by_the_plan_of_a_run_that_came_meanwhile(tmp_path: Path) -> None:
    dear = private_settings(run=1, rounds=1, privacy={"epsilon": 4.0})
    cheap = private_settings(run=2, rounds=1000, privacy={"epsilon": 0.01})
    engine = SlowLook()
    async with playing(tmp_path, engine) as coordinator:
        await coordinator.welcome(dear, heartbeat_seconds=0.02)
        await until(lambda: len(entries(tmp_path)) == 2)
        # The noise would be that of the dear plan, little, and what is counted the cheap one's: next to nothing.
        refusal = asyncio.ensure_future(coordinator.refusal(order("train", 1, dear, run=2)))
        await until(lambda: any(isinstance(each, Heartbeat) and each.busy for each in coordinator.heard))
        await coordinator.welcome(cheap)
        await until(lambda: len(entries(tmp_path)) == 3)
        engine.goes_on.set()
        assert "came with the settings of another run" in await refusal
    assert not releases(tmp_path)


async def test_a_private_run_never_answers_with_sums_that_have_no_noise(tmp_path: Path) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        assert "moments, which is not in the plan" in await coordinator.refusal(order("moments"))


async def test_two_runs_on_one_cohort_share_its_budget(tmp_path: Path) -> None:
    cohort = private_cohort(budget={"epsilon": 1.2})
    async with playing(tmp_path, of=cohort) as coordinator:
        await coordinator.welcome()
        for each in whole_run():
            await coordinator.update(each)
    for settings in (private_settings(run=2), private_settings(uid="uid-2")):
        async with playing(tmp_path, of=cohort) as coordinator:
            await coordinator.welcome(settings)
            refusal = await coordinator.refusal(order("train", 1, settings), EXCEEDED)
            assert "of the budget of cohort north/north-2024" in refusal


async def test_two_federations_on_one_cohort_at_once_are_told_who_is_busy_until_the_other_ends(tmp_path: Path) -> None:
    second = private_settings(uid="uid-2")
    async with playing(tmp_path) as first:
        await first.welcome()
        await first.update(order("train", 1))

        async def other() -> str:
            async with playing(tmp_path, recheck_seconds=600) as coordinator:
                await coordinator.welcome(second)
                return await coordinator.refusal(order("train", 1, second), BUSY)

        assert "cohort north/north-2024 takes part in another private run now" in await other()
        await first.update(order("train", 2))
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome(second)
        await coordinator.update(order("train", 1, second))


async def test_a_busy_cohort_is_tried_again_and_joined_once_it_is_free(tmp_path: Path) -> None:
    holder = playing(tmp_path)
    first = await holder.__aenter__()
    await first.welcome()
    await first.update(order("train", 1))
    second = private_settings(uid="uid-2")
    async with playing(tmp_path, recheck_seconds=0.01) as coordinator:
        await coordinator.welcome(second, heartbeat_seconds=0.01)
        await until(coordinator.answers)
        joins = sum(isinstance(each, Join) for each in coordinator.heard)
        await holder.__aexit__(None, None, None)
        await until(lambda: sum(isinstance(each, Join) for each in coordinator.heard) > joins)
        await coordinator.update(order("train", 1, second))


class Waiting:
    """An engine that answers when it is let."""

    name = "sklearn"

    def __init__(self) -> None:
        self.engine = engine_of(table())
        self.asked, self.let = threading.Event(), threading.Event()

    def prepare(self, settings: RunSettings) -> None:
        self.engine.prepare(settings)

    def answer(
        self, task: Task, settings: RunSettings, parameters: FloatArray | None, scored: FloatArray | None
    ) -> Answer:
        self.asked.set()
        assert self.let.wait(10)
        return self.engine.answer(task, settings, parameters, scored)


async def test_an_order_that_waited_while_other_settings_came_is_not_answered_with_those(tmp_path: Path) -> None:
    engine = Waiting()
    other = SETTINGS.model_copy(update={"centre": Centre(centre=(0.5, 0.5))})
    async with playing(tmp_path, engine) as coordinator:
        await settled(coordinator)
        joins = sum(isinstance(each, Join) for each in coordinator.heard)
        await coordinator.tell(order("train", 1))
        await until(engine.asked.is_set)
        await coordinator.tell(order("train", 2))
        await coordinator.welcome(other)
        engine.let.set()
        await until(lambda: sum(isinstance(each, Join) for each in coordinator.heard) > joins)
        await coordinator.update(order("train", 3, other))
    assert [entry.round for entry in releases(tmp_path)] == [1, 3]


# The witness


async def test_a_ledger_behind_its_witness_is_refused_and_used_again_once_it_is_restored(tmp_path: Path) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        last = [await coordinator.update(each) for each in whole_run()][-1]
    path = tmp_path / "ledger" / "ledger.jsonl"
    newest = path.read_bytes()
    path.write_bytes(b"".join(newest.splitlines(keepends=True)[:-2]))
    (tmp_path / "answers" / f"{order('evaluate', ROUNDS).key}.json").unlink()
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome(witness=witness_of(last))
        assert "it was rolled back; restore the newest copy" in await coordinator.refusal(order("train", 9), DAMAGED)
        path.write_bytes(newest)
        assert isinstance(await coordinator.ask(order("train", 9)), Update)


async def test_a_deleted_ledger_that_was_seen_is_refused(tmp_path: Path) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        last = await coordinator.update(order("train", 1))
    (tmp_path / "ledger" / "ledger.jsonl").unlink()
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome(witness=witness_of(last))
        assert "is missing, and entry 2 of it was seen elsewhere" in await coordinator.refusal(
            order("train", 2), DAMAGED
        )


async def test_a_witness_that_comes_in_mid_run_is_heeded(tmp_path: Path) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        await coordinator.update(order("train", 1))
        await coordinator.welcome(witness=LedgerWitness(sequence=7, head="cd" * 32))
        assert "entry 7 of it was seen elsewhere" in await coordinator.refusal(order("train", 2), DAMAGED)
    assert len(releases(tmp_path)) == 1


async def test_a_ledger_that_is_taken_away_in_mid_run_ends_all_releases(tmp_path: Path) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        await coordinator.update(order("train", 1))
        (tmp_path / "ledger" / "ledger.jsonl").unlink()
        assert "while it was in use" in await coordinator.refusal(order("train", 2), DAMAGED)
        assert "is missing" in await coordinator.refusal(order("train", 2), DAMAGED)
