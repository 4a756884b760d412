"""Writes the status of Cohorts: who uses one now, and whether its data are accepted. Only what differs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime

from consilia.backoff import delays
from consilia.errors import ConsiliaError
from consilia.status import LedgerState
from consilia_operator.children import Key, key_of
from consilia_operator.cluster import Absent
from consilia_operator.cohort_view import cohort_status, differs, holders
from consilia_operator.naming import Manifest
from consilia_operator.status_writer import PAUSE_SECONDS
from consilia_operator.watched import Watched

logger = logging.getLogger(__name__)


class CohortStatuses:
    """The cohorts of all namespaces. ``write`` patches one's status, and answers with that Cohort as it is then.

    ``ledger`` is what the coordinator of a federation tells of a hospital's ledger.
    """

    def __init__(
        self,
        watched: Watched,
        write: Callable[[Manifest, Manifest], Awaitable[Manifest]],
        now: Callable[[], datetime],
        ledger: Callable[[Key, str], LedgerState | None],
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._watched = watched
        self._write = write
        self._now = now
        self._pause = pause
        self._news = asyncio.Event()
        self._look_at: set[Key] = set()
        self._pauses: dict[Key, Iterator[float]] = {}

    def look_at(self, cohorts: Iterable[Key]) -> None:
        """Something about these cohorts, or about a federation that names them, changed."""
        self._look_at.update(cohorts)
        if self._look_at:
            self._news.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            due, self._look_at = self._look_at, set()
            for key in sorted(due):
                await self._one(key)
            await asyncio.sleep(self._pause)

    async def _one(self, key: Key) -> None:
        cohort = self._watched.cohorts.get(key)
        if cohort is None:
            self._pauses.pop(key, None)
            return
        try:
            holder = self._holder(key, cohort)
            ledger = self._ledger(key_of(holder), cohort["spec"]["hospital"]) if holder is not None else None
            status = cohort_status(cohort, holder, self._now(), ledger)
            if not differs(cohort, status):
                return
            self._watched.cohorts.see(await self._write(cohort, status))
            self._pauses.pop(key, None)
        except Absent:
            return
        except ConsiliaError as error:
            logger.warning("Cohort %s/%s: its status was not written: %s", *key, error)
            pauses = self._pauses.setdefault(key, delays(1.0, 60.0))
            asyncio.get_running_loop().call_later(next(pauses), self.look_at, [key])

    def _holder(self, key: Key, cohort: Manifest) -> Manifest | None:
        federations = {key_of(each): each for each in self._watched.federations.of_cohorts([key])}
        held_by = holders({key: cohort}, federations.values()).get(key)
        return federations[held_by] if held_by is not None else None
