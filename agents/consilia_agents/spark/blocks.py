"""Blocks: some hundred records in one piece of memory, as Spark keeps and moves them.

Spark's own rows cost more to take apart than to add up (docs/adr/0018 has the figures). A block is bytes to Spark and
arrays to NumPy, without a copy on the way, so that a pass costs about what the bare sums do. Identities are not in it:
of a patient there is a digest, by which two records are known to be of the same one.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np
import numpy.typing as npt

from consilia.model import Flags
from consilia.vectors import FloatArray

Keys = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

BLOCK_BYTES = 1 << 18
"""About what a block's values take: a few of them fit into a core's cache, and Java's collector moves none of them."""
SHIFT = 40
"""A record's position is its part's number, and below 2^40 its own within that."""
DIGESTS = 1 << 128
"""How many digests there are: sums of them are modulo this."""
_SEEDS = np.array([[0x9E3779B97F4A7C15], [0xD1B54A32D192ED03]], np.uint64)
_FACTORS = np.array([[0xBF58476D1CE4E5B9], [0x94D049BB133111EB]], np.uint64)
"""Odd, of splitmix64's (Steele, Lea and Flood 2014); one of each for either half of a record's digest."""


@dataclass(frozen=True, eq=False)
class Block:
    """``n`` records as they were read: ``values`` (n, d + 1), the label last, NaN where nothing can be read.

    ``keys`` (n, 2): the digests of the patients. ``positions`` (n,): the order of the source. ``held`` (n,): who is
    held out. ``unreadable`` (d + 2,): how many values of each feature and of the label are there and no numbers, and
    last how many records have no identity, and so no row.
    """

    values: FloatArray
    keys: Keys
    positions: Numbers
    held: Flags
    unreadable: Numbers

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def take(self, rows: npt.NDArray[np.intp] | Flags) -> "Block":
        """The records at ``rows``; what is counted beside them stays with the whole."""
        nothing = np.zeros_like(self.unreadable)
        return Block(self.values[rows], self.keys[rows], self.positions[rows], self.held[rows], nothing)

    def pack(self) -> bytes:
        """As bytes."""
        n, width = self.values.shape
        parts = (self.values, self.keys, self.positions, self.unreadable, self.held)
        return struct.pack("<qq", n, width) + b"".join(np.ascontiguousarray(part).tobytes() for part in parts)

    def packed(self) -> Iterator[bytes]:
        """As bytes, a block at a time; what is counted beside the records goes with the first."""
        unreadable = self.unreadable
        for rows in slices(*self.values.shape):
            part = Block(self.values[rows], self.keys[rows], self.positions[rows], self.held[rows], unreadable)
            yield part.pack()
            unreadable = np.zeros_like(unreadable)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """What :meth:`pack` wrote."""
        n, width = struct.unpack_from("<qq", data)
        at = 16
        values = np.frombuffer(data, np.float64, n * width, at).reshape(n, width)
        at += values.nbytes
        keys = np.frombuffer(data, np.uint64, 2 * n, at).reshape(n, 2)
        at += keys.nbytes
        positions = np.frombuffer(data, np.int64, n, at)
        at += positions.nbytes
        unreadable = np.frombuffer(data, np.int64, width + 1, at)
        at += unreadable.nbytes
        return cls(values, keys, positions, np.frombuffer(data, np.bool_, n, at), unreadable)


def keys_of(ids: Sequence[str]) -> Keys:
    """Digests (n, 2) of identities: BLAKE2b of 16 bytes (RFC 7693), of which no two people have the same."""
    digests = b"".join(blake2b(patient.encode(), digest_size=16).digest() for patient in ids)
    return np.frombuffer(digests, np.uint64).reshape(len(ids), 2)


def rows_of_a_block(width: int) -> int:
    """How many records of ``width`` values go into a block."""
    return max(64, BLOCK_BYTES // (8 * width))


def slices(n: int, width: int) -> Iterator[slice]:
    """``n`` records, a block at a time; one that is empty where there are none."""
    step = rows_of_a_block(width)
    yield from (slice(start, min(start + step, n)) for start in range(0, max(n, 1), step))


def firsts(keys: Keys, positions: Numbers) -> npt.NDArray[np.intp]:
    """Where each patient comes first in the order of the source: ascending by position."""
    order = np.lexsort((positions, keys[:, 1], keys[:, 0]))
    ranked = keys[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
    first = order[new]
    kept: npt.NDArray[np.intp] = first[np.argsort(positions[first], kind="stable")]
    return kept


def summed_digest(block: Block) -> int:
    """The sum of the records' digests, modulo 2^128: of the same records the same, in any order and any blocks.

    A record's digest is of 128 bits: two chains of multiplications over its identity's digest and its values. It tells
    an edited table from the one before; it is no defence against who wants two tables to have the same.
    """
    words = np.concatenate([block.keys, block.values.view(np.uint64)], axis=1).T
    halves = np.broadcast_to(_SEEDS, (2, len(block))).copy()
    for word in words:
        halves ^= word
        halves *= _FACTORS
        halves ^= halves >> np.uint64(29)
    halves *= _FACTORS
    halves ^= halves >> np.uint64(32)
    # Summed in pieces of 32 bits, for a carry to be seen.
    low = (halves & np.uint64(0xFFFFFFFF)).sum(axis=1).tolist()
    high = (halves >> np.uint64(32)).sum(axis=1).tolist()
    return sum(int(piece) << 32 * at for at, piece in enumerate((low[0], high[0], low[1], high[1]))) % DIGESTS
