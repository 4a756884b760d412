"""The command's sentences and exit codes for what a person got wrong, before anything starts."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from consilia_local.cli import main
from consilia_local.folder import locked


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a folder and an environment of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("MIN_AGENTS", "DP_EPSILON", "DP_CLIP_NORM", "USE_SPARK", "XMPP_SERVER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence on the error output of a command that ends with exit code 2."""
    code = main(arguments)
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.endswith("\n")
    assert captured.err.count("\n") == 1
    return captured.err.strip()


MISTAKES = [
    pytest.param("rounds: 3", "colour: red", "trial.yaml:5: spec.colour is not a known field: check", id="field"),
    pytest.param("rounds: 3", "rounds: -3", "trial.yaml:5: spec.rounds is -3; it must be at least 1", id="negative"),
    pytest.param("rounds: 3", "rounds: many", 'trial.yaml:5: spec.rounds is "many"; it must be a whole', id="type"),
    pytest.param(
        "rounds: 3",
        "quorum: 6",
        "trial.yaml:4: spec: quorum 6 is more than the 2 hospitals: lower spec.quorum or add a hospital",
        id="quorum",
    ),
    pytest.param("name: south,", "name: north,", 'hospital "north" is there twice: rename or remove one', id="name"),
    pytest.param("{name: south-2024}", "{name: lost}", 'names Cohort "lost" in namespace consortium', id="cohort"),
    pytest.param("rounds: 3", "rounds: [", "not valid YAML: ", id="YAML"),
    pytest.param("epsilon: 0", "epsilon: 1", "scaling: federated sends sums of patients' values, and", id="epsilon"),
    pytest.param("epsilon: 0", "epsilon: -1", "spec.privacy.epsilon is -1; it must be 0", id="below 0"),
    pytest.param(
        "allowNonPrivate: true",
        "allowNonPrivate: false",
        "cohort north-2024 of hospital north takes part in no NON-PRIVATE run, which privacy.epsilon 0 asks for",
        id="not allowed",
    ),
    pytest.param("shard: 1", "shard: 2", "shard 2 does not exist", id="shard"),
    pytest.param("kind: Cohort", "kind: Kohort", 'kind is "Kohort"; it must be Federation or Cohort', id="kind"),
]


@pytest.mark.parametrize("verb", ["validate", "run"])
@pytest.mark.parametrize(("right", "wrong", "sentence"), MISTAKES)
def test_a_mistake_in_the_file_is_one_sentence_with_its_line(
    verb: str, right: str, wrong: str, sentence: str, trial_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert right in trial_text
    Path("trial.yaml").write_text(trial_text.replace(right, wrong, 1))
    assert sentence in refused(capsys, verb, "trial.yaml")
    assert not Path(".consilia").exists()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        pytest.param("MIN_AGENTS", "3", "MIN_AGENTS is 3, more than the 2 hospitals: lower it", id="above hospitals"),
        pytest.param("MIN_AGENTS", "0", "MIN_AGENTS is 0; it must be from 1 to 500", id="no agents"),
        pytest.param("MIN_AGENTS", "all", 'MIN_AGENTS is "all"; it must be a whole number', id="word"),
        pytest.param("DP_EPSILON", "1.0", "takes part in no NON-PRIVATE run, which privacy.epsilon 0", id="epsilon"),
        pytest.param("DP_EPSILON", "-1", "DP_EPSILON is -1; it must be 0 or more", id="negative epsilon"),
        pytest.param("DP_EPSILON", "nan", "DP_EPSILON is nan; it must be 0 or more", id="nan"),
        pytest.param("DP_CLIP_NORM", "0", "DP_CLIP_NORM is 0; it must be above 0", id="clip norm"),
        pytest.param("DP_CLIP_NORM", "big", 'DP_CLIP_NORM is "big"; it must be a number', id="clip word"),
        pytest.param("USE_SPARK", "maybe", 'USE_SPARK is "maybe"; it must be true or false', id="spark word"),
        pytest.param("XMPP_SERVER", "192.0.2.7", 'XMPP_SERVER is "192.0.2.7", which is not a name of', id="far"),
    ],
)
@pytest.mark.parametrize("verb", ["validate", "run"])
def test_a_mistake_in_the_environment_is_one_sentence(
    verb: str,
    name: str,
    value: str,
    sentence: str,
    trial_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, value)
    assert sentence in refused(capsys, verb, str(trial_file))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(None, "none.yaml cannot be read: No such file or directory", id="missing"),
        pytest.param(b"\xff\xfe", "none.yaml cannot be read: it is not UTF-8 text", id="binary"),
        pytest.param(b"", "none.yaml is empty: write a Federation and its Cohorts", id="empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(
    content: bytes | None, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path("none.yaml").write_bytes(content)
    assert refused(capsys, "run", "none.yaml") == sentence


def test_a_sentence_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "validate", "\x1b[2J[red].yaml").startswith(r"\x1b[2J[red].yaml cannot be read")


@pytest.mark.parametrize(
    ("flag", "what"),
    [
        ("--dashboard-port", "the dashboard"),
        ("--mlflow-port", "MLflow"),
        ("--broker-port", "the broker"),
        ("--coordinator-port", "the coordinator"),
    ],
)
def test_a_taken_port_is_named_with_its_flag_before_anything_starts(
    flag: str, what: str, taken: int, trial_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    free = ["--no-mlflow"] if flag != "--mlflow-port" else []
    free += ["--no-dashboard"] if flag != "--dashboard-port" else []
    assert refused(capsys, "run", str(trial_file), *free, flag, str(taken)) == (
        f"port {taken} for {what} is taken: stop what uses it, or choose another with {flag}"
    )
    assert not Path(".consilia").exists()


def test_two_runs_on_one_state_folder_are_refused(trial_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with locked(Path("here")):
        sentence = refused(capsys, "run", str(trial_file), "--state", "here", "--no-mlflow", "--no-dashboard")
    assert sentence == "here is in use by another `consilia run`: stop that one, or choose another folder with --state"


def test_a_state_folder_that_cannot_be_made_is_one_sentence(
    trial_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").touch()
    sentence = refused(capsys, "run", str(trial_file), "--state", "file/inside", "--no-mlflow", "--no-dashboard")
    assert sentence == "file/inside cannot be used as the state folder (Not a directory): choose another"


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "x", "--broker", "mine"], ["fly"], ["run", "x", "--mlflow-port", "0"]]
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2
    assert "usage: consilia" in capsys.readouterr().err


def test_validate_says_what_would_run(trial_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(trial_file)]) == 0
    assert capsys.readouterr().out == (
        "trial is valid · 2 hospitals (north, south) · 3 rounds · quorum 2 · NON-PRIVATE\n"
    )


@pytest.mark.parametrize("verb", ["status", "start", "stop"])
def test_a_verb_for_what_does_not_run_here_says_so(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, verb) == "no `consilia run` is running from this folder: start one first"
    assert refused(capsys, verb, "trial") == (
        'no `consilia run` of "trial" is running from this folder: start it first'
    )


def test_ctrl_c_in_the_first_moments_leaves_no_trace_and_no_process(trial_file: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "consilia_local", "run", str(trial_file), "--no-mlflow", "--no-dashboard"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline().startswith("Consilia · trial · 2 hospitals")
        children = Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split()
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate(timeout=10)
    assert (command.returncode, errors) == (130, "")
    assert children
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        pytest.param(None, "and CONSILIA_CREDENTIALS is not set: set it to a folder with", id="unset"),
        pytest.param("kept", "kept/warehouse is no folder: make it, with a file for each part", id="no such folder"),
    ],
)
def test_credentials_that_are_not_there_are_told_before_anything_starts(
    folder: str | None,
    sentence: str,
    trial_text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = trial_text.replace("shard: 1, of: 2}}", "shard: 1, of: 2}, credentials: warehouse}")
    (tmp_path / "trial.yaml").write_text(text)
    monkeypatch.delenv("CONSILIA_CREDENTIALS", raising=False)
    if folder is not None:
        monkeypatch.setenv("CONSILIA_CREDENTIALS", folder)
    said = refused(capsys, "run", "trial.yaml")
    assert said.startswith('Cohort consortium/south-2024: its source names credentials "warehouse", and ')
    assert sentence in said
