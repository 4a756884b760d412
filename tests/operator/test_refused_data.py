"""A hospital's data are refused: from its coordinator's word into the Federation's status, and its Cohort's."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from builders import cohort_document, federation, federation_document
from consilia.server_sent import Message
from consilia.spec import FederationSpec
from consilia.status import FederationStatus, HospitalStatus
from consilia_operator.cohort_statuses import CohortStatuses
from consilia_operator.counts import Counts
from consilia_operator.follower import Witnesses
from consilia_operator.naming import COMPONENT_LABEL, UID_LABEL
from consilia_operator.operation import Operation, Surroundings
from consilia_operator.watched import Watched
from deadline import until
from fake_cluster import FakeCluster
from pod_manifests import READY
from standings import NOW, reconciled

KEY, NORTH = ("default", "breast-cancer"), ("default", "north-2024")
REASON = 'column "radius_cm" ("mean radius") is empty: fill it, map another column, or give a public value in impute'
AWAY = "the server db.north.example does not answer: start it"


class Coordinator:
    """One of which a test says what it tells of north; the run goes on with south."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.tell(phase="Ready", reading=0.4)

    def tell(self, **north: Any) -> None:
        told = HospitalStatus(name="north", **north)
        self.status = FederationStatus(run=1, hospitals=[told, HospitalStatus(name="south", phase="Training")])
        self.changed.set()

    async def desire(self, run: int, spec: FederationSpec, witnesses: Witnesses) -> None:
        """Taken."""

    async def events(self, after: int) -> AsyncIterator[Message]:
        while True:
            self.changed.clear()
            yield Message("status", self.status.model_dump_json(by_alias=True, exclude_none=True))
            await self.changed.wait()


def of(manifest: dict[str, Any], kind: str) -> tuple[str, str, str]:
    conditions = (manifest.get("status") or {}).get("conditions") or []
    return next(((c["status"], c["reason"], c["message"]) for c in conditions if c["type"] == kind), ("", "", ""))


@asynccontextmanager
async def followed(coordinator: Coordinator) -> AsyncIterator[FakeCluster]:
    """A federation of north and south under way, with what writes its status and its cohorts'."""
    cluster, watched, loop = FakeCluster(), Watched(), asyncio.get_running_loop()
    for document in (federation_document(), cohort_document()):
        document["metadata"] |= {"namespace": "default", "uid": "u"}
        cluster.put(document)
    watched.cohorts.see(cluster.all("Cohort")[0])
    labels = {UID_LABEL: "u", COMPONENT_LABEL: "coordinator"}
    pod = {"name": "c-0", "namespace": "default", "uid": "pod", "labels": labels}
    watched.see(False, {"kind": "Pod", "metadata": pod, "status": {"conditions": READY}})

    async def write(seen: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        return cluster.patch_status("Cohort", *NORTH, status)

    statuses = CohortStatuses(watched, write, lambda: NOW, lambda *_: None, pause=0.0)

    def take(manifest: dict[str, Any]) -> None:
        watched.see(False, manifest)
        statuses.look_at([NORTH])

    cluster.watchers.append(
        lambda _, manifest: loop.call_soon_threadsafe(take, manifest) if manifest["kind"] == "Federation" else None
    )
    with ThreadPoolExecutor(1) as writers:
        operation = Operation(
            KEY, Surroundings(cluster, watched, Counts(), lambda: NOW, lambda _: coordinator, writers)
        )
        operation.take(reconciled(wish=federation()))
        running = asyncio.create_task(statuses.run())
        try:
            yield cluster
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await operation.close()


async def test_whose_data_are_refused_is_said_by_the_federation_and_the_cohort_until_they_are_mended() -> None:
    coordinator = Coordinator()
    async with followed(coordinator) as cluster:

        def told(kind: str) -> tuple[str, str, str]:
            (found,) = cluster.all(kind)
            return of(found, "DataAccepted")

        await until(lambda: told("Cohort")[:2] == ("Unknown", "NotTried"))
        coordinator.tell(phase="Refused", reason=REASON)
        await until(lambda: told("Cohort") == ("False", "DataRefused", REASON))
        assert told("Federation") == ("False", "DataRefused", f"north (Cohort default/north-2024): {REASON}")
        # What `kubectl get cohorts` shows as Ready, and with `--output wide` why.
        assert of(cluster.all("Cohort")[0], "Ready") == ("False", "DataRefused", REASON)
        coordinator.tell(phase="Refused", problem="SourceUnavailable", reason=AWAY)
        await until(lambda: told("Cohort") == ("Unknown", "SourceUnavailable", AWAY))
        await until(lambda: told("Federation") == ("Unknown", "SourceUnavailable", f"north: {AWAY}"))
        coordinator.tell(phase="Training")
        await until(lambda: told("Cohort") == ("True", "DataAccepted", ""))
        assert of(cluster.all("Cohort")[0], "Ready")[:2] == ("True", "InUse")
