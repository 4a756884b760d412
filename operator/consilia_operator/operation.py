"""The operator's loop for each federation: reconcile when something changed, follow its coordinator, write its status.

Three tasks a federation: one reconciles (in a thread, one federation at a time), one follows the coordinator's stream,
one writes the status, at most once a second and only what differs.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from datetime import datetime

from consilia.backoff import delays
from consilia.errors import ConsiliaError, Refusal, Unavailable
from consilia.status import FederationStatus
from consilia_operator.cluster import Cluster
from consilia_operator.coordinator_link import CoordinatorLink
from consilia_operator.naming import Manifest
from consilia_operator.reconcile import Key, Reconciled, Reconciler, Refused
from consilia_operator.status_view import desired_run, refused_status, status_of

logger = logging.getLogger(__name__)

STATUS_SECONDS = 1.0
UNSETTLED_SECONDS = 2.0
"""While something is wrong with a federation's pods they are looked at this often."""
SILENT_KINDS = ("observedGeneration", "lastTransitionTime")


class Operation:
    """One federation."""

    def __init__(
        self,
        key: Key,
        cluster: Cluster,
        reconciler: Reconciler,
        turn: asyncio.Lock,
        now: Callable[[], datetime],
        over: Callable[[Key], None],
    ) -> None:
        self._key = key
        self._cluster = cluster
        self._reconciler = reconciler
        self._turn = turn
        self._now = now
        self._over = over
        self._wake = asyncio.Event()
        self._dirty = asyncio.Event()
        self._reconciled: Reconciled | None = None
        self._refused: Refused | None = None
        self._said: FederationStatus | None = None
        self._problem: str | None = "the coordinator is starting"
        self._told = 0
        self._written: Manifest | None = None
        self._follower: asyncio.Task[None] | None = None
        self._wished = asyncio.Event()

    def wake(self) -> None:
        """Something about the federation changed."""
        self._wake.set()

    async def run(self) -> None:
        """Until the federation is gone."""
        self._wake.set()
        writer = asyncio.create_task(self._write())
        try:
            await self._reconcile_until_gone()
        finally:
            for task in (writer, self._follower):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, ConsiliaError):
                        await task
            self._over(self._key)

    async def _reconcile_until_gone(self) -> None:
        pauses = delays(1.0, 60.0)
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                async with self._turn:
                    outcome = await asyncio.to_thread(self._reconciler.reconcile, self._key)
                pauses = delays(1.0, 60.0)
            except ConsiliaError as error:
                logger.warning("%s/%s: %s", *self._key, error)
                asyncio.get_running_loop().call_later(next(pauses), self._wake.set)
                continue
            if outcome is None:
                return
            self._take(outcome)

    def _take(self, outcome: Reconciled | Refused) -> None:
        if isinstance(outcome, Refused):
            self._refused, self._reconciled = outcome, None
        else:
            if self._reconciled is None:
                self._told = (outcome.observed.get("status") or {}).get("told") or 0
            self._refused, self._reconciled = None, outcome
            self._wished.set()
            if self._follower is None:
                self._follower = asyncio.create_task(self._follow(outcome))
            if outcome.pod_problems:
                asyncio.get_running_loop().call_later(UNSETTLED_SECONDS, self._wake.set)
        self._dirty.set()

    # The coordinator.

    async def _follow(self, first: Reconciled) -> None:
        """Stay on the coordinator's stream; say what is wished whenever it changes, and after every break."""
        pauses = delays(0.2, 5.0)
        while True:
            current = self._reconciled or first
            url = f"https://{current.federation.metadata.name}-coordinator.{self._key[0]}.svc:8443"
            link = CoordinatorLink(
                url,
                current.authority,
                self._reconciler.key.private,
                self._now,
                federation=current.federation.metadata.uid or "",
            )
            wishing = asyncio.create_task(self._wish(link))
            try:
                async for message in link.events(self._told):
                    pauses = delays(0.2, 5.0)
                    self._problem = None
                    await self._hear(message.event, message.data, message.id)
                raise Unavailable("the coordinator closed the connection")
            except ConsiliaError as error:
                if self._problem != str(error):
                    self._problem = str(error)
                    self._dirty.set()
            finally:
                wishing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await wishing
            await asyncio.sleep(next(pauses))

    async def _wish(self, link: CoordinatorLink) -> None:
        """Put the desired run, again after every change, until it is taken."""
        pauses = delays(0.2, 5.0)
        self._wished.set()
        while True:
            await self._wished.wait()
            self._wished.clear()
            current = self._reconciled
            if current is None:
                continue
            try:
                await link.desire(desired_run(current), current.federation.spec)
                pauses = delays(0.2, 5.0)
            except Refusal as error:
                await self._tell("Warning", "SpecRefused", str(error))
            except Unavailable:
                self._wished.set()
                await asyncio.sleep(next(pauses))

    async def _hear(self, event: str, data: str, sequence: str) -> None:
        if event == "status":
            self._said = FederationStatus.model_validate_json(data)
            self._dirty.set()
        elif event == "event":
            told = json.loads(data)
            await self._tell(told["type"], told["reason"], told["message"])
            self._told = max(self._told, int(sequence or 0))

    async def _tell(self, kind: str, reason: str, message: str) -> None:
        observed = self._reconciled.observed if self._reconciled else None
        if observed is not None:
            try:
                await asyncio.to_thread(self._cluster.tell, observed, kind, reason, message)
            except ConsiliaError as error:
                logger.warning("%s/%s: an Event was lost: %s", *self._key, error)

    # The status.

    async def _write(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            status = self._status()
            if status is not None and status != self._written:
                try:
                    await asyncio.to_thread(self._cluster.patch_status, "Federation", *self._key, status)
                    self._written = status
                except ConsiliaError as error:
                    logger.warning("%s/%s: its status: %s", *self._key, error)
                    self._dirty.set()
            await asyncio.sleep(STATUS_SECONDS)

    def _status(self) -> Manifest | None:
        if self._refused is not None:
            return refused_status(self._refused, self._now())
        if self._reconciled is None:
            return None
        return status_of(self._reconciled, self._said, self._problem, self._told, self._now())
