"""Parquet: columns with types, read batch by batch; only those that are asked for are read at all."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from consilia.data_source import ParquetSource
from consilia.errors import InvalidData
from consilia.experiment import Features
from consilia.spec import CohortSpec
from consilia_agents.sources.extract import Extract, Progress, untold
from consilia_agents.sources.files import DataFile, Files, of_the_bytes, reading
from consilia_agents.sources.mapped import Mapped
from consilia_agents.sources.parts import PART_BYTES, Part
from consilia_agents.sources.records import Records, Share
from consilia_agents.sources.values import add_arrow

SUFFIXES = (".parquet", ".pq")
BATCH_ROWS = 16384
PAGE_BYTES = 1 << 20
_MAGIC = b"PAR1"
_NO_TEXT = "has texts that are not UTF-8, as Parquet's are: write it anew"


@dataclass(frozen=True)
class ParquetFiles:
    """See :class:`consilia_agents.sources.extract.DataSource`."""

    cohort: CohortSpec
    source: ParquetSource
    files: Files

    def columns(self) -> tuple[str, ...]:
        """See :class:`consilia_agents.sources.extract.DataSource`; of the first file."""
        file = self.files.listed()[0]
        with reading(self.files, file) as opened:
            return self._names(file, self._opened(file, opened))

    def extract(self, features: Features, progress: Progress = untold) -> Extract:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        mapped = Mapped.of(self.cohort, features)
        files = self.files.listed()
        rows = 0
        for file in files:
            rows += self._require(mapped, file)
        records, share, done = Records(mapped, rows), Share(progress), 0
        for file in files:
            for read in self._batches(mapped, file, records):
                done += read
                share.tell(done, rows)
        extract = records.extract()
        share.finish()
        return extract

    def stamp(self) -> str | None:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        return self.files.stamp()

    def parts(self, mapped: Mapped) -> tuple[Part, ...]:
        """See :class:`consilia_agents.sources.parts.Parted`: row groups, as many as make a part."""
        found = []
        for file in self.files.listed():
            self._require(mapped, file)
            groups: list[int] = []
            size = 0
            for group, rows in enumerate(self._rows_of_groups(file)):
                groups.append(group)
                size += rows * 8 * len(mapped.columns)
                if size >= PART_BYTES:
                    found.append(Part(file, tuple(groups)))
                    groups, size = [], 0
            if groups:
                found.append(Part(file, tuple(groups)))
        return tuple(found)

    def read(self, mapped: Mapped, part: Part, records: Records) -> Iterator[int]:
        """See :class:`consilia_agents.sources.parts.Parted`; yields rows."""
        done = 0
        for read in self._batches(mapped, part.file, records, part.groups):
            done += read
            yield done

    def _rows_of_groups(self, file: DataFile) -> list[int]:
        with reading(self.files, file) as opened:
            metadata = self._opened(file, opened).metadata
            return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]

    def _require(self, mapped: Mapped, file: DataFile) -> int:
        """How many rows a file has, whose columns are there and of types that are numbers."""
        with reading(self.files, file) as opened:
            found = self._opened(file, opened)
            mapped.require(self._names(file, found), f' in "{file.name}"')
            # A type is refused before the first row is looked at, and where there is none.
            empty = found.schema_arrow.empty_table().select(list(mapped.needed)).combine_chunks()
            for batch in empty.to_batches() or [_empty(empty.schema)]:
                add_arrow(Records(mapped), mapped, batch, f' in "{file.name}"')
            return int(found.metadata.num_rows)

    def _opened(self, file: DataFile, opened: Any) -> Any:
        try:
            # Pages one after the other, and not a whole row group at once.
            return parquet.ParquetFile(opened, pre_buffer=False, buffer_size=PAGE_BYTES)
        except UnicodeError:  # of a column's name
            raise self._cut_off(file) from None
        except (pa.ArrowException, OSError) as error:
            if not of_the_bytes(error):
                raise
            opened.seek(0)
            if bytes(opened.read(len(_MAGIC))) == _MAGIC:
                raise self._cut_off(file) from None
            raise self._refused(file, "is no Parquet: name one, or use source.csv for text") from None

    def _names(self, file: DataFile, found: Any) -> tuple[str, ...]:
        try:
            return tuple(found.schema_arrow.names)
        except UnicodeError:
            raise self._cut_off(file) from None

    def _batches(
        self, mapped: Mapped, file: DataFile, records: Records, groups: tuple[int, ...] | None = None
    ) -> Iterator[int]:
        """Read a file, or some of its row groups, into ``records``; yields how many rows came."""
        with reading(self.files, file) as opened:
            found = self._opened(file, opened)
            try:
                for batch in found.iter_batches(batch_size=BATCH_ROWS, row_groups=groups, columns=list(mapped.needed)):
                    add_arrow(records, mapped, batch, f' in "{file.name}"')
                    yield len(batch)
            except UnicodeError:
                raise self._refused(file, _NO_TEXT) from None
            except (pa.ArrowException, OSError) as error:
                if not of_the_bytes(error):
                    raise
                if "utf8" in str(error).lower():
                    raise self._refused(file, _NO_TEXT) from None
                raise self._cut_off(file) from None
            finally:
                # Arrow would keep what pages took for the next file; here the rows are next.
                pa.default_memory_pool().release_unused()

    def _cut_off(self, file: DataFile) -> InvalidData:
        return self._refused(file, "is cut off or damaged: it begins as Parquet and does not end as such; copy it anew")

    def _refused(self, file: DataFile, what: str) -> InvalidData:
        return InvalidData(f'hospital {self.cohort.hospital}: file "{file.name}" {what}')


def _empty(schema: Any) -> Any:
    return pa.RecordBatch.from_pylist([], schema=schema)
