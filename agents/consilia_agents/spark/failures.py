"""What an error of Spark's means, in one sentence. What it says may quote rows, so that is only looked at.

A refusal of our own, raised in a worker, comes out as it went in. All else is told by its kind.
"""

import re
from contextlib import suppress
from pathlib import Path

from consilia import errors
from consilia.errors import ConsiliaError, InvalidData, Unavailable, Unwritable

_OURS = re.compile(r"consilia\.errors\.(\w+): (.+)")
_KIND = re.compile(r"^(?:Caused by: )?(?:[a-z]\w*\.)*([A-Z]\w+(?:Error|Exception))\b", re.MULTILINE)
"""Names of classes of errors, without what they say."""
_FULL = ("No space left on device", "Disk quota exceeded")
_NO_MEMORY = ("OutOfMemoryError", "OUT_OF_MEMORY", "MemoryError")
_LOST = ("ExecutorLostFailure", "FetchFailed", "Could not find CoarseGrainedScheduler", "ExecutorDeadException")
_WRITES = "in a read-only transaction"
"""As PostgreSQL says it."""


_GONE = "CHECKPOINT_RDD_BLOCK_ID_NOT_FOUND"


def rows_are_gone(error: Exception) -> bool:
    """Whether rows that were looked at are not there any more, and must not be read again as if they were the same."""
    return _GONE in text_of(error)


def told(error: Exception, folder: Path) -> ConsiliaError:
    """The error to raise in its place; ``folder`` is where Spark spills to."""
    said = text_of(error)
    ours = _OURS.search(said)
    if ours is not None:
        kind: type[ConsiliaError] = getattr(errors, ours[1])
        return kind(ours[2])
    if any(word in said for word in _FULL):
        return Unwritable(
            f"there is no room left for what Spark keeps on disk, in {folder}: make room there, or on the nodes of "
            "its executors"
        )
    if any(word in said for word in _NO_MEMORY):
        return InvalidData(
            "Spark has too little memory for this table: raise driverMemory, or executorMemory, in the cohort's spark"
        )
    if any(word in said for word in (_GONE, *_LOST)):
        next_is = "the table is read and looked at again" if _GONE in said else "see the memory of executors"
        return Unavailable(f"an executor of Spark was lost, and its work with it: {next_is}")
    if _WRITES in said:
        return InvalidData("source.jdbc.query would write, and may only read: leave out what writes")
    kinds = sorted(set(_KIND.findall(said)))
    return Unavailable(f"Spark failed ({', '.join(kinds) or type(error).__name__}): it is tried again")


def text_of(error: BaseException) -> str:
    """All that an error and its causes say, for a look at their kind."""
    said: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(said) < 10:
        with suppress(Exception):  # asking Java what its exception said may fail as well
            said.append(str(seen))
        seen = seen.__cause__ or seen.__context__
    return "\n".join(said)
