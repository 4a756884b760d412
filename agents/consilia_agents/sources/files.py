"""The files of a source: one, or those of a folder in the order of their names; of the data folder, or of a bucket.

What is read of them, and how, is another module's. Here is what both kinds of places have in common, and what a folder
of the hospital's own refuses: a path that leaves it, a file that is not there, a folder without a file of the kind.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from consilia.errors import ConsiliaError, InvalidData, Unavailable
from consilia_agents.sources.places import Places

HIDDEN = ("_", ".")
"""How names begin that are no data: Spark's marks of success, half-written files."""


@dataclass(frozen=True)
class DataFile:
    """One file; ``name`` is as people know it, ``size`` in bytes."""

    name: str
    path: str
    size: int


class Files(Protocol):
    """The files of one source."""

    def listed(self) -> tuple[DataFile, ...]:
        """At least one, in the order of their names."""
        ...

    def opened(self, file: DataFile) -> Any:
        """An Arrow file that seeks; whoever reads it is in :func:`reading`."""
        ...

    def failed(self, file: DataFile, error: OSError) -> ConsiliaError:
        """What an error of the place means, to be raised."""
        ...

    def stamp(self) -> str:
        """What changes when a file does."""
        ...


def stamp_of(parts: Sequence[tuple[object, ...]]) -> str:
    """One text for what is known of all files."""
    return hashlib.sha256(repr(list(parts)).encode()).hexdigest()


@contextmanager
def reading(files: Files, file: DataFile) -> Iterator[Any]:
    """A file, opened; what the place raises while it is read becomes a sentence, what the format raises does not."""
    try:
        opened = files.opened(file)
    except OSError as error:
        raise files.failed(file, error) from None
    with opened:
        try:
            yield opened
        except OSError as error:
            if of_the_bytes(error):
                raise
            raise files.failed(file, error) from None


def of_the_bytes(error: Exception) -> bool:
    """Whether an error of Arrow's is about what a file's bytes mean, and not about how they are got at."""
    if isinstance(error, OSError):
        return error.errno is None and "AWS Error" not in str(error)
    return isinstance(error, pa.ArrowException)


@dataclass(frozen=True)
class LocalFiles:
    """Files of the data folder."""

    hospital: str
    path: str
    suffixes: tuple[str, ...]
    places: Places

    def listed(self) -> tuple[DataFile, ...]:
        """See :class:`Files`."""
        found = self.places.inside(self.hospital, self.path)
        try:
            if found.is_dir():
                names = sorted(each.name for each in found.iterdir() if _wanted(each.name, self.suffixes))
                if not names:
                    raise no_file_of_the_kind(self.hospital, self.path, self.suffixes)
                return tuple(self._file(f"{self.path.rstrip('/')}/{name}") for name in names)
            return (self._file(self.path),)
        except FileNotFoundError:
            raise no_such_file(self.hospital, self.path) from None
        except PermissionError:
            raise InvalidData(
                f'hospital {self.hospital}: "{self.path}" may not be read by this process: mend its permissions'
            ) from None
        except OSError as error:
            raise Unavailable(
                f'hospital {self.hospital}: "{self.path}" cannot be read now ({error.strerror})'
            ) from error

    def opened(self, file: DataFile) -> Any:
        """See :class:`Files`."""
        return pa.OSFile(file.path, "rb")

    def failed(self, file: DataFile, error: OSError) -> ConsiliaError:
        """See :class:`Files`."""
        match error:
            case FileNotFoundError():
                return no_such_file(self.hospital, file.name)
            case PermissionError():
                return InvalidData(
                    f'hospital {self.hospital}: "{file.name}" may not be read by this process: mend its permissions'
                )
            case _:
                return Unavailable(f'hospital {self.hospital}: "{file.name}" cannot be read to its end now')

    def stamp(self) -> str:
        """See :class:`Files`: names, sizes and times of change in nanoseconds."""
        return stamp_of([(file.name, file.size, Path(file.path).stat().st_mtime_ns) for file in self.listed()])

    def _file(self, name: str) -> DataFile:
        real = self.places.inside(self.hospital, name)
        if real.is_dir():
            raise InvalidData(f'hospital {self.hospital}: "{name}" is a folder: name the folder itself in the source')
        return DataFile(name, str(real), real.stat().st_size)


def no_such_file(hospital: str, path: str) -> InvalidData:
    """The refusal of a path at which nothing is."""
    return InvalidData(f'hospital {hospital} has no file "{path}": put it there, or mend the source\'s path')


def no_file_of_the_kind(hospital: str, path: str, suffixes: Sequence[str]) -> InvalidData:
    """The refusal of a folder in which there is nothing to read."""
    kinds = " or ".join(suffixes)
    return InvalidData(f'hospital {hospital}: folder "{path}" holds no file that ends in {kinds}: put one there')


def _wanted(name: str, suffixes: Sequence[str]) -> bool:
    return not name.startswith(HIDDEN) and name.lower().endswith(tuple(suffixes))
