"""The command from its start to its end, over the embedded broker: run, stop, start, resume, run again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

pytestmark = pytest.mark.real

CONSILIA = [sys.executable, "-m", "consilia_local"]
BARE = ["--no-mlflow", "--no-dashboard"]
SECONDS = 60.0


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def consilia(*arguments: str) -> str:
    """What a verb prints, having ended well."""
    return subprocess.run([*CONSILIA, *arguments], check=True, capture_output=True, text=True, timeout=SECONDS).stdout


@contextmanager
def running(file: Path) -> Iterator["subprocess.Popen[str]"]:
    """A run of ``file``, killed where the test leaves it."""
    with subprocess.Popen([*CONSILIA, "run", str(file), *BARE], stdout=subprocess.PIPE, text=True) as command:
        try:
            yield command
        finally:
            command.kill()


def until(out: IO[str] | None, text: str) -> str:
    """The first line that holds ``text``."""
    assert out is not None
    for line in out:
        if text in line:
            return line
    raise AssertionError(f"the command ended without {text!r}")


def state() -> dict[str, object]:
    """The status that the command left."""
    status: dict[str, object] = json.loads(Path(".consilia/trial/federation.json").read_text())["federation"]["status"]
    return status


def test_a_run_ends_with_its_model_leaves_no_process_and_is_followed_by_another(trial_file: Path) -> None:
    told = consilia("run", str(trial_file), *BARE).splitlines()
    assert told[0] == "Consilia · trial · 2 hospitals · 3 rounds · NON-PRIVATE"
    assert [line.split()[1] for line in told if line.startswith("round ")] == ["1/3", "2/3", "3/3"]
    assert told[-1].startswith("Done in ")
    assert (state()["phase"], state()["run"]) == ("Complete", 1)
    assert not Path(".consilia/trial/control.json").exists()
    assert "trial is not running; this is what its last run left" in consilia("status", str(trial_file))
    consilia("run", str(trial_file), *BARE)
    assert (state()["phase"], state()["run"]) == ("Complete", 2)


def test_secrets_and_state_are_readable_by_their_owner_alone(trial_file: Path) -> None:
    consilia("run", str(trial_file), *BARE)
    secret = [path for path in Path(".consilia/trial/secrets").rglob("*") if path.is_file()]
    assert len(secret) > 8
    assert {oct(path.stat().st_mode & 0o777) for path in secret} == {"0o600"}
    assert Path(".consilia/trial").stat().st_mode & 0o077 == 0


def test_stop_start_ctrl_c_and_resume_act_on_one_and_the_same_run(trial_file: Path) -> None:
    trial_file.write_text(trial_file.read_text().replace("rounds: 3", "rounds: 100000"))
    with running(trial_file) as command:
        until(command.stdout, "round 5/100000")
        assert "trial · Training · NON-PRIVATE" in consilia("status")
        assert consilia("stop") == "trial: stopping after the round under way; `consilia start` resumes it\n"
        until(command.stdout, "stop requested at round")
        assert consilia("start", "trial") == "trial: starting, 100000 rounds, NON-PRIVATE\n"
        until(command.stdout, "start requested at round")
        until(command.stdout, "round ")
        command.send_signal(signal.SIGINT)
        assert command.wait(SECONDS) == 128 + signal.SIGINT
    done = int(str(state()["round"]))
    assert state()["run"] == 1
    with running(trial_file) as command:
        goes_on = until(command.stdout, "run 1 goes on after round ")
        assert int(goes_on.split("round ")[1].split()[0]) >= done
        until(command.stdout, "round ")
        consilia("start", "--rounds", "1")
        until(command.stdout, "Done in ")
        assert command.wait(SECONDS) == 0
    assert (state()["phase"], state()["run"]) == ("Complete", 1)


def test_a_file_without_one_of_its_hospitals_goes_on_with_the_interrupted_run(trial_file: Path) -> None:
    whole = trial_file.read_text().replace("rounds: 3", "rounds: 100000")
    trial_file.write_text(whole)
    with running(trial_file) as command:
        until(command.stdout, "round 3/100000")
        command.send_signal(signal.SIGINT)
        assert command.wait(SECONDS) == 128 + signal.SIGINT
    trial_file.write_text(whole.replace("    - {name: south, cohort: {name: south-2024}}\n", ""))
    with running(trial_file) as command:
        until(command.stdout, "1 hospital instead of 2 (HospitalsChanged)")
        until(command.stdout, "  1 hospital  ")
        consilia("start", "--rounds", "1")
        until(command.stdout, "Done in ")
        assert command.wait(SECONDS) == 0
    assert (state()["phase"], state()["run"], state()["quorum"]) == ("Complete", 1, 1)


def test_a_hospital_that_is_killed_is_told_and_the_run_goes_on_to_its_end(trial_file: Path) -> None:
    trial_file.write_text(trial_file.read_text().replace("rounds: 3", "rounds: 100000"))
    with running(trial_file) as command:
        until(command.stdout, "round 3/100000")
        os.kill(_pid("hospital-north"), signal.SIGKILL)
        until(command.stdout, "warning: hospital-north was ended by SIGKILL; it is started again")
        until(command.stdout, "HospitalRejoined")
        consilia("start", "--rounds", "1")
        until(command.stdout, "Done in ")
        assert command.wait(SECONDS) == 0


def _pid(name: str) -> int:
    """The process of this folder's run that is called ``name``."""
    here = str(Path.cwd())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() == name[:15] and here in str((process / "fd/1").readlink()):
                return int(process.name)
        except OSError:
            continue
    raise AssertionError(f"{name} does not run")
