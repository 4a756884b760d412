"""A hospital in a private run whose disk or engine fails: nothing leaves it but what its ledger counts."""

import errno
from pathlib import Path

import pytest

from consilia.protocol import Decline, RunSettings, Task
from consilia.vectors import FloatArray
from consilia_agents.engine import Answer
from consilia_agents.hospital import INTERNAL
from disks import WatchedDisk, failing
from private_hospital import CALLS, Guard, engine_of, order, playing, releases, scenario, table


async def calls_of_a_scenario(folder: Path) -> int:
    disk = WatchedDisk()
    async with playing(folder, disk=disk) as coordinator:
        await coordinator.welcome()
        for each in scenario():
            await coordinator.update(each)
    return len(disk.calls)


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
