"""Writes one object's status: only what differs, about once a second at most, and again where somebody else did."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from consilia.backoff import delays
from consilia.errors import ConsiliaError
from consilia_operator.children import version_of
from consilia_operator.cluster import Absent
from consilia_operator.naming import Manifest

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.8
"""Between two writes: with the time that one takes, a committed round is in the status within a second."""


class StatusWriter:
    """The status of one object. ``write`` is a merge patch of it, where it was last seen at that version (0: unknown),
    answered by the object as it is then."""

    def __init__(
        self, what: str, write: Callable[[Manifest, int], Awaitable[Manifest]], pause: float = PAUSE_SECONDS
    ) -> None:
        self._what = what
        self._write = write
        self._pause = pause
        self._news = asyncio.Event()
        self._wanted: Manifest | None = None
        self._written: Manifest | None = None
        self._stored: Manifest = {}
        self._version = 0
        self._writing = False
        self._meanwhile: Manifest | None = None

    @property
    def latest(self) -> Manifest:
        """The status as it is, or is about to be."""
        return self._stored if self._wanted is None else plain(self._wanted)

    def want(self, status: Manifest) -> None:
        """What is to be written: null where a value is to go."""
        self._wanted = status
        if self._written is None and plain(status) == self._stored:
            self._written = status
        if status != self._written:
            self._news.set()

    def saw(self, manifest: Manifest) -> None:
        """The object as somebody saw it: its status is ours, older than ours, or somebody else's, who is overruled."""
        if self._writing:
            if self._meanwhile is None or version_of(self._meanwhile) <= version_of(manifest):
                self._meanwhile = manifest
            return
        if version_of(manifest) > self._version:
            self._version = version_of(manifest)
            status = manifest.get("status") or {}
            if status != self._stored:
                self._stored = status
                if self._written is not None:
                    self._written = None
                    self._news.set()

    async def run(self) -> None:
        """Write until cancelled, or until the object is gone."""
        pauses = delays(1.0, 60.0)
        while True:
            await self._news.wait()
            self._news.clear()
            wanted = self._wanted
            if wanted is None or wanted == self._written:
                continue
            try:
                await self._write_one(wanted)
                pauses = delays(1.0, 60.0)
            except Absent:
                continue
            except ConsiliaError as error:
                logger.warning("%s: its status was not written: %s", self._what, error)
                self._news.set()
                await asyncio.sleep(next(pauses))
            await asyncio.sleep(self._pause)

    async def _write_one(self, wanted: Manifest) -> None:
        self._writing = True
        try:
            answer = await self._write(wanted, self._version)
            self._stored, self._version = answer.get("status") or {}, version_of(answer)
            self._written = wanted
        finally:
            self._writing = False
            meanwhile, self._meanwhile = self._meanwhile, None
            if meanwhile is not None:
                self.saw(meanwhile)


def plain(status: Manifest) -> Manifest:
    """A merge patch as what it leaves: without its nulls, at whatever depth (RFC 7396)."""
    return {n: plain(v) if isinstance(v, dict) else v for n, v in status.items() if v is not None}
