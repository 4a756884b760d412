"""Large vectors to and from the coordinator, over HTTPS: streamed, resumed after a break, verified by digest.

The vector that is being sent stays in a file until a newer one is, so that the same order gets the same bytes.
"""

import asyncio
import hashlib
import math
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from pathlib import Path

import aiohttp
import numpy as np

from consilia.backoff import delays
from consilia.errors import InvalidMessage, Unavailable
from consilia.protocol import BYTES_A_VALUE, VectorRef, blob_of
from consilia.vectors import FloatArray
from consilia_agents.disk import Disk, told

PIECE = 1 << 20
ATTEMPTS = 5
FIRST_PAUSE = 0.2
"""Seconds before the second attempt; doubled for each one after."""
FINAL = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
"""Answers that asking again does not change; a new order brings a new ticket."""


@dataclass
class _Arrival:
    """The bytes of a blob on their way: what came before a break is not fetched again."""

    view: memoryview
    done: int = 0

    def take(self, piece: bytes) -> bool:
        """Put a piece where it belongs; false where there is no room for it."""
        end = self.done + len(piece)
        if end > len(self.view):
            return False
        self.view[self.done : end] = piece
        self.done = end
        return True


class BlobClient:
    """The coordinator's blobs, as one hospital may use them."""

    def __init__(
        self, url: str, tls: ssl.SSLContext, folder: Path, first_pause: float = FIRST_PAUSE, disk: Disk | None = None
    ) -> None:
        self._first_pause = first_pause
        self._disk = disk or Disk()
        self._url = url
        self._tls = tls
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def fetch(self, reference: VectorRef, ticket: str) -> FloatArray:
        """The values of a blob.

        Raises :class:`InvalidMessage` for other bytes than the digest promises, :class:`Unavailable` when the
        coordinator does not answer.
        """
        values = np.empty(reference.length, dtype="<f8")
        view = values.data.cast("B")
        arrival = _Arrival(view)
        for pause in self._pauses():
            try:
                await self._fetch_rest(reference.sha256, ticket, arrival)
                break
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                await _pause_or_raise(pause, f"blob {reference.sha256[:12]}… cannot be fetched", error)
        if await asyncio.to_thread(lambda: hashlib.sha256(view).hexdigest()) != reference.sha256:
            raise InvalidMessage(f"blob {reference.sha256[:12]}… does not have its digest: it is not used")
        return values.astype(np.float64, copy=False)

    def keep(self, vector: FloatArray, *, durable: bool = False) -> VectorRef:
        """Write a vector to a file of its own, which is on the disk before this returns where it is ``durable``; the
        older ones go. Blocking: called in a thread. Raises :class:`consilia.errors.Unwritable`."""
        reference, raw = blob_of(vector)
        with told(self._folder):
            for old in self._folder.iterdir():
                old.unlink()
        self._disk.put(self._path(reference.sha256), raw, durable=durable)
        return reference

    async def upload(self, reference: VectorRef, ticket: str) -> None:
        """Send a kept vector, from where an earlier attempt ended."""
        for pause in self._pauses():
            try:
                await self._upload_rest(reference, ticket)
                break
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                await _pause_or_raise(pause, f"blob {reference.sha256[:12]}… cannot be sent", error)

    def kept(self, reference: VectorRef) -> bool:
        """Whether the vector's file is still there, whole."""
        path = self._path(reference.sha256)
        return path.exists() and path.stat().st_size == reference.length * BYTES_A_VALUE

    async def _fetch_rest(self, sha256: str, ticket: str, arrival: "_Arrival") -> None:
        headers = self._headers(ticket) | ({"Range": f"bytes={arrival.done}-"} if arrival.done else {})
        async with self._session() as session, session.get(f"{self._url}/v1/blobs/{sha256}", headers=headers) as answer:
            answer.raise_for_status()
            if answer.status != HTTPStatus.PARTIAL_CONTENT:
                arrival.done = 0
            async for piece in answer.content.iter_any():
                if not arrival.take(piece):
                    raise InvalidMessage(f"blob {sha256[:12]}… is longer than the order said: it is not used")
        if arrival.done < len(arrival.view):
            raise aiohttp.ClientPayloadError(f"ended at byte {arrival.done} of {len(arrival.view)}")

    async def _upload_rest(self, reference: VectorRef, ticket: str) -> None:
        url = f"{self._url}/v1/blobs/{reference.sha256}"
        async with self._session() as session:
            async with session.head(url, headers=self._headers(ticket)) as there:
                if there.status == 200:
                    return
                offset = int(there.headers.get("Upload-Offset", "0"))
            size = reference.length * BYTES_A_VALUE
            if offset >= size:  # all is there, and yet not whole: what is there is damaged
                offset = 0
            headers = self._headers(ticket) | {"Upload-Offset": str(offset), "Content-Length": str(size - offset)}
            pieces = _pieces(self._path(reference.sha256), offset)
            async with session.put(url, data=pieces, headers=headers) as answer:
                answer.raise_for_status()

    def _session(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)
        connector = aiohttp.TCPConnector(ssl=self._tls)
        return aiohttp.ClientSession(timeout=timeout, connector=connector, read_bufsize=PIECE)

    def _pauses(self) -> list[float | None]:
        """Seconds to wait after each failed attempt; None after the last."""
        return [*islice(delays(self._first_pause, math.inf), ATTEMPTS - 1), None]

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.blob"

    @staticmethod
    def _headers(ticket: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {ticket}"}


async def _pieces(path: Path, offset: int) -> AsyncIterator[bytes]:
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        while piece := file.read(PIECE):
            yield piece


async def _pause_or_raise(pause: float | None, what: str, error: Exception) -> None:
    if isinstance(error, aiohttp.ClientResponseError) and error.status in FINAL:
        raise Unavailable(f"{what}: the coordinator refuses ({error.status} {error.message})") from error
    if pause is None:
        raise Unavailable(f"{what}: the coordinator does not answer ({error})") from error
    await asyncio.sleep(pause)
