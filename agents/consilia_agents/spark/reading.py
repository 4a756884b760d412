"""From a source to blocks: by Spark's workers where the source is divided, else through this process's memory.

CSV and Parquet are read part by part, by the very code that reads them into memory, so that both engines refuse the
same files in the same sentences. All else (builtin data, SQL, FHIR, OMOP, files behind an S3 API) is read here and then
handed to Spark: it has to fit into the hospital's memory once. JDBC is :mod:`consilia_agents.spark.jdbc`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from consilia.vectors import FloatArray
from consilia_agents.holdout import Holdout
from consilia_agents.sources.extract import Extract
from consilia_agents.sources.mapped import Mapped
from consilia_agents.sources.parts import PART_BYTES, Part, Parted
from consilia_agents.sources.records import Records
from consilia_agents.spark.blocks import SHIFT, Block, keys_of


@dataclass(frozen=True)
class PartReader:
    """What a worker does with the parts that it is given, each with its number in the order of the source."""

    source: Parted
    mapped: Mapped
    holdout: Holdout

    def __call__(self, numbered: Iterable[tuple[int, Part]]) -> Iterator[bytes]:
        """The parts' records."""
        for number, part in numbered:
            records, position = Records(self.mapped), number << SHIFT
            for _ in self.source.read(self.mapped, part, records):
                whole = drained(records, self.mapped, self.holdout, position)
                position += len(whole)
                yield from whole.packed()


def drained(records: Records, mapped: Mapped, holdout: Holdout, position: int) -> Block:
    """What was read since the last time, as one block of records from ``position`` on."""
    ids, values, unreadable = records.drained()
    names = (*(column.name for column in mapped.columns), mapped.patient)
    return block_of(ids, values, holdout, position, [unreadable.get(name, 0) for name in names])


def block_of(
    ids: Sequence[str], values: FloatArray, holdout: Holdout, position: int, unreadable: Sequence[int]
) -> Block:
    """One block of records (n, d + 1), and beside them how many values are unreadable (d + 2)."""
    positions = np.arange(position, position + len(ids), dtype=np.int64)
    return Block(values, keys_of(ids), positions, holdout.of(ids), np.array(unreadable, dtype=np.int64))


def blocks_of_extract(extract: Extract, mapped: Mapped, holdout: Holdout) -> list[bytes]:
    """A table in this process's memory, as blocks."""
    names = (*extract.features, extract.label, mapped.patient)
    unreadable = [extract.unreadable.get(name, 0) for name in names]
    values = np.column_stack([extract.x, extract.y])
    return list(block_of(extract.ids, values, holdout, 0, unreadable).packed())


def partitions_of(blocks: Sequence[bytes]) -> int:
    """How many partitions such blocks are worth."""
    return max(1, sum(map(len, blocks)) // PART_BYTES)
