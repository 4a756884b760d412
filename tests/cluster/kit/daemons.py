"""Processes that outlive the command that starts them, known by the files they leave in a folder."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from deadline import eventually

KILL_SECONDS = 10.0


class Daemons:
    """The background processes of one state folder: ``pids/NAME`` has the process id, ``logs/NAME.log`` its output."""

    def __init__(self, state: Path) -> None:
        self._pids = state / "pids"
        self.logs = state / "logs"
        self.state = state
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str | Path]) -> None:
        """Start one in a session of its own, so that a Ctrl-C for the caller is not for it."""
        self._pids.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.state,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children[name] = process
        program = Path(shutil.which(command[0]) or command[0]).resolve()
        (self._pids / name).write_text(f"{process.pid} {program}")

    def running(self, name: str) -> int | None:
        """The process id, while it is that program's."""
        try:
            pid, program = (self._pids / name).read_text().split(" ", 1)
            alive = Path(f"/proc/{pid}/exe").resolve() == Path(program) and not _is_zombie(int(pid))
        except OSError:
            return None
        return int(pid) if alive else None

    def kill(self, name: str) -> None:
        """End one at once, since nothing that it holds is kept; one that has ended, or was never started, is well."""
        if (pid := self.running(name)) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if (child := self._children.pop(name, None)) is not None:
            child.wait(KILL_SECONDS)
        eventually(lambda: self.running(name) is None, KILL_SECONDS, lambda: f"{name} ({pid})", pause=0.02)
        (self._pids / name).unlink(missing_ok=True)

    def tail(self, name: str, lines: int = 15) -> str:
        """The end of what it wrote."""
        try:
            return "\n".join((self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


def _is_zombie(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat").read_text()
    return status.rpartition(")")[2].split()[0] == "Z"
