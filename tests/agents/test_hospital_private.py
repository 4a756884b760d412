"""A whole private run as a hospital plays it: what is sent and told, and each release counted for what it is."""

import re
from pathlib import Path

import pytest

from consilia.privacy.entries import Opened, Released
from consilia.privacy.ledger import Budget, Ledger
from consilia.protocol import Join, Task, pack
from deadline import until
from disks import WatchedDisk
from private_hospital import (
    EXCEEDED,
    ROUNDS,
    ZERO,
    Guard,
    entries,
    order,
    playing,
    private_cohort,
    releases,
    vector_of,
    whole_run,
    witness_of,
)

RESERVE = 2


async def test_a_whole_run_is_counted_release_by_release(tmp_path: Path) -> None:
    disk = WatchedDisk()
    guard = Guard(tmp_path, disk)
    async with playing(tmp_path, disk=disk, on_sent=guard) as coordinator:
        await coordinator.welcome()
        updates = [await coordinator.update(each) for each in whole_run()]
    assert [entry.kind for entry in releases(tmp_path)] == ["centre", *["train"] * ROUNDS, "evaluate"]
    assert [vector_of(update).sha256 for update in updates] == guard.vectors
    assert [vector_of(update).length for update in updates] == [3, 3, 3, 3, 5]
    for update, entry in zip(updates, releases(tmp_path), strict=True):
        assert update.rows is None
        assert update.metrics is None
        assert update.ledger is not None
        assert (update.ledger.sequence, update.ledger.head) == (entry.sequence, entry.hash)
    states = [update.ledger for update in updates if update.ledger is not None]
    ledger, told = Ledger(), iter(states)
    for entry in entries(tmp_path):
        ledger.append(entry)
        if isinstance(entry, Released):
            state = next(told)
            assert state.spent == pytest.approx(ledger.spent(1e-5), rel=1e-9)
            assert state.remaining == pytest.approx(ledger.remaining(Budget(4.0, 1e-5), 1e-5), rel=1e-9)
    assert [state.spent for state in states] == sorted(state.spent for state in states)
    assert 0 < states[0].run_spent < states[-2].run_spent < 1.0
    assert states[-1].run_spent == pytest.approx(1.0), "the evaluation has all that a holdout patient may lose"
    assert states[-1].run_replacing == pytest.approx(2.1547, abs=1e-3)
    assert states[-1].remaining < states[0].remaining < 4.0
    assert (states[-1].budget, states[-1].delta, states[-1].exact) == (4.0, 1e-5, False)


async def test_the_entry_says_what_was_sent_and_why(tmp_path: Path) -> None:
    asked = order("train", 2, attempt=3)
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        update = await coordinator.update(asked)
    created, opened, released = entries(tmp_path)
    assert created.sequence == 0
    assert isinstance(opened, Opened)
    assert opened.terms.division == "north/north-2024 0.3"
    assert opened.name == "default/breast-cancer"
    assert isinstance(released, Released)
    assert (released.federation, released.run, released.round, released.attempt) == ("uid-1", 1, 2, 3)
    assert (released.order, released.message) == (asked.key, vector_of(update).sha256)
    assert released.participants == asked.participants


async def test_the_ledger_is_told_of_before_the_first_order(tmp_path: Path) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        await until(lambda: any(isinstance(each, Join) and each.ledger is not None for each in coordinator.heard))
        (told,) = [each.ledger for each in coordinator.heard if isinstance(each, Join) and each.ledger is not None]
        assert (told.sequence, told.spent, told.run_spent) == (1, 0.0, 0.0)
        assert told.remaining == pytest.approx(4.0, rel=1e-6)


async def test_the_noise_is_of_the_plan_and_differs_every_time(tmp_path: Path) -> None:
    """A new attempt is a new release, of other bytes."""
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        first = await coordinator.update(order("train", 1))
        second = await coordinator.update(order("train", 1, round=2))
    assert vector_of(first).sha256 != vector_of(second).sha256
    assert len(releases(tmp_path)) == 2


async def test_the_same_order_gets_the_same_bytes_for_nothing(tmp_path: Path) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        first = await coordinator.update(order("train", 1))
        assert await coordinator.update(order("train", 1)) == first
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome(witness=witness_of(first))
        assert await coordinator.update(order("train", 1)) == first
    assert len(releases(tmp_path)) == 1


@pytest.mark.parametrize("task", ["centre", "train", "evaluate"])
async def test_a_retry_gets_the_same_bytes_for_nothing_whoever_else_is_asked(tmp_path: Path, task: Task) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        first = await coordinator.update(order(task))
        again = await coordinator.update(order(task, attempt=2, participants="cd" * 32))
    assert (again.order, again.vector) == (first.order, first.vector)
    assert len(releases(tmp_path)) == 1


async def test_the_release_after_the_last_of_the_plan_is_refused(tmp_path: Path) -> None:
    guard = Guard(tmp_path)
    async with playing(tmp_path, on_sent=guard) as coordinator:
        await coordinator.welcome()
        for number in range(1, ROUNDS + RESERVE + 1):
            await coordinator.update(order("train", number))
        refusal = await coordinator.refusal(order("train", ROUNDS + RESERVE + 1), EXCEEDED)
    assert re.search(r"has made 5 train releases and its noise was calibrated for no more: start a new run", refusal)
    assert len(guard.vectors) == len(releases(tmp_path)) == ROUNDS + RESERVE


async def test_where_no_evaluation_is_left_the_answer_is_empty_and_the_run_can_end(tmp_path: Path) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        await coordinator.update(order("evaluate", ROUNDS))
        again = await coordinator.update(order("evaluate", ROUNDS, round=ROUNDS + 1))
    assert (again.vector, again.metrics, again.rows) == (None, None, None)
    assert again.ledger is not None
    assert len(releases(tmp_path)) == 1


async def test_an_exact_holdout_is_scored_without_noise_and_the_sums_are_noised(tmp_path: Path) -> None:
    cohort = private_cohort("exact")
    released = pack(ZERO + 1)
    async with playing(tmp_path, of=cohort) as coordinator:
        await coordinator.welcome()
        first = await coordinator.update(order("train", 1))
        second = await coordinator.update(order("train", 2, scored=released))
        last = await coordinator.update(order("evaluate", 2, parameters=released))
    assert first.metrics is None
    assert second.metrics is not None
    assert second.metrics.accuracy is not None
    assert last.metrics == second.metrics, "what is scored is the released model, not the iterate"
    assert (last.vector, last.rows) == (None, None)
    assert last.ledger is not None
    assert last.ledger.exact
    assert [entry.kind for entry in releases(tmp_path)] == ["train", "train"]
