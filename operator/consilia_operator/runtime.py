"""The operator under way: what is seen leads to reconciles, and what they find to each federation's operation."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from consilia.errors import ConsiliaError
from consilia.status import LedgerState
from consilia_operator.children import Key, key_of, place_of, trimmed, version_of
from consilia_operator.cluster import Cluster
from consilia_operator.cohort_statuses import CohortStatuses
from consilia_operator.cohort_view import active
from consilia_operator.coordinator_link import CoordinatorLink
from consilia_operator.counts import Counts
from consilia_operator.federations import cohorts_of
from consilia_operator.naming import Manifest, coordinator_url
from consilia_operator.operation import Operation, Surroundings
from consilia_operator.outcome import Reconciled
from consilia_operator.persistence import persist
from consilia_operator.reconcile import Reconciler
from consilia_operator.reconciling import Outcome, Reconciling
from consilia_operator.very_object import write_status
from consilia_operator.watches import OF_PEOPLE, WATCHED, labels_of

logger = logging.getLogger(__name__)

FIRST_RESYNC_SECONDS, RESYNC_SECONDS = 60.0, 600.0
"""How often all is listed: what no watch told is found then; first what happened while the watches started."""
RENEWAL_SECONDS = 3600.0
"""A federation is reconciled this often at least: certificates and tokens are renewed days before they end."""
WRITERS = 4


class Runtime:
    """All federations of a cluster, from when the Lease is held."""

    def __init__(self, cluster: Cluster, reconciler: Reconciler, counts: Counts, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._reconciler = reconciler
        self._watched = reconciler.watched
        self._counts = counts
        self._writers = ThreadPoolExecutor(WRITERS, "write")
        self._around = Surroundings(cluster, self._watched, counts, now, self._link, self._writers)
        self._reconciling = Reconciling(reconciler.reconcile, self._took, counts)
        self._cohorts = CohortStatuses(self._watched, self._write_cohort, now, self._ledger)
        self._operations: dict[Key, Operation] = {}
        self._reconciled_at: dict[Key, float] = {}
        self._meanwhile: dict[Key, list[tuple[bool, Manifest]]] = {}
        self._resync = asyncio.Event()
        self.turns = self._reconciling.turns

    @property
    def phases(self) -> list[str]:
        """The phase of each federation."""
        return [operation.phase for operation in self._operations.values()]

    async def run(self) -> None:
        """Act until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(persist("reconciling", self._reconciling.run, self._counts))
                group.create_task(persist("cohorts", self._cohorts.run, self._counts))
                group.create_task(persist("resync", self._keep_in_step, self._counts))
        finally:
            for operation in list(self._operations.values()):
                await operation.close()
            self._reconciling.close()
            self._writers.shutdown(wait=False, cancel_futures=True)

    def seen(self, gone: bool, manifest: Manifest) -> None:
        """An object, as a watch or a list told; nothing about one object harms the others."""
        try:
            if manifest["kind"] == "Federation":
                self._federation(gone, manifest)
            elif manifest["kind"] == "Cohort":
                self._cohort(gone, manifest)
            else:
                self._child(gone, manifest)
        except Exception:  # whatever is wrong with one object
            logger.exception("%s %s/%s could not be taken in", manifest["kind"], *key_of(manifest))
            self._counts.add("faults")

    def resync(self) -> None:
        """Something may have happened that no watch told."""
        self._resync.set()

    async def read_all(self) -> None:
        """List everything once, and take it in as if watches had told it."""
        before, applied = self._watched.all(), self._reconciler.applied()
        found = await self._around.call(self._list)
        places = {place_of(each) for each in found}
        for each in found:
            self.seen(False, each)
        for each in before:
            if place_of(each) not in places:
                self.seen(True, each)
        self._wish_each(self._reconciler.lacking(applied, places))
        living = [each["metadata"]["uid"] for each in found if each["kind"] == "Federation"]
        await self._around.call(self._reconciler.sweep, living)

    # What was seen.

    def _federation(self, gone: bool, manifest: Manifest) -> None:
        key, uid = key_of(manifest), manifest["metadata"]["uid"]
        held = self._watched.federations.get(key)
        self._watched.see(gone, manifest)
        named = cohorts_of(manifest) | (cohorts_of(held) if held is not None else frozenset())
        if gone or held is None or _wish(held) != _wish(manifest) or active(held) != active(manifest):
            # Who uses a cohort may have changed with it.
            for each in self._watched.federations.of_cohorts(named):
                self._reconciling.wish(key_of(each))
            self._reconciling.wish(key)
        elif self._reconciler.stale(uid, manifest.get("status") or {}):
            self._reconciling.wish(key)
        operation = self._operations.get(key)
        if operation is not None and operation.uid != uid:
            # Made anew under its name: what was the old one's is not the new one's status.
            self._end(key)
        elif operation is not None and not gone:
            operation.saw(manifest)
        if gone or held is None or held != self._watched.federations.get(key):
            self._cohorts.look_at(named)

    def _cohort(self, gone: bool, manifest: Manifest) -> None:
        key = key_of(manifest)
        cohorts = self._watched.cohorts
        if cohorts.lose(manifest) if gone else cohorts.see(manifest):
            for federation in self._watched.federations.of_cohorts([key]):
                self._reconciling.wish(key_of(federation))
        self._cohorts.look_at([key])

    def _child(self, gone: bool, manifest: Manifest) -> None:
        self._watched.see(gone, manifest)
        uid = self._reconciler.owner(manifest)
        key = self._watched.federations.with_uid(uid)
        if key is None:
            return
        if manifest["kind"] in ("Pod", "StatefulSet"):
            federation = self._watched.federations.get(key) or {}
            if self._reconciler.stale(uid, federation.get("status") or {}):
                self._reconciling.wish(key)
            if key in self._operations:
                self._operations[key].pods_changed()
        if self.turns.is_running(key):
            # What it applies comes back before it is noted down: it is judged when the reconcile is over.
            self._meanwhile.setdefault(key, []).append((gone, trimmed(manifest)))
        elif self._reconciler.calls(gone, manifest):
            self._reconciling.wish(key)

    # What comes of it.

    def _took(self, key: Key, outcome: Outcome) -> None:
        self._reconciled_at[key] = asyncio.get_running_loop().time()
        if outcome is None:
            self._meanwhile.pop(key, None)
            self._reconciled_at.pop(key)
            self._end(key)
            return
        operation = self._operations.get(key)
        if operation is not None and operation.uid != outcome.observed["metadata"]["uid"]:
            self._end(key)
            operation = None
        if operation is None:
            operation = self._operations[key] = Operation(key, self._around)
        operation.take(outcome)
        for gone, manifest in self._meanwhile.pop(key, []):
            if self._reconciler.calls(gone, manifest):
                self._reconciling.wish(key)

    def _end(self, key: Key) -> None:
        operation = self._operations.pop(key, None)
        if operation is not None:
            operation.end()

    async def _keep_in_step(self) -> None:
        pause = FIRST_RESYNC_SECONDS
        while True:
            self._resync.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._resync.wait()
            pause = RESYNC_SECONDS
            try:
                await self.read_all()
            except ConsiliaError as error:
                logger.warning("not everything could be read: %s", error)
            now = asyncio.get_running_loop().time()
            for key, then in self._reconciled_at.items():
                if now - then > RENEWAL_SECONDS:
                    self._reconciling.wish(key)

    def _list(self) -> list[Manifest]:
        """Federations last: whose objects are there is there then, or is gone."""
        found: list[Manifest] = []
        for kind in sorted(WATCHED, key=lambda kind: (kind in OF_PEOPLE, kind == "Federation")):
            listed = self._cluster.all(kind, labels=labels_of(kind))
            found += listed if kind in OF_PEOPLE else map(trimmed, listed)
        return found

    def _wish_each(self, uids: set[str]) -> None:
        for uid in uids:
            key = self._watched.federations.with_uid(uid)
            if key is not None:
                self._reconciling.wish(key)

    async def _write_cohort(self, cohort: Manifest, status: Manifest) -> Manifest:
        self._counts.add("status_writes")
        uid, version = cohort["metadata"]["uid"], version_of(cohort)
        return await self._around.call(write_status, self._cluster, "Cohort", key_of(cohort), uid, version, status)

    def _ledger(self, key: Key, hospital: str) -> LedgerState | None:
        return self._operations[key].ledger_of(hospital) if key in self._operations else None

    def _link(self, reconciled: Reconciled) -> CoordinatorLink:
        federation = reconciled.federation
        uid, key = federation.metadata.uid or "", self._reconciler.key.private
        return CoordinatorLink(coordinator_url(federation), reconciled.authority, key, self._around.now, federation=uid)


def _wish(federation: Manifest) -> tuple[Any, ...]:
    described = federation["metadata"]
    return described["uid"], described.get("generation"), described.get("deletionTimestamp"), federation.get("spec")
