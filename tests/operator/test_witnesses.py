"""What was seen of ledgers goes round: from a coordinator into the Cohorts' status, and from there to the next one."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from builders import cohort_document, federation, federation_document
from consilia.server_sent import Message
from consilia.spec import FederationSpec
from consilia.status import FederationStatus, HospitalStatus, LedgerState
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
BUDGET = {"epsilon": 4.0, "delta": 1e-5}


def state(sequence: int) -> LedgerState:
    head = f"{sequence:064x}"
    return LedgerState(sequence=sequence, head=head, spent=1.0, remaining=2.5, budget=4.0, delta=1e-5)


def cohort(sequence: int | None) -> dict[str, Any]:
    """North's, whose status has seen so many entries."""
    document = cohort_document(budget=BUDGET)
    document["metadata"] |= {"namespace": "default", "uid": "cohort"}
    seen = {} if sequence is None else {"ledger": {"sequence": sequence, "head": f"{sequence:064x}"}}
    return document | {"status": seen}


class Coordinator:
    """One that takes what is wished, and tells of north's ledger."""

    def __init__(self, told: LedgerState | None = None) -> None:
        self.given: list[Witnesses] = []
        hospital = HospitalStatus(name="north", phase="Training", ledger=told)
        self.status = FederationStatus(run=1, hospitals=[hospital])

    async def desire(self, run: int, spec: FederationSpec, witnesses: Witnesses) -> None:
        self.given.append(witnesses)

    async def events(self, after: int) -> AsyncIterator[Message]:
        yield Message("status", self.status.model_dump_json(by_alias=True, exclude_none=True))
        await asyncio.Event().wait()


@asynccontextmanager
async def following(coordinator: Coordinator, *cohorts: dict[str, Any]) -> AsyncIterator[Operation]:
    """The operation of a federation of north and south, whose coordinator's pod is Ready."""
    cluster, watched = FakeCluster(), Watched()
    document = federation_document()
    document["metadata"] |= {"namespace": "default", "uid": "u"}
    cluster.put(document)
    for each in cohorts:
        watched.cohorts.see(each)
    labels = {UID_LABEL: "u", COMPONENT_LABEL: "coordinator"}
    pod = {"name": "c-0", "namespace": "default", "uid": "pod", "labels": labels}
    watched.see(False, {"kind": "Pod", "metadata": pod, "status": {"conditions": READY}})
    with ThreadPoolExecutor(1) as writers:
        around = Surroundings(cluster, watched, Counts(), lambda: NOW, lambda _: coordinator, writers)
        operation = Operation(KEY, around)
        operation.take(reconciled(wish=federation()))
        try:
            yield operation
        finally:
            await operation.close()


async def test_a_coordinator_is_given_what_the_cohorts_have_seen() -> None:
    coordinator = Coordinator()
    async with following(coordinator, cohort(5)):
        await until(lambda: coordinator.given)
    (witness,) = coordinator.given[0].items()
    assert (witness[0], witness[1].sequence, witness[1].head) == ("north", 5, f"{5:064x}")


async def test_a_coordinator_is_given_nothing_where_nothing_was_seen() -> None:
    coordinator = Coordinator()
    async with following(coordinator, cohort(None)):
        await until(lambda: coordinator.given)
    assert coordinator.given[0] == {}


async def test_what_a_coordinator_tells_of_a_ledger_is_known_of_every_hospital() -> None:
    async with following(Coordinator(state(7))) as operation:
        await until(lambda: operation.ledger_of("north") is not None)
        assert operation.ledger_of("north") == state(7)
        assert operation.ledger_of("south") is None


async def test_a_cohort_takes_what_is_told_of_its_ledger_though_no_status_lists_its_hospital() -> None:
    watched, written = Watched(), []
    watched.cohorts.see(cohort(5))
    document = federation_document(("north",))
    document["metadata"] |= {"namespace": "default", "uid": "u"}
    watched.see(False, document | {"kind": "Federation", "status": {"hospitals": []}})
    asked = []

    async def write(seen: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        assert seen["kind"] == "Cohort"
        written.append(status)
        return cohort(None) | {"status": status}

    def ledger(key: tuple[str, str], hospital: str) -> LedgerState | None:
        asked.append((key, hospital))
        return state(6)

    statuses = CohortStatuses(watched, write, lambda: NOW, ledger, pause=0.0)
    statuses.look_at([NORTH])
    running = asyncio.create_task(statuses.run())
    try:
        await until(lambda: written)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert (asked[0], written[0]["ledger"]["sequence"]) == ((KEY, "north"), 6)
