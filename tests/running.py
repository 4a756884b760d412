"""`consilia run` as its user runs it: a command, its processes, its state folder."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from consilia.aggregation import Update, chunks
from consilia.journal import History, decode
from consilia.manifest import parse
from consilia.object_paths import MERGE_PATCH, path_of
from consilia.protocol import pack, unpack
from consilia.spec import Federation
from consilia.status import FederationStatus
from consilia.vectors import FloatArray
from consilia_agents.engine import Answer, CohortEngine
from consilia_coordinator.objective import SpecObjective
from deadline import eventually

PRIVATE_EXAMPLE = Path(__file__).parents[1] / "examples" / "breast-cancer.yaml"
EXAMPLE = Path(__file__).parents[1] / "examples" / "breast-cancer-non-private.yaml"
T = TypeVar("T")
CONSILIA = Path(sys.executable).parent / "consilia"


class Command:
    """One `consilia run`, with its output in a file."""

    def __init__(self, folder: Path, text: str, *flags: str) -> None:
        self.folder = folder
        self.file = folder / "federation.yaml"
        self.file.write_text(text)
        self.state = folder / "state"
        self.output = folder / "output.txt"
        self.flags = flags
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, terminal: bool = False) -> "Command":
        """Start it; in a terminal it stays up after the run, until Ctrl-C."""
        arguments = [CONSILIA, "run", self.file, "--state", self.state, *self.flags]
        self.output.touch()  # what records a terminal may come later than whoever reads it
        if terminal:
            keyboard, screen = pty.openpty()
            # CI=true says that nobody looks, and the command believes it.
            environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"TERM": "xterm"}
            self.process = subprocess.Popen(
                arguments, cwd=self.folder, stdin=screen, stdout=screen, stderr=screen, env=environment
            )
            os.close(screen)
            threading.Thread(target=self._record, args=[keyboard], daemon=True).start()
            return self
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                arguments, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        return self

    def _record(self, keyboard: int) -> None:
        """What the command shows goes to the output's file, until the terminal closes (which Linux calls EIO)."""
        with self.output.open("ab", buffering=0) as output, contextlib.suppress(OSError):
            while shown := os.read(keyboard, 65536):
                output.write(shown)
        os.close(keyboard)

    def wait(self, seconds: float = 120) -> int:
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not done within {seconds:g} s:\n{self.text()}\n{self.logs()}") from None

    def stop(self) -> None:
        """End it whatever happened; and nothing of it may be left."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def text(self) -> str:
        return self.output.read_text()

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-2000:]}" for path in (self.state / "logs").glob("*.log"))

    def until(self, get: Callable[[], T | None], what: str, seconds: float = 90) -> T:
        """What `get` gives, as soon as it gives something."""

        def look() -> T | None:
            found = get()
            assert found or (self.process is not None and self.process.poll() is None), f"ended: {story()}"
            return found

        def story() -> str:
            return f"{what}\n{self.text()}\n{self.logs()}"

        found: T = eventually(look, seconds, story, pause=0.02)
        return found

    def history(self) -> History:
        history = History()
        journal = self.state / "volumes" / "coordinator" / "journal" / "journal"
        if journal.exists():
            history.add(decode(journal.read_bytes(), "journal")[0])
        return history

    def until_round(self, number: int) -> int:
        """Wait for round `number`; the round that was reached."""

        def reached() -> int | None:
            current = self.history().current
            return current.committed if current is not None and current.committed >= number else None

        return self.until(reached, f"round {number}")

    def saved_status(self) -> FederationStatus:
        """The status that it left when it ended."""
        saved = json.loads((self.state / "federation.json").read_text())
        return FederationStatus.model_validate(saved["federation"]["status"])

    def until_gone(self) -> None:
        """Wait until no process of it is left: those of a killed command end a moment after it."""
        eventually(lambda: not self.processes(), 15, lambda: str(self.processes()))

    def model(self) -> str:
        current = self.history().current
        assert current is not None
        assert current.completed_at is not None
        assert current.parameters is not None
        return current.parameters.sha256

    def parameters(self) -> FloatArray:
        """The model itself, where a message holds it."""
        current = self.history().current
        assert current is not None
        assert current.parameters is not None
        return unpack(current.parameters)

    def processes(self) -> dict[str, list[int]]:
        """Its processes by the log that they write: how a process of the nursery is known from outside."""
        found: dict[str, list[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                target = (folder / "fd" / "1").readlink()
            except OSError:
                continue
            if target.is_relative_to(self.state / "logs"):
                found.setdefault(target.stem, []).append(int(folder.name))
        return found

    def kill(self, component: str) -> None:
        """SIGKILL every process of a component."""
        pids = self.until(lambda: self.processes().get(component), f"a process of {component}")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def api(self, method: str = "GET", spec: dict[str, object] | None = None) -> dict[str, Any]:
        """Ask the object API of the running command."""
        control = self.until(self._control, "the object API")
        request = urllib.request.Request(
            control["url"] + path_of(control["namespace"], control["name"]),
            method=method,
            data=json.dumps({"spec": spec}).encode() if spec is not None else None,
            headers={"Authorization": f"Bearer {control['token']}", "Content-Type": MERGE_PATCH},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def phase(self) -> str:
        return str(self.api().get("status", {}).get("phase"))

    def link(self, name: str) -> str:
        """The link after `name` in the command's output."""
        return self.until(lambda: re.search(rf"{name} +(http\S+)", self.text()), f"a link to {name}")[1]

    def _control(self) -> dict[str, str] | None:
        path = self.state / "control.json"
        try:
            loaded: dict[str, str] = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        return loaded


def example(**spec: object) -> str:
    """The NON-PRIVATE example, whose model can be computed beside it, with fields of its Federation's spec replaced."""
    return _with(EXAMPLE.read_text(), spec)


def private_example(budget: float = 4.0, epsilon: float = 1.0, **spec: object) -> str:
    """The private example, with fields of its Federation's spec replaced, and all its cohorts' budgets."""
    text = PRIVATE_EXAMPLE.read_text()
    for said, instead, times in (
        ("budget: {epsilon: 4.0,", f"budget: {{epsilon: {budget},", 5),
        ("\n    epsilon: 1.0 ", f"\n    epsilon: {epsilon} ", 1),
    ):
        assert text.count(said) == times
        text = text.replace(said, instead)
    return _with(text, spec)


def _with(text: str, spec: Mapping[str, object]) -> str:
    for name, value in spec.items():
        text, count = re.subn(rf"(?m)^  {name}: .*$", f"  {name}: {value}", text, count=1)
        if not count:
            text = text.replace("\nspec:\n", f"\nspec:\n  {name}: {value}\n", 1)
    return text


def computed_model(text: str) -> str:
    """The digest of the model that a file gives: of :func:`computed_parameters`."""
    return pack(computed_parameters(text)).sha256


def computed_parameters(text: str) -> FloatArray:
    """The model that a file gives, computed in this process without any of the machinery; shape (features + 1,)."""
    manifest = parse(text, "federation.yaml")
    federation: Federation = manifest.federations[0]
    engines = {name: CohortEngine(cohort) for name, cohort in manifest.cohorts_of(federation).items()}
    objective = SpecObjective(federation.spec)

    def updates(answers: dict[str, Answer]) -> list[Update]:
        return [
            Update(name, answer.rows, lambda answer=answer: chunks(answer.vector))  # type: ignore[misc]
            for name, answer in answers.items()
        ]

    settings = objective.settings(None)
    for engine in engines.values():
        engine.prepare(settings)
    moments = objective.combine(
        "moments", updates({name: engine.answer("moments", settings, None, None) for name, engine in engines.items()})
    )
    settings = objective.settings(moments)
    parameters = objective.initial()
    for _ in range(federation.spec.rounds):
        answers = {name: engine.answer("train", settings, parameters, None) for name, engine in engines.items()}
        parameters = objective.combine("train", updates(answers))
    return parameters
