"""Reconciles federations in a few threads, as :class:`consilia_operator.turns.Turns` says whose turn it is.

Whatever goes wrong with one federation is logged, counted and tried again; the others go on.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from consilia.errors import ConsiliaError
from consilia_operator.children import Key
from consilia_operator.counts import Counts
from consilia_operator.outcome import Reconciled, Refused
from consilia_operator.turns import Turns

logger = logging.getLogger(__name__)

WORKERS = 8

Outcome = Reconciled | Refused | None


class Reconciling:
    """The queue and its workers. ``reconcile`` blocks; ``took`` is called in the event loop with what it found."""

    def __init__(
        self, reconcile: Callable[[Key], Outcome], took: Callable[[Key, Outcome], None], counts: Counts
    ) -> None:
        self._reconcile = reconcile
        self._took = took
        self._counts = counts
        self._news = asyncio.Event()
        self._threads = ThreadPoolExecutor(WORKERS, "reconcile")
        self._tasks: set[asyncio.Task[None]] = set()
        self.turns = Turns(WORKERS, random.random)

    def wish(self, key: Key) -> None:
        """Something about the federation changed."""
        self.turns.wish(key, self._now())
        self._news.set()

    async def run(self) -> None:
        """Reconcile until cancelled."""
        try:
            while True:
                self._news.clear()
                while (key := self.turns.take(self._now())) is not None:
                    task = asyncio.create_task(self._one(key))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                await self._wait()
        finally:
            for task in self._tasks:
                task.cancel()

    def close(self) -> None:
        """Start no more; a request that is on its way ends by its own timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _wait(self) -> None:
        due = self.turns.next_due()
        try:
            # Where all its workers are busy the end of one is the news.
            async with asyncio.timeout_at(max(due, self._now() + 0.01) if due is not None else None):
                await self._news.wait()
        except TimeoutError:
            return

    async def _one(self, key: Key) -> None:
        failed, began = True, self._now()
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(self._threads, self._reconcile, key)
            self._took(key, outcome)
            failed = isinstance(outcome, Reconciled) and outcome.unfinished
        except ConsiliaError as error:
            logger.warning("%s/%s: %s", *key, error)
        except Exception:  # whatever it is, it is one federation's: the others go on
            logger.exception("%s/%s: an error of the operator itself; it is tried again", *key)
            self._counts.add("faults")
        finally:
            self._counts.took("reconciles", self._now() - began)
            if failed:
                self._counts.add("failed_reconciles")
            self.turns.done(key, failed, self._now())
            self._news.set()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
