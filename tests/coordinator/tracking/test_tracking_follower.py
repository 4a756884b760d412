"""The follower, between a coordinator and an MLflow that are both in memory."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from consilia.status import FeatureStatistics
from consilia_coordinator.answers import RunAnswer
from consilia_coordinator.tracking.entries import entries_of
from consilia_coordinator.tracking.follower import Follower, in_daemon_thread
from consilia_coordinator.tracking.source import CoordinatorUnavailable
from statistics_world import statistics_spec


@asynccontextmanager
async def following(federation: Any, tracker: Any) -> AsyncIterator[Follower]:
    follower = Follower(federation, tracker, "consortium/breast-cancer", "breast-cancer", pace_seconds=0.01)
    task = asyncio.create_task(follower.follow())
    try:
        yield follower
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def everything_logged(federation: Any, tracker: Any, run: int = 1) -> bool:
    wanted = [entry for record in federation.records[run] for entry in entries_of(record)]
    return bool(tracker.runs) and set(wanted) <= set(tracker.of(run).entries)


def no_duplicates(tracker: Any, run: int = 1) -> bool:
    entries = tracker.of(run).entries
    return len(entries) == len(set(entries))


async def test_a_run_is_logged_while_it_happens(federation: Any, tracker: Any, until: Any) -> None:
    federation.begin()
    async with following(federation, tracker):
        for number in (1, 2, 3):
            federation.commit(number)
            await until(lambda: everything_logged(federation, tracker))
        federation.complete()
        await until(lambda: tracker.of(1).outcome == "FINISHED")
    assert everything_logged(federation, tracker)
    assert no_duplicates(tracker)
    assert tracker.of(1).parameters["quorum"] == "2"
    assert tracker.of(1).ended_at == federation.runs[1].completed_at


@pytest.mark.parametrize(("epsilon", "privacy"), [(0, "NON-PRIVATE"), (1, "epsilon 1")])
async def test_the_run_and_its_model_say_how_private_they_are(
    federation: Any, tracker: Any, until: Any, epsilon: float, privacy: str
) -> None:
    federation.begin(epsilon=epsilon)
    async with following(federation, tracker):
        await until(lambda: tracker.runs and "consilia.privacy" in tracker.of(1).tags)
        federation.commit(1, 2, 3)
        federation.complete()
        await until(lambda: tracker.of(1).outcome == "FINISHED")
    assert tracker.of(1).tags["consilia.privacy"] == privacy
    assert tracker.of(1).parameters["private"] == privacy
    assert tracker.privacies == [privacy]
    assert ("sigma" in tracker.of(1).parameters) == (epsilon > 0)


async def test_the_coordinator_is_told_of_the_run_and_then_of_the_model(
    federation: Any, tracker: Any, until: Any
) -> None:
    federation.begin()
    async with following(federation, tracker):
        await until(lambda: federation.reports)
        federation.commit(1, 2, 3)
        federation.complete()
        await until(lambda: federation.reports[-1].model)
    first, last = federation.reports[0], federation.reports[-1]
    assert (first.run_id, first.url, first.model) == ("id-1", "http://mlflow/1", None)
    assert last.model.uri == "models:/breast-cancer/1"
    assert last.logged_through == 3


async def test_rounds_cause_no_reports(federation: Any, tracker: Any, until: Any) -> None:
    federation.begin(rounds=50)
    async with following(federation, tracker):
        for number in range(1, 6):
            federation.commit(number)
            await until(lambda: everything_logged(federation, tracker))
    assert len(federation.reports) == 1


async def test_nothing_is_made_before_a_run_begins(federation: Any, tracker: Any, until: Any) -> None:
    federation.tell(phase="Idle", run=0)
    async with following(federation, tracker) as follower:
        await until(lambda: federation.sequence == 1 and not follower.in_hand.locked())
        assert tracker.calls == 0
        federation.begin()
        await until(lambda: tracker.runs)


async def test_an_outage_of_mlflow_is_one_sentence_and_loses_nothing(
    federation: Any, tracker: Any, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    federation.begin()
    tracker.down = "MLflow did not take it (connection refused)"
    async with following(federation, tracker):
        await until(lambda: tracker.calls >= 3)
        federation.commit(1, 2, 3)
        federation.complete()
        tracker.down = ""
        await until(lambda: federation.reports and federation.reports[-1].model)
    assert everything_logged(federation, tracker)
    assert tracker.of(1).outcome == "FINISHED"
    said = [record.getMessage() for record in caplog.records if record.name.startswith("consilia")]
    assert said == [
        "MLflow did not take it (connection refused); rounds go on, tracking tries again",
        "MLflow answers again",
    ]


async def test_an_outage_of_the_coordinator_loses_nothing(federation: Any, tracker: Any, until: Any) -> None:
    federation.begin()
    async with following(federation, tracker):
        federation.commit(1)
        await until(lambda: everything_logged(federation, tracker))
        federation.failure = CoordinatorUnavailable("the coordinator does not answer")
        federation.changed.set()
        federation.commit(2, 3)
        federation.complete()
        federation.failure = None
        await until(lambda: tracker.of(1).outcome == "FINISHED")
    assert everything_logged(federation, tracker)


async def test_a_restart_finds_the_same_run_and_repeats_two_rounds_at_most(
    federation: Any, tracker: Any, until: Any
) -> None:
    federation.begin(rounds=10)
    federation.commit(1, 2, 3, 4, 5)
    async with following(federation, tracker):
        await until(lambda: everything_logged(federation, tracker))
    before = len(tracker.of(1).batches)
    federation.commit(6)
    async with following(federation, tracker):
        await until(lambda: everything_logged(federation, tracker))
    assert len(tracker.runs) == 1
    repeated = {entry.step for batch in tracker.of(1).batches[before:] for entry in batch.entries}
    assert repeated == {4, 5, 6}


async def test_a_restart_after_the_end_registers_no_second_version(federation: Any, tracker: Any, until: Any) -> None:
    federation.begin()
    federation.commit(1, 2, 3)
    federation.complete()
    for _ in range(2):
        federation.reports.clear()
        async with following(federation, tracker):
            await until(lambda: federation.reports and federation.reports[-1].model)
    assert tracker.versions == [("id-1", 3)]
    assert no_duplicates(tracker)


async def test_a_stopped_run_is_killed_with_its_reason_and_runs_again_when_resumed(
    federation: Any, tracker: Any, until: Any
) -> None:
    federation.begin()
    federation.commit(1)
    federation.tell(phase="Idle", message="stopped by an operator")
    async with following(federation, tracker):
        await until(lambda: tracker.runs and tracker.of(1).outcome == "KILLED")
        assert tracker.of(1).tags["consilia.reason"] == "stopped by an operator"
        federation.tell(phase="Training", message="")
        await until(lambda: tracker.of(1).outcome == "RUNNING")
        assert tracker.of(1).tags["consilia.reason"] == ""


async def test_a_run_that_is_stopped_before_its_first_round_is_killed(
    federation: Any, tracker: Any, until: Any
) -> None:
    federation.begin()
    async with following(federation, tracker):
        await until(lambda: tracker.runs)
        federation.tell(phase="Idle")
        await until(lambda: tracker.of(1).outcome == "KILLED")


async def test_a_blocked_run_has_failed(federation: Any, tracker: Any, until: Any) -> None:
    federation.begin()
    federation.tell(phase="Blocked", message="quorum cannot be reached")
    async with following(federation, tracker):
        await until(lambda: tracker.runs and tracker.of(1).outcome == "FAILED")
    assert tracker.of(1).tags["consilia.reason"] == "quorum cannot be reached"


async def test_a_raised_target_is_a_tag_since_parameters_never_change(
    federation: Any, tracker: Any, until: Any
) -> None:
    federation.begin(rounds=3)
    async with following(federation, tracker):
        await until(lambda: tracker.runs and tracker.of(1).tags.get("consilia.rounds") == "3")
        raised = federation.runs[1].spec.model_copy(update={"rounds": 5})
        federation.runs[1] = federation.runs[1].model_copy(update={"spec": raised})
        federation.tell(rounds=5)
        await until(lambda: tracker.of(1).tags["consilia.rounds"] == "5")
    assert tracker.of(1).parameters["rounds"] == "3"


async def test_a_complete_run_that_goes_on_gets_another_version(federation: Any, tracker: Any, until: Any) -> None:
    federation.begin()
    federation.commit(1, 2, 3)
    federation.complete()
    async with following(federation, tracker):
        await until(lambda: tracker.versions and tracker.of(1).outcome == "FINISHED")
        federation.models.clear()
        federation.tell(phase="Training", rounds=4)
        await until(lambda: tracker.of(1).outcome == "RUNNING")
        federation.commit(4)
        federation.complete()
        await until(lambda: len(tracker.versions) == 2 and tracker.of(1).outcome == "FINISHED")
    assert tracker.versions == [("id-1", 3), ("id-1", 4)]
    assert no_duplicates(tracker)


async def test_runs_that_ended_while_mlflow_was_away_are_logged_in_their_order(
    federation: Any, tracker: Any, until: Any
) -> None:
    federation.begin(run=2)
    federation.commit(1, 2, 3, run=2)
    federation.complete(run=2)
    federation.begin(run=3)
    federation.commit(1, run=3)
    federation.begin(run=4)
    federation.commit(1, run=4)
    async with following(federation, tracker):
        await until(lambda: len(tracker.runs) == 3 and everything_logged(federation, tracker, 4))
    assert [key.run for key in tracker.runs] == [2, 3, 4]
    assert [tracker.of(run).outcome for run in (2, 3, 4)] == ["FINISHED", "KILLED", "RUNNING"]
    assert all(everything_logged(federation, tracker, run) for run in (2, 3, 4))


async def test_whoever_stops_the_follower_can_wait_for_the_pass_in_hand(
    federation: Any, tracker: Any, until: Any
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Slow(type(tracker)):  # type: ignore[misc]
        def open(self, *arguments: Any) -> Any:
            entered.set()
            assert go_on.wait(10)
            return super().open(*arguments)

    federation.begin()
    async with following(federation, Slow()) as follower:
        await until(entered.is_set)
        assert follower.in_hand.locked()
        go_on.set()
        async with asyncio.timeout(10), follower.in_hand:
            assert federation.reports


async def test_a_call_that_hangs_does_not_hold_the_event_loop() -> None:
    go_on = threading.Event()
    hanging = asyncio.create_task(in_daemon_thread(go_on.wait, 10))
    assert await in_daemon_thread(lambda: 42) == 42
    assert not hanging.done()
    go_on.set()
    assert await hanging


async def test_what_a_blocking_call_raises_reaches_its_caller() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await in_daemon_thread(fail)


async def test_the_result_of_a_statistics_run_is_logged_once_and_no_model_is_registered(
    federation: Any, tracker: Any, until: Any
) -> None:
    spec = statistics_spec()
    told = [FeatureStatistics(name="mean radius", count=364.0, mean=14.1)]
    federation.runs[1] = RunAnswer(run=1, uid="uid-1", spec=spec, quorum=2, started_at="2026-11-24T12:00:00+00:00")
    federation.records[1] = []
    federation.tell(phase="Training", run=1, round=0, rounds=1)
    async with following(federation, tracker):
        await until(lambda: bool(tracker.runs))
        federation.commit(1)
        done = {"completed_at": "2026-11-24T12:00:01+00:00", "statistics": told}
        federation.runs[1] = federation.runs[1].model_copy(update=done)
        federation.tell(phase="Complete")
        await until(lambda: bool(federation.reports) and federation.reports[-1].logged_through == 1)
        federation.tell()
        await until(lambda: tracker.of(1).outcome == "FINISHED")
    assert tracker.of(1).described == [told]
    assert tracker.versions == []
    assert federation.reports[-1].model is None
