"""A process: its exit code and its one sentence for whatever keeps it from running, and how it takes leave."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from consilia.errors import ConsiliaError, DamagedState, InvalidManifest, InvalidSetting, Unavailable
from consilia_bus import process
from consilia_bus.process import run_process


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


async def nothing() -> None:
    """Say nothing on leaving."""


class Story:
    """A service that does what the test says, and what became of it."""

    def __init__(self, serve: Callable[[], Awaitable[None]], leave: Callable[[], Awaitable[None]] = nothing) -> None:
        self._serve = serve
        self._leave = leave
        self.told: list[str] = []

    async def run(self) -> None:
        try:
            await self._serve()
        finally:
            self.told.append("ended")

    async def leave(self) -> None:
        self.told.append("leaving")
        await self._leave()


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


def failing(error: Exception, *, inside: bool = False) -> Story:
    """A service that fails, or a task of which does."""

    async def serve() -> None:
        if not inside:
            raise error
        async with asyncio.TaskGroup() as group:
            group.create_task(failing(error).run())
            group.create_task(for_ever())

    return Story(serve)


@pytest.mark.parametrize("inside", [False, True], ids=["itself", "in a task of its own"])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(InvalidSetting("MIN_AGENTS is 0; it must be from 1 to 500"), 2, id="a wrong setting"),
        pytest.param(InvalidManifest("rounds is -1"), 2, id="what the user wrote"),
        pytest.param(Unavailable("port 8443 is taken"), 1, id="what cannot be had"),
        pytest.param(DamagedState("journal: line 2 is damaged"), 1, id="damaged state"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_an_exit_code(
    error: ConsiliaError, code: int, inside: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_process(lambda: failing(error, inside=inside)) == code
    assert capsys.readouterr().err == f"{error}\n"


def test_a_setting_that_is_refused_while_the_parts_are_put_together_is_told_the_same_way(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def build() -> Story:
        raise InvalidSetting("XMPP_PORT is 0; it must be from 1 to 65535")

    assert run_process(build) == 2
    assert capsys.readouterr().err == "XMPP_PORT is 0; it must be from 1 to 65535\n"


def test_a_folder_that_cannot_be_used_is_told_without_a_stack_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def build() -> Story:
        (tmp_path / "file").touch()
        (tmp_path / "file" / "state").mkdir()
        return Story(nothing)

    assert run_process(build) == 1
    assert capsys.readouterr().err == f"{tmp_path}/file/state cannot be used: Not a directory\n"


def test_the_pulse_is_touched_while_the_event_loop_turns_and_no_more_when_it_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulse, ages = tmp_path / "pulse", []
    monkeypatch.setattr(process, "PULSE_SECONDS", 0.001)

    async def serve() -> None:
        for old in (0.0, 1.0):
            os.utime(pulse, (old, old))
            async with asyncio.timeout(10):
                while pulse.stat().st_mtime == old:  # noqa: ASYNC110 - a file tells nobody
                    await asyncio.sleep(0.001)
        os.utime(pulse, (0.0, 0.0))
        hang_until = time.monotonic() + 0.05
        while time.monotonic() < hang_until:
            ages.append(pulse.stat().st_mtime)

    assert run_process(lambda: Story(serve), pulse) == 0
    assert set(ages) == {0.0}


def test_a_pulse_that_cannot_be_touched_keeps_nobody_from_working(tmp_path: Path) -> None:
    async def serve() -> None:
        await asyncio.sleep(0)

    story = Story(serve)
    assert run_process(lambda: story, tmp_path / "nowhere" / "pulse") == 0
    assert story.told == ["ended"]


def test_an_error_that_nobody_foresaw_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run_process(lambda: failing(ZeroDivisionError()))


def test_a_service_that_ends_by_itself_ends_well() -> None:
    assert run_process(lambda: Story(nothing)) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_lets_the_service_take_leave_and_then_ends_it(number: signal.Signals) -> None:
    async def serve() -> None:
        os.kill(os.getpid(), number)
        await for_ever()

    story = Story(serve)
    assert run_process(lambda: story) == 0
    assert story.told == ["leaving", "ended"]


def test_a_second_signal_ends_a_service_whose_leave_taking_hangs() -> None:
    async def serve() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await for_ever()

    async def hang() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await for_ever()

    story = Story(serve, hang)
    assert run_process(lambda: story) == 0
    assert story.told[-1] == "ended"
