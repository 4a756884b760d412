"""Statistics runs, whole: a coordinator and its hospitals, one exchange, with noise and without."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import cohort
from consilia.privacy.entries import Opened, Released
from consilia.privacy.entries import decode as read_ledger
from consilia.protocol import Task
from consilia.spec import Cohort
from consilia_agents.engine import Answer, CohortEngine
from statistics_world import HOSPITALS, statistics_spec, training_rows
from world import World


def cohorts(**fields: Any) -> dict[str, Cohort]:
    return {name: cohort(name, shard, **fields) for shard, name in enumerate(HOSPITALS)}


@asynccontextmanager
async def federation(folder: Path, of: Mapping[str, Cohort]) -> AsyncIterator[World]:
    world = World(folder, of)
    world.start_coordinator()
    try:
        yield world
    finally:
        await world.close()


async def test_without_noise_the_statistics_are_those_of_the_pooled_rows(tmp_path: Path) -> None:
    of, spec = cohorts(), statistics_spec()
    async with federation(tmp_path, of) as world:
        world.conductor.desire(1, spec)
        world.start_hospitals()
        status = await world.complete()
        assert (status.round, status.rounds, status.private) == (1, 1, False)
        assert status.message == "run 1 is complete: statistics"
        assert [event.split(":")[0] for event in world.events] == ["Started", "QuorumReached", "Completed"]
        assert "statistics of 2 features" in world.events[0]
        x = training_rows(of, spec.used_features)
        assert status.statistics is not None
        for column, told in enumerate(status.statistics):
            values = x[:, column]
            assert told.count == len(values)
            assert told.mean == pytest.approx(values.mean(), rel=1e-12)
            assert told.variance == pytest.approx(values.var(), rel=1e-9)
            assert told.histogram is not None
            assert told.histogram.counts == np.histogram(values, told.histogram.edges)[0].tolist()
            assert told.errors is None
            assert told.hidden is None
            for quantile in told.quantiles or []:
                exact = np.quantile(values, quantile.q, method="inverted_cdf")
                assert quantile.low <= exact <= quantile.high
                assert quantile.low <= quantile.value <= quantile.high
        assert [told.name for told in status.statistics] == ["mean radius", "mean texture"]
        assert status.statistics[0].unit == "mm"


async def test_a_private_run_makes_one_release_a_hospital_and_costs_what_it_asked_for(tmp_path: Path) -> None:
    of = cohorts(budget={"epsilon": 4.0})
    async with federation(tmp_path, of) as world:
        world.conductor.desire(1, statistics_spec(epsilon=1.0))
        world.start_hospitals()
        status = await world.complete()
        assert status.privacy is not None
        assert status.privacy.epsilon_spent == pytest.approx(1.0, abs=1e-6)
        assert status.statistics is not None
        assert all(told.errors is not None for told in status.statistics)
        for name in HOSPITALS:
            entries = read_ledger((tmp_path / name / "ledger" / "ledger.jsonl").read_bytes(), name)
            assert [type(entry).__name__ for entry in entries] == ["Created", "Opened", "Released"]
            opened, released = entries[1:]
            assert isinstance(opened, Opened)
            assert isinstance(released, Released)
            assert [(each.kind, each.times) for each in opened.terms.releases] == [("statistics", 1)]
            assert (released.kind, released.round) == ("statistics", 1)


async def test_what_the_error_bars_say_holds_of_a_private_run_with_much_budget(tmp_path: Path) -> None:
    of, spec = cohorts(budget={"epsilon": 90.0}), statistics_spec(epsilon=60.0)
    async with federation(tmp_path, of) as world:
        world.conductor.desire(1, spec)
        world.start_hospitals()
        status = await world.complete()
    x = training_rows(of, spec.used_features)
    assert status.statistics is not None
    for column, told in enumerate(status.statistics):
        assert told.errors is not None
        assert told.errors.mean is not None
        assert told.mean == pytest.approx(x[:, column].mean(), abs=4 * told.errors.mean)
        assert told.count == pytest.approx(len(x), abs=4 * told.errors.count)


async def test_a_run_that_costs_more_than_remains_is_refused_and_nothing_is_released(tmp_path: Path) -> None:
    async with federation(tmp_path, cohorts(budget={"epsilon": 0.5})) as world:
        world.conductor.desire(1, statistics_spec(epsilon=1.0))
        world.start_hospitals()
        status = await world.until(lambda status: all(hospital.reason for hospital in status.hospitals))
        assert all("a run of at most epsilon 0.499 fits" in (hospital.reason or "") for hospital in status.hospitals)
        assert status.statistics is None
        for name in HOSPITALS:
            entries = read_ledger((tmp_path / name / "ledger" / "ledger.jsonl").read_bytes(), name)
            assert not any(isinstance(entry, Released) for entry in entries)


async def test_runs_draw_on_one_budget_and_the_last_that_fits_is_the_last(tmp_path: Path) -> None:
    async with federation(tmp_path, cohorts(budget={"epsilon": 1.5})) as world:
        world.start_hospitals()
        world.conductor.desire(1, statistics_spec(epsilon=1.0))
        await world.complete()
        world.conductor.desire(2, statistics_spec(epsilon=1.0))
        await world.complete()
        world.conductor.desire(3, statistics_spec(epsilon=1.0))
        status = await world.until(lambda status: status.run == 3 and all(h.reason for h in status.hospitals))
        assert all(h.ledger is not None and 1.4 < h.ledger.spent < 1.5 for h in status.hospitals)


@pytest.mark.parametrize("victim", ["coordinator", "north"])
async def test_a_kill_and_a_restart_cost_nothing_and_change_nothing(tmp_path: Path, victim: str) -> None:
    of = cohorts(budget={"epsilon": 1.0})
    async with federation(tmp_path, of) as world:
        world.conductor.desire(1, statistics_spec(epsilon=1.0))
        world.start_hospital("north")
        await world.until(lambda status: status.connected == 1)
        world.conductor.desire(1, statistics_spec(epsilon=1.0, quorum=1))
        status = await world.complete()
        await world.kill(victim)
        if victim == "coordinator":
            world.start_coordinator()
        else:
            world.start_hospital(victim)
        again = await world.until(lambda status: status.connected == 1 and status.phase == "Complete")
        assert again.statistics == status.statistics
        assert status.statistics is not None


class Counting(CohortEngine):
    """An engine that counts how often it computes."""

    def __init__(self, of: Cohort) -> None:
        super().__init__(of)
        self.answers = 0

    def answer(self, task: Task, *arguments: Any) -> Answer:
        self.answers += 1
        return super().answer(task, *arguments)


class Late(CohortEngine):
    """An engine that waits until it is told to go on."""

    def __init__(self, of: Cohort) -> None:
        super().__init__(of)
        self.may_answer = threading.Event()

    def answer(self, task: Task, *arguments: Any) -> Answer:
        assert self.may_answer.wait(20)
        return super().answer(task, *arguments)


async def test_an_order_that_is_given_again_gets_the_same_bytes_for_nothing(tmp_path: Path) -> None:
    """South is late: the exchange is retried, and north's budget has room for one release only."""
    of = cohorts(budget={"epsilon": 1.0})
    engine, late = Counting(of["north"]), Late(of["south"])
    async with federation(tmp_path, of) as world:
        world.conductor.desire(1, statistics_spec(epsilon=1.0, quorum=2, roundTimeout="300ms"))
        world.start_hospital("north", engine)
        world.start_hospital("south", late)
        await world.until(lambda _: any("RoundRetried" in event for event in world.events))
        late.may_answer.set()
        status = await world.complete()
        assert status.privacy is not None
        assert status.privacy.epsilon_spent == pytest.approx(1.0, abs=1e-6)
        assert engine.answers == 1


async def test_a_raised_number_of_rounds_changes_nothing(tmp_path: Path) -> None:
    async with federation(tmp_path, cohorts()) as world:
        world.conductor.desire(1, statistics_spec(rounds=3))
        world.start_hospitals()
        await world.complete()
        world.conductor.desire(1, statistics_spec(rounds=7))
        await asyncio.sleep(0)
        status = world.conductor.status()
        assert (status.phase, status.round, status.rounds) == ("Complete", 1, 1)
        assert not any("TargetChanged" in event for event in world.events)


async def test_a_run_of_training_may_follow_and_the_other_way_round(tmp_path: Path) -> None:
    async with federation(tmp_path, cohorts()) as world:
        world.start_hospitals()
        world.conductor.desire(1, statistics_spec(task=None, statistics=None, rounds=2))
        status = await world.complete()
        assert (status.round, status.statistics) == (2, None)
        world.conductor.desire(2, statistics_spec())
        status = await world.until(lambda status: status.run == 2 and status.phase == "Complete")
        assert status.statistics is not None
        world.conductor.desire(3, statistics_spec(task=None, statistics=None, rounds=2))
        status = await world.until(lambda status: status.run == 3 and status.phase == "Complete")
        assert (status.round, status.statistics) == (2, None)
