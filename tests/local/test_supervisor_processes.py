"""The nursery and its children, as real processes."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from consilia.errors import Refusal, Unavailable
from consilia_local.launcher import Launcher, ProcessSpec, open_nursery, require_linux
from consilia_local.supervisor import Supervisor
from deadline import eventually

SLEEP = "import signal; print('up', flush=True); signal.pause()"


def is_alive(pid: int) -> bool:
    """Whether ``pid`` is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: list[int], seconds: float = 5.0) -> bool:
    """True once all ``pids`` have ended; fails after ``seconds``."""
    return bool(eventually(lambda: not any(is_alive(pid) for pid in pids), seconds, lambda: f"{pids} are gone"))


def written(log: Path, count: int) -> list[str]:
    """The first ``count`` lines of ``log``, once they are there."""

    def enough() -> list[str]:
        found = log.read_text().splitlines() if log.exists() else []
        return found[:count] if len(found) >= count else []

    return list(eventually(enough, what=lambda: f"{count} lines in {log.name}"))


async def lines(log: Path, count: int) -> list[str]:
    """The same, while the event loop goes on."""
    return await asyncio.to_thread(written, log, count)


def python(tmp_path: Path, code: str, name: str = "child") -> ProcessSpec:
    """A process that executes ``code``."""
    return ProcessSpec(name, tmp_path / f"{name}.log", dict(os.environ), command=(sys.executable, "-c", code))


def forked(tmp_path: Path, code: str, name: str = "child") -> ProcessSpec:
    """A process that is forked, and runs ``code`` as the ``main`` of a module."""
    module = f"module_{name}"
    (tmp_path / f"{module}.py").write_text(f"def main():\n{textwrap.indent(code, '    ')}\n")
    return ProcessSpec(name, tmp_path / f"{name}.log", {"ONLY": "this"}, module=module, arguments=("one",))


@pytest.fixture
async def local_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launcher:
    """A launcher whose forks can import modules from ``tmp_path``."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return Launcher(open_nursery(load=()), tmp_path / "nursery.log", load=())


async def test_a_command_runs_with_its_environment_and_prints_to_its_log(launcher: Launcher, tmp_path: Path) -> None:
    spec = ProcessSpec(
        "child",
        tmp_path / "child.log",
        {"WORD": "hello", "PATH": os.environ["PATH"]},
        command=("sh", "-c", "echo $WORD; exit 3"),
    )
    process = await launcher.start(spec)
    assert await process.exited == 3
    assert await lines(spec.log, 1) == ["hello"]


async def test_a_module_is_forked_with_its_own_environment_arguments_and_log(
    local_launcher: Launcher, tmp_path: Path
) -> None:
    spec = forked(tmp_path, "import os, sys\nprint(os.environ, sys.argv[1:])\nsys.stderr.write('also\\n')\nreturn 4")
    process = await local_launcher.start(spec)
    assert await process.exited == 4
    assert await lines(spec.log, 2) == ["environ({'ONLY': 'this'}) ['one']", "also"]
    await local_launcher.close()


async def test_a_fork_that_fails_leaves_its_trace_in_its_own_log(local_launcher: Launcher, tmp_path: Path) -> None:
    spec = forked(tmp_path, "raise ValueError('broken')")
    assert await (await local_launcher.start(spec)).exited == 1
    assert spec.log.read_text().splitlines()[-1] == "ValueError: broken"
    assert await (await local_launcher.start(ProcessSpec("lost", tmp_path / "lost.log", module="no_such"))).exited == 1
    assert "No module named 'no_such'" in (tmp_path / "lost.log").read_text()
    await local_launcher.close()


async def test_a_fork_stops_at_sigterm_by_the_default(local_launcher: Launcher, tmp_path: Path) -> None:
    spec = forked(tmp_path, SLEEP)
    process = await local_launcher.start(spec)
    await lines(spec.log, 1)
    process.send(signal.SIGTERM)
    assert await process.exited == -signal.SIGTERM
    await local_launcher.close()


async def test_what_a_process_leaves_behind_is_killed_when_it_ends(launcher: Launcher, tmp_path: Path) -> None:
    spec = python(tmp_path, f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid)")
    process = await launcher.start(spec)
    await process.exited
    assert gone([int((await lines(spec.log, 1))[0])])


async def test_closing_the_launcher_ends_every_process_and_refuses_another(launcher: Launcher, tmp_path: Path) -> None:
    process = await launcher.start(python(tmp_path, SLEEP))
    await launcher.close()
    assert gone([process.pid])
    with pytest.raises(Unavailable, match="is not started: this run is stopping"):
        await launcher.start(python(tmp_path, SLEEP))


async def test_a_killed_nursery_takes_its_children_along_and_another_starts_them_again(tmp_path: Path) -> None:
    nursery = open_nursery(load=())
    launcher = Launcher(nursery, tmp_path / "nursery.log", load=())
    told: list[str] = []
    supervisor = Supervisor(launcher, lambda happening: told.append(happening.message))
    spec = python(tmp_path, SLEEP)
    supervisor.keep([spec])
    await lines(spec.log, 1)
    first = supervisor.pids["child"]
    nursery.process.kill()
    await lines(spec.log, 2)
    assert gone([first])
    assert told == ["child was ended by SIGKILL; it is started again"]
    await supervisor.stop()
    await launcher.close()


async def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(launcher: Launcher, tmp_path: Path) -> None:
    supervisor = Supervisor(launcher, lambda _: None, grace=0.2)
    spec = python(tmp_path, f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}")
    supervisor.keep([spec])
    await lines(spec.log, 1)
    pid = supervisor.pids["child"]
    await supervisor.stop()
    assert not is_alive(pid)


@pytest.mark.parametrize("platform", ["darwin", "win32", "freebsd14"])
def test_a_system_whose_kernel_cannot_end_them_is_refused_in_one_sentence(platform: str) -> None:
    with pytest.raises(Refusal, match=f"^`consilia run` needs Linux, and this is {platform}: use a Linux machine"):
        require_linux(platform)
    require_linux("linux")


COMMAND = """\
import asyncio, os, sys
from pathlib import Path
from consilia_local.launcher import Launcher, ProcessSpec, open_nursery

async def main():
    nursery = open_nursery(load=())
    launcher = Launcher(nursery, Path("nursery.log"), load=())
    spec = ProcessSpec("child", Path("child.log"), dict(os.environ), command=(sys.executable, "child.py"))
    process = await launcher.start(spec)
    print(nursery.process.pid, process.pid, flush=True)
    await process.exited

asyncio.run(main())
"""
CHILD = """\
import signal, subprocess
print(subprocess.Popen(["sleep", "60"]).pid, flush=True)
signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_no_process_outlives_the_command_however_that_ends(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    with subprocess.Popen([sys.executable, "-c", COMMAND], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        pids = [int(word) for word in command.stdout.readline().split()]
        grandchild = int(written(tmp_path / "child.log", 1)[0])
        command.send_signal(number)
        command.wait(5)
    assert gone([*pids, grandchild])


async def test_a_fork_imports_arrow_and_finds_no_pandas(local_launcher: Launcher, tmp_path: Path) -> None:
    """A scalar makes pyarrow look for pandas, by a way of its own."""
    spec = forked(
        tmp_path,
        "import pyarrow\n"
        "print(pyarrow.scalar(1.5))\n"
        "try:\n"
        "    import pandas\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error.name)\n",
    )
    process = await local_launcher.start(spec)
    assert await process.exited == 0, spec.log.read_text()
    assert await lines(spec.log, 2) == ["1.5", "pandas"]
    await local_launcher.close()
