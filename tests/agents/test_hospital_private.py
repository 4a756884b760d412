"""A hospital in a private run: nothing leaves it but what its ledger counts, whatever fails and whoever is killed."""

import asyncio
import errno
import logging
import os
import re
import signal
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilia.dataset import Table
from consilia.errors import Unavailable
from consilia.privacy.dp_fedsgd import Centre
from consilia.privacy.entries import Opened, Released
from consilia.privacy.ledger import Budget, Ledger
from consilia.protocol import (
    Decline,
    Join,
    Order,
    RunSettings,
    Task,
    Update,
    VectorRef,
    decode,
    encode,
    pack,
    unpack,
)
from consilia.status import LedgerWitness
from consilia.vectors import FloatArray
from consilia_agents.blob_client import BlobClient
from consilia_agents.disk import Disk
from consilia_agents.engine import Answer
from consilia_agents.holdout import is_held_out
from consilia_agents.hospital import INTERNAL
from consilia_bus.fake import Envelope
from deadline import until
from disks import WatchedDisk, deadly, failing, in_a_process
from private_hospital import (
    COHORT,
    ROUNDS,
    SETTINGS,
    ZERO,
    Coordinator,
    engine_of,
    entries,
    order,
    playing,
    private_cohort,
    private_settings,
    releases,
    seeded,
    table,
    whole_run,
    witness_of,
)

RESERVE = 2


def vector_of(update: Update) -> VectorRef:
    assert update.vector is not None
    return update.vector


def sent_update(envelope: Envelope) -> Update | None:
    message = decode(envelope.body)
    return message if isinstance(message, Update) and message.vector is not None else None


class Guard:
    """Looks at every message that leaves: a vector must be in the ledger, whose last line was synced."""

    def __init__(self, folder: Path, disk: WatchedDisk | None = None) -> None:
        self._folder = folder
        self._disk = disk
        self.vectors: list[str] = []

    def __call__(self, envelope: Envelope) -> None:
        update = sent_update(envelope)
        if update is None:
            return
        sha256 = vector_of(update).sha256
        unpack(vector_of(update))
        entry = next((entry for entry in releases(self._folder) if entry.message == sha256), None)
        assert entry is not None, "a vector left that nobody counts"
        assert entry.order == update.order
        if self._disk is not None:
            calls = [call for call, name in self._disk.calls if name == "ledger.jsonl"]
            assert calls[-1] == "sync", "a vector left before its entry was on the disk"
            outbox = [call for call, name in self._disk.calls if name in ("answers", f"{update.order}.json.part")]
            assert outbox[-2:] == ["sync", "sync"], "a vector left before it was on the disk itself"
        self.vectors.append(sha256)


# A whole run


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
        second = await coordinator.update(order("train", 1, attempt=2))
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


async def test_the_release_after_the_last_of_the_plan_is_refused(tmp_path: Path) -> None:
    guard = Guard(tmp_path)
    async with playing(tmp_path, on_sent=guard) as coordinator:
        await coordinator.welcome()
        for attempt in range(1, ROUNDS + RESERVE + 1):
            await coordinator.update(order("train", 1, attempt=attempt))
        refusal = await coordinator.refusal(order("train", 1, attempt=ROUNDS + RESERVE + 1), EXCEEDED)
    assert re.search(r"has made 5 train releases and its noise was calibrated for no more: start a new run", refusal)
    assert len(guard.vectors) == len(releases(tmp_path)) == ROUNDS + RESERVE


async def test_where_no_evaluation_is_left_the_answer_is_empty_and_the_run_can_end(tmp_path: Path) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        await coordinator.update(order("evaluate", ROUNDS))
        again = await coordinator.update(order("evaluate", ROUNDS, attempt=2))
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


# What is refused, with its sentence


EXCEEDED, BUSY, DAMAGED = "BudgetExceeded", "CohortBusy", "LedgerDamaged"


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
            r"epsilon 1 at most, at delta 1e-05 .budget\.perRun",
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


# Failures


def scenario() -> list[Order]:
    return [order("centre"), order("train", 1), order("evaluate", 1)]


async def calls_of_a_scenario(folder: Path) -> int:
    disk = WatchedDisk()
    async with playing(folder, disk=disk) as coordinator:
        await coordinator.welcome()
        for each in scenario():
            await coordinator.update(each)
    return len(disk.calls)


CALLS = 5 + 3 + 3 * (5 + 3)
"""Calls of the disk in the scenario: the ledger begun, a run opened, and three answers with their entries."""


async def test_the_steps_at_which_things_fail_below_are_all_there_are(tmp_path: Path) -> None:
    assert await calls_of_a_scenario(tmp_path) == CALLS


@pytest.mark.parametrize("at", range(CALLS))
async def test_whatever_the_disk_refuses_nothing_leaves_uncounted_and_it_is_told(tmp_path: Path, at: int) -> None:
    disk = failing(at, errno.ENOSPC)
    guard = Guard(tmp_path, disk)
    async with playing(tmp_path, disk=disk, on_sent=guard) as coordinator:
        await coordinator.welcome()
        for each in scenario():
            answers = [await coordinator.ask(each)]
            while isinstance(answers[-1], Decline):
                answers.append(await coordinator.ask(each))
                assert len(answers) < 5, answers
        reasons = [each.reason for each in coordinator.answers() if isinstance(each, Decline)]
    assert any("No space left on device" in reason for reason in reasons)
    assert len(set(guard.vectors)) == len(releases(tmp_path)) == 3


class Breaking:
    """An engine that fails as nobody foresaw, with a patient in its words."""

    name = "sklearn"

    def __init__(self) -> None:
        self.engine = engine_of(table())

    def prepare(self, settings: RunSettings) -> None:
        self.engine.prepare(settings)

    def answer(
        self, task: Task, settings: RunSettings, parameters: FloatArray | None, scored: FloatArray | None
    ) -> Answer:
        self.engine.answer(task, settings, parameters, scored)
        raise RuntimeError("row 7: Ada Lovelace, born 1815")


async def test_an_error_that_nobody_foresaw_leaves_as_one_fixed_sentence(tmp_path: Path) -> None:
    async with playing(tmp_path, Breaking()) as coordinator:
        await coordinator.welcome()
        assert await coordinator.refusal(order("train", 1)) == INTERNAL
    assert not releases(tmp_path)


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


class LargeEngine:
    """Answers with a vector that is too large for a message: noise alone, which is new every time."""

    name = "sklearn"

    def prepare(self, settings: RunSettings) -> None:
        """There is nothing to read."""

    def answer(
        self, task: Task, settings: RunSettings, parameters: FloatArray | None, scored: FloatArray | None
    ) -> Answer:
        return Answer(None, np.random.default_rng().normal(size=5000))


class WatchedBlobs(BlobClient):
    """Uploads nothing; looks at the ledger, and at the file, when it should."""

    def __init__(self, folder: Path, disk: WatchedDisk) -> None:
        super().__init__("https://localhost:1", ssl.create_default_context(), folder / "blobs", disk=disk)
        self._of = folder
        self._calls = disk.calls
        self.uploaded: list[str] = []
        self.fail = False

    async def upload(self, reference: VectorRef, ticket: str) -> None:
        assert releases(self._of)[-1].message == reference.sha256, "a vector left that nobody counts"
        assert ("sync", f"{reference.sha256}.blob.part") in self._calls
        assert [call for call, name in self._calls if name == "ledger.jsonl"][-1] == "sync"
        if self.fail:
            raise Unavailable("the coordinator does not answer")
        self.uploaded.append(reference.sha256)


async def test_a_large_vector_is_on_the_disk_and_counted_before_it_is_uploaded(tmp_path: Path) -> None:
    disk = WatchedDisk()
    blobs = WatchedBlobs(tmp_path, disk)
    asked = order("train", 1, ticket="ticket")
    async with playing(tmp_path, LargeEngine(), disk, blobs=blobs) as coordinator:
        await coordinator.welcome()
        first = await coordinator.update(asked)
        assert await coordinator.update(asked) == first
    assert blobs.uploaded == [vector_of(first).sha256] * 2
    assert len(releases(tmp_path)) == 1
    kept = tmp_path / "blobs" / f"{vector_of(first).sha256}.blob"
    kept.unlink()
    async with playing(tmp_path, LargeEngine(), disk, blobs=blobs) as coordinator:
        await coordinator.welcome()
        assert vector_of(await coordinator.update(asked)).sha256 != vector_of(first).sha256
    assert len(releases(tmp_path)) == 2, "what cannot be sent again is a new release"


async def test_a_large_vector_that_could_not_be_uploaded_is_uploaded_later_for_nothing(tmp_path: Path) -> None:
    disk = WatchedDisk()
    blobs = WatchedBlobs(tmp_path, disk)
    blobs.fail = True
    asked = order("train", 1, ticket="ticket")
    async with playing(tmp_path, LargeEngine(), disk, blobs=blobs) as coordinator:
        await coordinator.welcome()
        await coordinator.tell(asked)
        await until(lambda: releases(tmp_path))
        blobs.fail = False
        await until(lambda: again(coordinator, asked), pause=0.01)
    assert len(releases(tmp_path)) == len(blobs.uploaded) == 1


async def again(coordinator: Coordinator, asked: Order) -> bool:
    """As the coordinator does at every sign of life, until there is an answer."""
    if not coordinator.answers():
        await coordinator.tell(asked)
    return bool(coordinator.answers())


# Kills


async def play_until_killed(folder: Path, disk: Disk, on_sent: Callable[[Envelope], None]) -> None:
    async with playing(folder, disk=disk, on_sent=on_sent) as coordinator:
        await coordinator.welcome()
        for each in scenario():
            await coordinator.update(each)


async def resume(folder: Path, told: list[Update]) -> list[Update]:
    """The next process on the same folder: asked everything again, from the order that was not answered."""
    guard = Guard(folder)
    async with playing(folder, on_sent=guard) as coordinator:
        await coordinator.welcome(witness=witness_of(told[-1]) if told else None)
        return [await coordinator.update(each) for each in scenario()]


def require_counted(folder: Path, told: list[Update], again: list[Update]) -> None:
    """All that ever left is in the ledger, and nothing else but what left now."""
    assert again[: len(told)] == told, "what was sent before is sent again, byte for byte"
    left = {vector_of(update).sha256 for update in [*told, *again]}
    assert sorted(left) == sorted(entry.message for entry in releases(folder))


def test_a_kill_between_any_two_steps_leaves_all_that_was_sent_counted(tmp_path: Path) -> None:
    for at in range(CALLS + 1):
        folder = tmp_path / f"before call {at}"

        def life(tell: Callable[[str], None], at: int = at, folder: Path = folder) -> None:
            def on_sent(envelope: Envelope) -> None:
                if sent_update(envelope) is not None:
                    tell(envelope.body)

            asyncio.run(play_until_killed(folder, deadly(at), on_sent))

        lines, ended = in_a_process(life)
        assert ended == (-signal.SIGKILL if at < CALLS else 0)
        told = [update for update in map(decode, lines) if isinstance(update, Update)]
        assert len(told) == max(0, at - 8) // 8
        require_counted(folder, told, asyncio.run(resume(folder, told)))


@pytest.mark.parametrize("number", range(3))
def test_a_kill_between_the_ledger_and_the_send_still_counts_and_is_sent_for_nothing(
    tmp_path: Path, number: int
) -> None:
    def life(tell: Callable[[str], None]) -> None:
        def on_sent(envelope: Envelope) -> None:
            if sent_update(envelope) is not None and len(releases(tmp_path)) == number + 1:
                os.kill(os.getpid(), signal.SIGKILL)
            if sent_update(envelope) is not None:
                tell(envelope.body)

        asyncio.run(play_until_killed(tmp_path, Disk(), on_sent))

    lines, ended = in_a_process(life)
    assert ended == -signal.SIGKILL
    told = [update for update in map(decode, lines) if isinstance(update, Update)]
    assert len(told) == number
    assert len(releases(tmp_path)) == number + 1
    require_counted(tmp_path, told, asyncio.run(resume(tmp_path, told)))


async def test_an_answer_that_is_counted_and_lost_from_the_outbox_is_a_new_release(tmp_path: Path) -> None:
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        first = await coordinator.update(order("train", 1))
    for file in (tmp_path / "answers").iterdir():
        file.unlink()
    async with playing(tmp_path, engine_of(table(31))) as coordinator:
        await coordinator.welcome()
        second = await coordinator.update(order("train", 1))
    assert vector_of(second).sha256 != vector_of(first).sha256
    assert [entry.message for entry in releases(tmp_path)] == [vector_of(first).sha256, vector_of(second).sha256]


async def test_an_answer_in_the_outbox_is_counted_by_its_bytes_and_not_by_its_order(tmp_path: Path) -> None:
    """Killed between the outbox and the ledger, after the first answer to the same order was lost."""
    asked = order("train", 1)
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        first = await coordinator.update(asked)
    second = first.model_copy(update={"vector": pack(ZERO + 5)})
    (tmp_path / "answers" / f"{asked.key}.json").write_text(encode(second))
    guard = Guard(tmp_path)
    async with playing(tmp_path, on_sent=guard) as coordinator:
        await coordinator.welcome()
        again = await coordinator.update(asked)
    assert again.vector == second.vector
    assert again.ledger is not None
    assert again.ledger.sequence == 3
    assert [entry.message for entry in releases(tmp_path)] == [vector_of(first).sha256, vector_of(second).sha256]


async def test_an_answer_in_the_outbox_with_other_bytes_than_were_counted_is_never_sent(tmp_path: Path) -> None:
    asked = order("train", 1)
    async with playing(tmp_path) as coordinator:
        await coordinator.welcome()
        update = await coordinator.update(asked)
    plain = pack(ZERO + 5)
    forged = update.model_copy(update={"vector": vector_of(update).model_copy(update={"data": plain.data})})
    (tmp_path / "answers" / f"{asked.key}.json").write_text(encode(forged))
    guard = Guard(tmp_path)
    async with playing(tmp_path, engine_of(table(31)), on_sent=guard) as coordinator:
        await coordinator.welcome()
        again = await coordinator.update(asked)
    assert vector_of(again).data != plain.data


# Everything that leaves


def without_noise(message: Any) -> Any:
    """A message without what noise makes different: vectors, their digests, and the heads of ledgers."""
    if isinstance(message, dict):
        return {name: without_noise(value) for name, value in message.items() if name not in ("data", "sha256", "head")}
    return message


async def everything_of_a_run(
    folder: Path, rows: Table, cohort: Any, caplog: pytest.LogCaptureFixture
) -> tuple[list[Any], list[str]]:
    """All messages of a whole run, retries and a restart among them, but for what the noise makes of them; and all that
    was logged."""
    caplog.clear()
    messages: list[Any] = []

    def on_sent(envelope: Envelope) -> None:
        message = decode(envelope.body).model_dump(mode="json")
        assert message.pop("instance", "drawn") != ""
        messages.append(without_noise(message))

    async def life(orders: list[Order]) -> None:
        async with playing(folder, engine_of(rows, cohort, seeded()), of=cohort, on_sent=on_sent) as coordinator:
            await settled(coordinator)
            for each in orders:
                await coordinator.ask(each)

    with caplog.at_level(logging.DEBUG):
        await life(whole_run()[:3])
        retries = [order("train", 2, attempt=attempt) for attempt in range(2, 5)]
        await life([*whole_run(), *retries, order("evaluate", ROUNDS, attempt=2), order("moments")])
    return messages, [record.getMessage().replace(str(folder), "") for record in caplog.records]


async def settled(coordinator: Coordinator) -> None:
    """Welcomed, and past the second Join: from here on the order of messages is the test's."""
    await coordinator.welcome()
    await until(lambda: any(isinstance(each, Join) and each.ledger is not None for each in coordinator.heard))


BOTH_SIDES = [(3.0, 4.0, 1.0)] * 9


@pytest.mark.parametrize(
    ("rows", "more"),
    [
        pytest.param(30, [(3.0, 4.0, 1.0)], id="one more patient"),
        pytest.param(30, [(np.nan, 4.0, 1.0)], id="a value that is missing"),
        pytest.param(30, [(np.inf, -np.inf, 0.0)], id="infinities"),
        pytest.param(30, [(3.0, 4.0, 7.0)], id="a label that is none"),
        pytest.param(30, [(3.0, 4.0, np.nan)], id="a label that is missing"),
        pytest.param(30, [(1e308, -1e308, 1.0)], id="values beyond all bounds"),
        pytest.param(0, [(3.0, 4.0, 1.0)], id="the only patient"),
        pytest.param(0, BOTH_SIDES, id="patients of one class, and nobody"),
    ],
)
async def test_neighbouring_tables_send_the_same_but_for_the_noised_vectors(
    tmp_path: Path, rows: int, more: list[tuple[float, float, float]], caplog: pytest.LogCaptureFixture
) -> None:
    one = await everything_of_a_run(tmp_path / "one", table(rows), COHORT, caplog)
    other = await everything_of_a_run(tmp_path / "other", table(rows, *more), COHORT, caplog)
    assert one == other
    messages, logged = one
    assert sum(message["type"] == "update" for message in messages) == 3 + 5 + 3
    assert sum(message["type"] == "decline" for message in messages) == 2, "the last retry, and moments"
    assert not any(re.search(r"\d\.\d{3}", line) for line in logged)


async def test_of_an_exact_cohort_only_the_scores_differ_and_only_by_holdout_patients(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cohort = private_cohort("exact")
    whole = table(30, *[(float(number), 9.0 - number, number % 2) for number in range(9)])
    held = {number for number in range(30, 39) if is_held_out(whole.ids[number], "north", "north-2024", 0.3)}
    assert 0 < len(held) < 9
    for number in range(30, 39):
        others = whole.take(np.array([place for place in range(39) if place != number]))
        one = await everything_of_a_run(tmp_path / f"without {number}", others, cohort, caplog)
        other = await everything_of_a_run(tmp_path / f"beside {number}", whole, cohort, caplog)
        assert (one != other) == (number in held), "a training patient changes no score"
        for messages, _ in (one, other):
            for message in messages:
                message.pop("metrics", None)
        assert one == other, "nothing but the scores may differ"
