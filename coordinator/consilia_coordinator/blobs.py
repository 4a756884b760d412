"""Vectors too large for a stanza, on disk by SHA-256: written in pieces, resumed after a break, read in chunks.

A blob is visible only when it is whole and has its digest. Hospitals keep what they sent, so a spooled update is not
fsynced: a torn one fails its digest and is asked for again. The global model is fsynced before it is announced.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from consilia.aggregation import CHUNK
from consilia.errors import InvalidMessage
from consilia.protocol import BYTES_A_VALUE, VectorRef, blob_of
from consilia.vectors import FloatArray

_DIGEST = re.compile(r"[0-9a-f]{64}")
READ_BYTES = CHUNK * BYTES_A_VALUE


class BlobStore:
    """A folder of blobs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._senders: dict[str, object] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the whole blob is, or will be."""
        if not _DIGEST.fullmatch(sha256):
            raise InvalidMessage(f'"{sha256[:64]}" is no SHA-256 in hexadecimal')
        return self._folder / sha256

    def has(self, sha256: str) -> bool:
        """Whether the whole blob is there."""
        return self.path(sha256).exists()

    def received(self, sha256: str) -> int:
        """How many bytes of an unfinished blob are there."""
        part = self._part(sha256)
        return part.stat().st_size if part.exists() else 0

    async def receive(self, sha256: str, offset: int, pieces: AsyncIterable[bytes], limit: int) -> bool:
        """Append ``pieces`` at ``offset``, or begin anew at 0; true when the blob is whole.

        Raises :class:`InvalidMessage` where ``offset`` is not where the last piece ended, where the whole is larger
        than ``limit`` bytes, or where a newer sender came: the older connection may be dead without knowing it. A
        broken connection leaves what came, to go on from.
        """
        if offset not in (0, self.received(sha256)):
            raise InvalidMessage(f"blob {sha256[:12]}… goes on at byte {self.received(sha256)}, not at {offset}")
        if offset == 0:
            self._part(sha256).unlink(missing_ok=True)
        sender = self._senders[sha256] = object()
        try:
            return await self._append(sha256, offset, pieces, limit, sender)
        finally:
            if self._senders.get(sha256) is sender:
                del self._senders[sha256]

    async def _append(self, sha256: str, offset: int, pieces: AsyncIterable[bytes], limit: int, sender: object) -> bool:
        digest = self._digest_of_part(sha256)
        with self._part(sha256).open("ab", buffering=0) as part:
            size = offset
            async for piece in pieces:
                if self._senders.get(sha256) is not sender:
                    raise InvalidMessage(f"blob {sha256[:12]}… is being sent over a newer connection: this one ends")
                size += len(piece)
                if size > limit:
                    self._part(sha256).unlink()
                    raise InvalidMessage(f"blob {sha256[:12]}… is larger than the {limit} bytes of this run's vectors")
                part.write(piece)
                digest.update(piece)
        return self._senders.get(sha256) is sender and self._finish(sha256, digest.hexdigest())

    def put(self, vector: FloatArray) -> VectorRef:
        """Write a vector, durably; the reference to it."""
        reference, raw = blob_of(vector)
        part = self._part(reference.sha256)
        with part.open("wb", buffering=0) as file:
            for start in range(0, len(raw), READ_BYTES):
                file.write(raw[start : start + READ_BYTES])
            os.fsync(file.fileno())
        part.rename(self.path(reference.sha256))
        self._sync_folder()
        return reference

    def reader(self, sha256: str) -> Callable[[], Iterable[FloatArray]]:
        """Something that reads the blob afresh, in chunks of float64, at every call."""

        def read() -> Iterator[FloatArray]:
            buffer = bytearray(READ_BYTES)
            with self.path(sha256).open("rb", buffering=0) as file:
                while size := file.readinto(buffer):
                    yield np.frombuffer(buffer, dtype="<f8", count=size // BYTES_A_VALUE).astype(np.float64, copy=False)

        return read

    def verify(self, sha256: str) -> bool:
        """Whether the blob is whole and has its digest (after a crash it may not); a damaged one is removed."""
        path = self.path(sha256)
        if not path.exists():
            return False
        with path.open("rb") as file:
            intact = hashlib.file_digest(file, "sha256").hexdigest() == sha256
        if not intact:
            path.unlink()
        return intact

    def discard(self, sha256: str) -> None:
        """Remove a blob, whole or unfinished; whoever still sends it is refused."""
        self._senders.pop(sha256, None)
        self.path(sha256).unlink(missing_ok=True)
        self._part(sha256).unlink(missing_ok=True)

    def keep_only(self, digests: set[str]) -> None:
        """Remove every blob that is not in ``digests``, and every unfinished one."""
        for path in self._folder.iterdir():
            if path.name not in digests:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()

    def _sync_folder(self) -> None:
        """Make a new name durable: the file's own fsync does not."""
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _part(self, sha256: str) -> Path:
        return self.path(sha256).with_suffix(".part")

    def _digest_of_part(self, sha256: str) -> "hashlib._Hash":
        digest = hashlib.sha256()
        part = self._part(sha256)
        if part.exists():
            with part.open("rb") as file:
                while piece := file.read(READ_BYTES):
                    digest.update(piece)
        return digest

    def _finish(self, sha256: str, digest: str) -> bool:
        """Make a whole blob visible. Another digest at this length may be a prefix: only the sender knows its end.

        It begins anew where it has sent all, and the blob is still not whole.
        """
        if digest != sha256:
            return False
        try:
            self._part(sha256).rename(self.path(sha256))
        except FileNotFoundError:  # thrown away meanwhile: its round is over
            return False
        return True
