"""The folder in which one federation keeps what must outlive a run of the command.

::

    .consilia/<federation>/
      lock               held (flock) by the command that runs it
      federation.json    the Federation as it is now, with its status
      control.json       where the running command's object API answers (only while it runs)
      secrets/           keys, certificates, tokens and passwords, made anew at each start
      config/<component>/   files that components read
      volumes/<component>/<volume>/   the coordinator's journal, hospitals' outboxes, MLflow's database ...
      ledgers/<namespace>/<cohort>/   what the cohort's patients have spent, whichever hospital and run it was in
      logs/<component>.log

Everything is readable by its owner alone.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from consilia.errors import InvalidSetting

DEFAULT_PARENT = Path(".consilia")


@dataclass(frozen=True)
class StateFolder:
    """Paths under one state folder; folders are made when they are asked for."""

    root: Path

    @property
    def federation(self) -> Path:
        """The Federation with its status."""
        return self.root / "federation.json"

    @property
    def control(self) -> Path:
        """Address and token of the running command's object API."""
        return self.root / "control.json"

    def secret(self, secret: str, key: str) -> Path:
        """The file of one key of a secret."""
        return _made(self.root / "secrets" / secret) / key

    def config(self, component: str, name: str) -> Path:
        """A file that a component reads."""
        return _made(self.root / "config" / component) / name

    def volume(self, component: str, volume: str) -> Path:
        """A folder that a component writes."""
        return _made(self.root / "volumes" / component / volume)

    def ledger(self, namespace: str, cohort: str) -> Path:
        """The folder of a cohort's ledger; not made here: whoever only reads leaves nothing."""
        return self.root / "ledgers" / namespace / cohort

    def log(self, component: str) -> Path:
        """Where a component's output goes."""
        return _made(self.root / "logs") / f"{component}.log"


@contextlib.contextmanager
def locked(root: Path) -> Iterator[StateFolder]:
    """The state folder at ``root``, made where it is missing, for this process alone.

    Raises :class:`InvalidSetting` where another process has it, or it cannot be made.
    """
    try:
        _made(root)
        descriptor = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InvalidSetting(f"{root} cannot be used as the state folder ({error.strerror}): choose another") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidSetting(
                f"{root} is in use by another `consilia run`: stop that one, or choose another folder with --state"
            ) from None
        yield StateFolder(root.resolve())
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read; a reader sees the old content or the new, never a part."""
    _made(path.parent)
    # The dot keeps it apart from every name that is asked for: an account may be called "north.new".
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    beside.replace(path)


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
