"""The journal on disk: append, fsync, read back. One process at a time holds it."""

import fcntl
import logging
import os
from pathlib import Path

from consilia.errors import Unavailable
from consilia.journal import AnyFact, History, decode, encode

logger = logging.getLogger(__name__)

GONE = -1
"""The descriptor of a closed file."""


class JournalFile:
    """Facts in a file, and their fold in memory.

    :meth:`add` folds a fact at once and keeps its line back until :meth:`flush`; whoever announces a fact flushes
    first. One flush writes all lines that are due with one write and at most one fsync.

    Fail-stop: after a write that failed nothing more is written, for memory is ahead of the disk, and a line behind
    half a line would be lost with it.
    """

    def __init__(self, path: Path) -> None:
        self.history = History()
        self._due: list[bytes] = []
        self._failed: OSError | None = None
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise Unavailable(f"{path} is held by another coordinator: stop that one first") from error
        try:
            self._recover()
        except Exception:
            os.close(self._file)
            raise

    def add(self, fact: AnyFact) -> None:
        """Fold ``fact`` in; it is on disk after the next flush."""
        self.history.add([fact])
        self._due.append(encode(fact))

    def flush(self, *, durable: bool) -> None:
        """Write what is due; with ``durable``, wait until it would survive a power cut, with all that came before."""
        if self._failed is not None:
            raise Unavailable(f"{self._path} could not be written ({self._failed}): nothing more is") from self._failed
        try:
            if self._due:
                lines, self._due = b"".join(self._due), []
                _write_all(self._file, lines)
            if durable:
                os.fdatasync(self._file)
        except OSError as error:
            self._failed = error
            raise Unavailable(
                f"{self._path} cannot be written: {error.strerror}; make room, then it resumes"
            ) from error

    def close(self) -> None:
        """Write what is due, unless writing failed, and let go of the file.

        Its number may be another file's afterwards, which a late timer must not write to.
        """
        try:
            if self._failed is None:
                self.flush(durable=True)
        finally:
            os.close(self._file)
            self._file = GONE

    def _recover(self) -> None:
        lines = self._path.read_bytes()
        facts, whole = decode(lines, str(self._path))
        if whole < len(lines):
            logger.warning("%s ends in a torn line of %d bytes, from a crash: dropped", self._path, len(lines) - whole)
            os.ftruncate(self._file, whole)
        self.history.add(facts)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
