"""Supervision, with processes and time that the test controls."""

import asyncio
import signal
from pathlib import Path

import pytest

from consilia.errors import Unavailable
from consilia_local.launcher import ProcessSpec, RunningProcess
from consilia_local.supervisor import Happening, Supervisor, last_line


class FakeProcess(RunningProcess):
    """A process that ends when the test says so, or when it is signalled."""

    def send(self, number: signal.Signals) -> None:
        """End by this signal."""
        if not self.exited.done():
            self.exited.set_result(-number)


class FakeStarter:
    """Starts what ends at once with the next of ``codes``; with none left, what stays."""

    def __init__(self, codes: list[int | None]) -> None:
        self.codes = codes
        self.started: list[FakeProcess] = []
        self.stays = asyncio.Event()

    async def start(self, spec: ProcessSpec) -> RunningProcess:
        """See the class; a code of None cannot be started."""
        process = FakeProcess(len(self.started) + 1, asyncio.get_running_loop().create_future())
        if not self.codes:
            self.started.append(process)
            self.stays.set()
            return process
        code = self.codes.pop(0)
        if code is None:
            raise Unavailable("no nursery")
        with spec.log.open("a") as log:
            log.write(f"line before\nI end with {code}\n\n")
        self.started.append(process)
        process.exited.set_result(code)
        return process


async def supervise(codes: list[int | None], tmp_path: Path) -> tuple[list[Happening], Supervisor, FakeStarter]:
    """Keep a process that ends with ``codes`` until it stays up."""
    told: list[Happening] = []
    starter = FakeStarter(codes)
    supervisor = Supervisor(starter, told.append, clock=lambda: 0.0, first_pause=0.001)
    supervisor.keep([ProcessSpec("north", tmp_path / "north.log", module="x")])
    async with asyncio.timeout(5):
        await starter.stays.wait()
    return told, supervisor, starter


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        pytest.param(1, "north ended with exit code 1 (I end with 1); it is started again", id="exit code"),
        pytest.param(-9, "north was ended by SIGKILL; it is started again", id="signal"),
        pytest.param(0, "north ended unasked; it is started again", id="success that nobody asked for"),
        pytest.param(None, "north could not be started; it is started again", id="no nursery"),
    ],
)
async def test_a_process_that_ends_is_started_again_and_told_with_its_reason(
    code: int | None, sentence: str, tmp_path: Path
) -> None:
    told, supervisor, _ = await supervise([code], tmp_path)
    assert [happening.message for happening in told] == [sentence]
    await supervisor.stop()


async def test_five_exits_in_a_short_time_are_told_as_a_crash_loop_with_the_log(tmp_path: Path) -> None:
    told, supervisor, starter = await supervise([2] * 5, tmp_path)
    assert [happening.is_loop for happening in told] == [False] * 4 + [True]
    assert told[-1].message.startswith("north keeps failing: ended with exit code 2 (I end with 2); its log is ")
    assert len(starter.started) == 6
    await supervisor.stop()


async def test_a_stop_ends_every_process_and_tells_nothing(tmp_path: Path) -> None:
    told, supervisor, starter = await supervise([], tmp_path)
    await supervisor.stop()
    assert starter.started[0].exited.result() == -signal.SIGTERM
    assert told == []
    assert supervisor.pids == {}


async def test_a_stop_does_not_wait_for_a_process_that_is_still_being_started(tmp_path: Path) -> None:
    class NeverStarts:
        async def start(self, spec: ProcessSpec) -> RunningProcess:
            await asyncio.Event().wait()
            raise AssertionError

    supervisor = Supervisor(NeverStarts(), lambda _: None)
    supervisor.keep([ProcessSpec("north", tmp_path / "log", module="x")])
    async with asyncio.timeout(1):
        await supervisor.stop()


def test_the_last_line_is_of_this_start_and_not_of_an_earlier_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old reason\n")
    assert last_line(log, after=len("old reason\n")) == ""
    assert last_line(log) == "old reason"
    assert last_line(tmp_path / "none") == ""
