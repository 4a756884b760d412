"""The ledger of a cohort on its disk: one file that only grows, one process at a time, nothing taken on trust.

The rules are :mod:`consilia.privacy.ledger`'s. What is kept here: a line is on the disk before it counts in memory, a
file that changed under this process is not written to, and a torn end, of which nothing was sent, goes only when all
that is before it holds.
"""

import fcntl
import logging
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from consilia.errors import CohortBusy, DamagedLedger, IllegalEvent, Unwritable
from consilia.privacy.entries import AnyEntry, encode
from consilia.privacy.ledger import Ledger, Witness
from consilia_agents.disk import Disk, told

logger = logging.getLogger(__name__)

NAME, LOCK = "ledger.jsonl", "lock"
NONCE_BYTES = 32
_GONE = -1


def now() -> str:
    """The time of an entry: ISO 8601 in UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def nonce() -> str:
    """What tells one ledger from any other, from the operating system's generator."""
    return secrets.token_hex(NONCE_BYTES)


class LedgerFile:
    """The ledger in ``folder``, held until :meth:`close`; ``ledger`` is what it says.

    Begins the file where there is none and ``witness`` saw none. Raises :class:`CohortBusy` where another process holds
    it, :class:`DamagedLedger` where it is not what it was, :class:`Unwritable` where the disk refuses.
    """

    def __init__(
        self,
        folder: Path,
        cohort: str,
        witness: Witness | None,
        disk: Disk | None = None,
        clock: Callable[[], str] = now,
        draw: Callable[[], str] = nonce,
    ) -> None:
        self.path = folder / NAME
        self.ledger = Ledger()
        self._cohort = cohort
        self._disk = disk or Disk()
        self._clock = clock
        self._draw = draw
        self._file = _GONE
        self._length = 0
        self._behind: OSError | None = None
        self._lock = self._hold(folder)
        try:
            self.read(witness)
        except BaseException:
            self.close()
            raise

    def read(self, witness: Witness | None) -> None:
        """Read the file anew; it must hold ``witness``, and all that this process saw of it before."""
        self._require_held()
        with told(self.path):
            lines = self._lines()
        ledger = self._ledger_of(lines, witness)
        if lines is None:
            self._begin(ledger)
        else:
            with told(self.path):
                self._open()
                self._settle(lines)
        self.ledger, self._behind = ledger, None

    def append(self, entry: AnyEntry) -> None:
        """Write an entry, synced, and only then count it.

        After :class:`Unwritable` nobody knows what the disk holds: :meth:`read` comes first.
        """
        self._require_in_step(entry)
        line = encode(entry)
        with told(self.path):
            try:
                self._disk.write(self._file, line)
                self._disk.sync(self._file)
            except OSError as error:
                self._behind = error
                with suppress(OSError):
                    self._disk.truncate(self._file, self._length)
                raise
        self._length += len(line)
        self.ledger.append(entry)

    def close(self) -> None:
        """Let go of the ledger."""
        for file in (self._file, self._lock):
            if file != _GONE:
                os.close(file)
        self._file = self._lock = _GONE

    def _hold(self, folder: Path) -> int:
        with told(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(lock)
                raise CohortBusy(
                    f"cohort {self._cohort} takes part in another private run now: the ledger in {folder} is held by "
                    "another process; end that run, or wait for it"
                ) from error
            except OSError:
                os.close(lock)
                raise
        return lock

    def _lines(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def _ledger_of(self, lines: bytes | None, witness: Witness | None) -> Ledger:
        """The ledger that the whole lines tell, which nobody has seen otherwise."""
        seen = self.ledger.witness if self.ledger.hashes else None
        whole = None if lines is None else _whole(lines)
        Ledger.read(whole, str(self.path), self._cohort, seen)
        return Ledger.read(whole, str(self.path), self._cohort, witness)

    def _begin(self, ledger: Ledger) -> None:
        entry = ledger.create(self._cohort, self._draw(), self._clock())
        line = encode(entry)
        self._disk.put(self.path, line, durable=True)
        with told(self.path):
            self._open()
        ledger.append(entry)
        self._length = len(line)

    def _open(self) -> None:
        if self._file != _GONE:
            os.close(self._file)
            self._file = _GONE
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND)

    def _settle(self, lines: bytes) -> None:
        """Drop a torn end; make sure that all that was read is on the disk: whoever wrote it may have been killed."""
        self._length = len(_whole(lines))
        if self._length < len(lines):
            logger.warning(
                "%s ended in a torn line of %d bytes, from a crash: nothing of it was sent, and it is dropped",
                self.path,
                len(lines) - self._length,
            )
            self._disk.truncate(self._file, self._length)
        self._disk.sync(self._file)
        self._disk.sync_folder(self.path.parent)

    def _require_held(self) -> None:
        if self._lock == _GONE:
            raise Unwritable(f"{self.path} is not held by this process any more: nothing is sent")

    def _require_in_step(self, entry: AnyEntry) -> None:
        self._require_held()
        if self._behind is not None:
            raise Unwritable(f"{self.path} could not be written ({self._behind.strerror}): it is read again first")
        place = self.ledger.place
        if not entry.goes(place):
            raise IllegalEvent(f"entry {entry.sequence} is not the next one of {self.path}, which is {place.sequence}")
        with told(self.path):
            mine = os.fstat(self._file)
            try:
                there = self.path.stat()
            except FileNotFoundError:
                there = None
        if there is None or not os.path.samestat(mine, there) or mine.st_size != self._length:
            raise DamagedLedger(
                f"{self.path} was removed, replaced or written to by somebody else while it was in use: put back the "
                "newest copy; nothing is sent"
            )


def _whole(lines: bytes) -> bytes:
    """The lines that have an end. A file without any is left as it is: the first line is never torn."""
    return lines[: lines.rindex(b"\n") + 1] if b"\n" in lines else lines
