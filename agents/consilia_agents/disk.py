"""Writing that outlives a power cut: a file is on the disk, whole, before the call that wrote it returns.

What has been sent cannot be taken back, so whatever says what was sent comes first, and for good.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consilia.errors import Unwritable


class Disk:
    """The system's calls that writing needs: the seam at which tests record them and let them fail."""

    def write(self, file: int, data: bytes | memoryview) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]

    def sync(self, file: int) -> None:
        """Wait until what an open file holds would survive a power cut."""
        os.fdatasync(file)

    def sync_names(self, folder: int) -> None:
        """Wait until the names in an open folder would."""
        os.fsync(folder)

    def truncate(self, file: int, length: int) -> None:
        """Cut an open file to its first ``length`` bytes."""
        os.ftruncate(file, length)

    def rename(self, old: Path, new: Path) -> None:
        """Put a file in the place of another, at once."""
        old.rename(new)

    def sync_folder(self, folder: Path) -> None:
        """The same, of a folder that is not open."""
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sync_names(file)
        finally:
            os.close(file)

    def put(self, path: Path, data: bytes | memoryview, *, durable: bool) -> None:
        """Make ``path`` hold ``data``: all of it or, after a crash, what it held before. ``durable``: synced, file and
        folder. Raises :class:`Unwritable`."""
        part = path.with_name(path.name + ".part")
        with told(path):
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                self.write(file, data)
                if durable:
                    self.sync(file)
            finally:
                os.close(file)
            self.rename(part, path)
            if durable:
                self.sync_folder(path.parent)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """What the system refuses, as a sentence about ``path``."""
    try:
        yield
    except OSError as error:
        raise Unwritable(
            f"{path} cannot be used ({error.strerror or error}): nothing is sent before it can; make room, or let this "
            "process read and write there"
        ) from error
