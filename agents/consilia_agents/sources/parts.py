"""A source's files in parts that are read apart from one another, as Spark's executors do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from consilia_agents.sources.files import DataFile
from consilia_agents.sources.mapped import Mapped
from consilia_agents.sources.records import Records

PART_BYTES = 1 << 26
"""About what the numbers of a part take, where files can be divided so finely."""


@dataclass(frozen=True)
class Part:
    """A file, or some of its row groups, which follow on one another."""

    file: DataFile
    groups: tuple[int, ...] | None = None


@runtime_checkable
class Parted(Protocol):
    """A source of files, of which each part can be read by another process."""

    def parts(self, mapped: Mapped) -> tuple[Part, ...]:
        """The parts, in the order of the source. Raises :class:`consilia.errors.InvalidData` for files that cannot be
        read as they are asked for, as far as their beginnings and ends tell."""
        ...

    def read(self, mapped: Mapped, part: Part, records: Records) -> Iterator[int]:
        """Read a part into ``records``, batch by batch; yields how far it came."""
        ...
