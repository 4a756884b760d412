"""A hospital's records in Spark: blocks on the executors' disks, and what is known of all of them.

They are read once, and kept on disk as they were read; the memory is for the design rows of the run. Whatever is made
of them, each record is in the partition that it was read in, so that sums are added in one order.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from pyspark import StorageLevel
from pyspark.rdd import RDD
from pyspark.serializers import FramedSerializer

from consilia.data_source import TableMapping
from consilia.experiment import Features
from consilia.model import Family, Flags
from consilia.vectors import FloatArray
from consilia_agents.findings import MOST_LABELS, Findings, imputed
from consilia_agents.sources.extract import Extract, Progress, untold
from consilia_agents.spark.blocks import DIGESTS, Block, firsts, summed_digest
from consilia_agents.spark.passes import Blocks
from consilia_agents.spark.session import Session

ON_DISK = StorageLevel(True, False, False, False)
IN_MEMORY = StorageLevel(True, True, False, True)
"""Spills to disk what does not fit; bytes are kept as they are."""


class Raw(FramedSerializer):  # type: ignore[misc]  # pyspark's
    """Bytes are passed on as bytes."""

    def dumps(self, obj: bytes) -> bytes:
        """See pyspark."""
        return obj

    def loads(self, obj: bytes) -> bytes:
        """See pyspark."""
        return obj


def of_bytes(made: Any) -> Any:
    """An RDD of bytes, as Spark's Java keeps them."""
    return made._reserialize(Raw())  # noqa: SLF001 - pyspark's way to choose a serializer has no other name


@dataclass(frozen=True)
class Look:
    """What a pass over the rows of one partition finds, or of all.

    ``training`` and ``held``: usable records of either side. ``digest``: :func:`summed_digest` of all that was read.
    """

    findings: Findings
    training: int
    held: int
    digest: int

    @property
    def fingerprint(self) -> str:
        """Of the records that were read, whichever order and partitions they came in: a SHA-256."""
        return sha256(f"{self.findings.rows} {self.digest:032x}".encode()).hexdigest()

    @classmethod
    def over(cls, looks: Iterable["Look"]) -> "Look":
        """All partitions', in their order."""
        parts = list(looks)
        found = [part.findings for part in parts]
        return cls(
            Findings(
                rows=sum(each.rows for each in found),
                patients=0,
                missing=_added(each.missing for each in found),
                unreadable=_added(each.unreadable for each in found),
                out_of_bounds=_added(each.out_of_bounds for each in found),
                labels=_classes(found),
                usable=sum(each.usable for each in found),
                unfit=sum(each.unfit for each in found),
            ),
            sum(part.training for part in parts),
            sum(part.held for part in parts),
            sum(part.digest for part in parts) % DIGESTS,
        )


@dataclass(frozen=True)
class Looking:
    """A pass that looks at rows as they were read."""

    features: Features
    mapping: TableMapping
    family: Family | None

    def __call__(self, blocks: Blocks) -> list[Look]:
        """One partition's."""
        return [Look.over(self._look(data) for data in blocks)]

    def _look(self, data: bytes) -> Look:
        block = Block.unpack(data)
        names = (*self.features.names, self.features.label)
        unreadable = dict(zip((*names, self.mapping.patient), block.unreadable.tolist(), strict=True))
        everybody = tuple(map(str, range(len(block))))  # who is who is another pass's
        extract = Extract(
            everybody, names[:-1], names[-1], block.values[:, :-1], block.values[:, -1], "", unreadable=unreadable
        )
        findings = Findings.of(extract, self.features, self.mapping, self.family)
        kept = usable(block, imputed(self.features, self.mapping, self.family))
        held = int(kept.held.sum())
        return Look(findings, len(kept) - held, held, summed_digest(block))


def usable(block: Block, public: FloatArray) -> Block:
    """The records of a block that count; ``public`` (d + 1) is in place of what is missing, NaN where nothing is."""
    values = block.values
    if not np.isnan(public).all():
        values = np.where(np.isfinite(values) | np.isnan(public), values, public)
    whole: Flags = np.logical_and.reduce(np.isfinite(values), axis=1)
    filled = replace(block, values=values)
    return filled if whole.all() else filled.take(whole)


def usable_blocks(public: FloatArray, blocks: Blocks) -> Iterator[bytes]:
    """A partition's records that count."""
    return (usable(Block.unpack(data), public).pack() for data in blocks)


def keys_by_bucket(buckets: int, blocks: Blocks) -> Iterator[tuple[int, bytes]]:
    """A partition's digests, those of a patient in the patient's bucket."""
    parts = [Block.unpack(data).keys for data in blocks]
    keys = np.concatenate(parts) if parts else np.empty((0, 2), np.uint64)
    bucket = keys[:, 0] % np.uint64(buckets)
    return ((number, keys[bucket == number].tobytes()) for number in range(buckets))


def distinct(gathered: Iterable[tuple[int, bytes]]) -> list[int]:
    """How many patients a bucket has."""
    keys = np.frombuffer(b"".join(data for _, data in gathered), np.uint64).reshape(-1, 2)
    return [len(firsts(keys, np.zeros(len(keys), np.int64)))]


def records_by_bucket(buckets: int, blocks: Blocks) -> Iterator[tuple[int, bytes]]:
    """A partition's records, those of a patient in the patient's bucket."""
    for data in blocks:
        block = Block.unpack(data)
        bucket = block.keys[:, 0] % np.uint64(buckets)
        for number in np.unique(bucket).tolist():
            yield number, block.take(bucket == number).pack()


def first_records(gathered: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """Of a bucket's patients the first record, in the order of the source."""
    blocks = [Block.unpack(data) for _, data in gathered]
    if blocks:
        whole = joined(blocks)
        yield from whole.take(firsts(whole.keys, whole.positions)).packed()


def joined(blocks: list[Block]) -> Block:
    """Several blocks as one."""
    whole = {
        name: np.concatenate([getattr(block, name) for block in blocks])
        for name in ("values", "keys", "positions", "held")
    }
    return Block(**whole, unreadable=np.sum([block.unreadable for block in blocks], axis=0))


class Rows:
    """The records of a cohort, as they were read."""

    def __init__(self, session: Session, read: RDD[bytes], *, once: bool = False) -> None:
        """``once``: a part that is lost is not read again, as nobody could tell whether it is what was looked at; the
        pass that needs it fails, and all of it has to be looked at anew."""
        self.session = session
        self._once = once
        self.read = session.run(lambda: of_bytes(read).persist(ON_DISK))
        if once:
            session.run(self.read.localCheckpoint)

    def look(self, looking: Looking, progress: Progress = untold) -> Look:
        """One pass over all records, which is told to ``progress``, and one over their patients."""
        if self._once:
            # At the end of the first pass Spark reads anew whatever got lost in it: that may not be the look's.
            self.session.run(self.read._jrdd.count, progress)  # noqa: SLF001 - without a way through Python
        found = Look.over(self.session.run(lambda: self.read.mapPartitions(looking).collect(), progress))
        progress(1.0)
        gathered = self._bucketed(keys_by_bucket)
        patients = sum(self.session.run(lambda: gathered.mapPartitions(distinct).collect()))
        return replace(found, findings=replace(found.findings, patients=patients))

    def firsts(self) -> "Rows":
        """One record a patient. Everything goes over the wire once: only for a table where somebody comes twice."""
        return Rows(self.session, self._bucketed(records_by_bucket).mapPartitions(first_records))

    def usable(self, public: FloatArray) -> Any:
        """The records that count (:func:`usable`), as an RDD of blocks."""
        return of_bytes(self.read.mapPartitions(partial(usable_blocks, public)))

    def release(self) -> None:
        """Let go of them."""
        self.session.let_go(self.read.unpersist)

    def _bucketed(self, by: Any) -> Any:
        buckets = max(1, self.session.run(self.read.getNumPartitions))
        return self.session.run(lambda: self.read.mapPartitions(partial(by, buckets)).partitionBy(buckets, int))


def _added(counts: Iterable[Any]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _classes(found: list[Findings]) -> dict[float, int] | None:
    if any(each.labels is None for each in found):
        return None
    total: Counter[float] = Counter()
    for each in found:
        total.update(each.labels or {})
    return dict(sorted(total.items())[:MOST_LABELS])
