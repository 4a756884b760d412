"""Pushing the wish and following the facts, against a coordinator that the test plays."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from consilia.pki import make_authority
from consilia.spec import Federation
from consilia.status import EventRecord, FederationStatus, HospitalStatus, RoundRecord
from consilia_local.coordinator_client import CoordinatorClient
from consilia_local.folder import StateFolder
from consilia_local.held_federation import HeldFederation, hold
from consilia_local.operation import Operation, Record

SINCE = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER, EARLIER = "2026-11-24T12:00:01.000Z", "2026-11-24T11:59:59.000Z"


class FakeCoordinator:
    """Takes runs, and publishes what the test puts into ``feed``; None ends the stream."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, int]] = []
        self.taken = asyncio.Event()
        self.resumed_from: list[str] = []
        self.feed: asyncio.Queue[str | None] = asyncio.Queue()
        self.answer = 200
        application = web.Application()
        application.add_routes([web.put("/v1/run", self.put_run), web.get("/v1/events", self.events)])
        self.server = TestServer(application)

    async def put_run(self, request: web.Request) -> web.Response:
        """The desired run."""
        assert request.headers["Authorization"] == "Bearer a-token"
        body = await request.json()
        self.runs.append((body["run"], body["spec"]["rounds"]))
        self.taken.set()
        return web.json_response({"message": "not possible"}, status=self.answer)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The stream."""
        self.resumed_from.append(request.headers["Last-Event-ID"])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": ping\n\n")
        while (entry := await self.feed.get()) is not None:
            await response.write(entry.encode())
        return response

    def publish(self, sequence: int, kind: str, record: FederationStatus | Record) -> None:
        """Put an entry into the stream."""
        data = record.model_dump_json(by_alias=True, exclude_none=True)
        self.feed.put_nowait(f"id: {sequence}\nevent: {kind}\ndata: {data}\n\n")

    async def until_taken(self, count: int) -> list[tuple[int, int]]:
        """The runs that were asked for, once there are ``count``."""
        async with asyncio.timeout(5):
            while len(self.runs) < count:
                self.taken.clear()
                await self.taken.wait()
        return self.runs


@pytest.fixture
async def coordinator() -> AsyncIterator[FakeCoordinator]:
    """A coordinator that answers."""
    made = FakeCoordinator()
    await made.server.start_server()
    yield made
    await made.server.close()


@pytest.fixture
def held(federation: Federation, folder: StateFolder) -> HeldFederation:
    """The trial."""
    return hold(federation, folder)


class Operated:
    """A running operation, and what it told."""

    def __init__(self, held: HeldFederation, client: CoordinatorClient) -> None:
        self.heard: list[Record] = []
        self.refusals: asyncio.Queue[str] = asyncio.Queue()
        operation = Operation(held, client, self.heard.append, self.refusals.put_nowait, SINCE)
        self.task = asyncio.create_task(operation.run())


@pytest.fixture
async def operated(coordinator: FakeCoordinator, held: HeldFederation) -> AsyncIterator[Operated]:
    """An operation of the trial at the coordinator."""
    authority = make_authority("trial", datetime.now(UTC), 1)
    client = CoordinatorClient(str(coordinator.server.make_url("/")), authority.cert_pem, lambda: "a-token")
    made = Operated(held, client)
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)
    await client.close()


async def until(held: HeldFederation, phase: str) -> None:
    """Until the held status has this phase."""
    async with asyncio.timeout(5), held.changed:
        await held.changed.wait_for(lambda: held.status.phase == phase)


async def test_the_desired_run_is_pushed_at_once_and_after_each_edit(
    coordinator: FakeCoordinator, held: HeldFederation, operated: Operated
) -> None:
    await coordinator.until_taken(1)
    await held.edit({"spec": {"rounds": 8}})
    await coordinator.until_taken(2)
    await held.edit({"spec": {"run": 2}})
    assert await coordinator.until_taken(3) == [(1, 3), (1, 8), (2, 8)]


async def test_after_a_lost_connection_it_is_pushed_again_and_the_stream_goes_on_where_it_was(
    coordinator: FakeCoordinator, held: HeldFederation, operated: Operated
) -> None:
    await coordinator.until_taken(1)
    coordinator.publish(5, "status", FederationStatus(phase="Training", run=1))
    await until(held, "Training")
    coordinator.feed.put_nowait(None)
    await coordinator.until_taken(2)
    coordinator.publish(6, "status", FederationStatus(phase="Complete", run=1))
    await until(held, "Complete")
    assert coordinator.resumed_from == ["0", "5"]


async def test_an_entry_without_an_id_leaves_the_place_where_the_stream_goes_on(
    coordinator: FakeCoordinator, held: HeldFederation, operated: Operated
) -> None:
    coordinator.publish(5, "status", FederationStatus(phase="Training", run=1))
    coordinator.feed.put_nowait("event: status\ndata: {}\n\n")
    coordinator.feed.put_nowait(None)
    await coordinator.until_taken(2)
    coordinator.publish(6, "status", FederationStatus(phase="Complete", run=1))
    await until(held, "Complete")
    assert coordinator.resumed_from == ["0", "5"]


async def test_the_status_of_very_many_hospitals_is_one_line_and_is_read(
    coordinator: FakeCoordinator, held: HeldFederation, operated: Operated
) -> None:
    hospitals = [HospitalStatus(name=f"hospital-{number}", reason="r" * 200) for number in range(5000)]
    coordinator.publish(5, "status", FederationStatus(phase="Training", run=1, hospitals=hospitals))
    await until(held, "Training")
    assert len(held.status.hospitals) == 5000


async def test_rounds_and_events_are_heard_once_in_the_order_they_happened_and_old_ones_not(
    coordinator: FakeCoordinator, held: HeldFederation, operated: Operated
) -> None:
    first = RoundRecord(run=1, round=1, at=LATER, seconds=0.1, participants=["north"])
    second = first.model_copy(update={"round": 2, "at": LATER.replace("01.000", "02.000")})
    coordinator.publish(1, "event", EventRecord(at=EARLIER, type="Normal", reason="Old", message="of another start"))
    coordinator.publish(4, "round", second)
    coordinator.publish(5, "round", first)
    coordinator.publish(5, "status", FederationStatus(phase="Training", run=1))
    coordinator.publish(6, "round", second)
    coordinator.publish(6, "status", FederationStatus(phase="Complete", run=1))
    await until(held, "Complete")
    assert operated.heard == [first, second]


async def test_a_run_that_the_coordinator_refuses_is_told_and_not_repeated(
    coordinator: FakeCoordinator, held: HeldFederation, operated: Operated
) -> None:
    coordinator.answer = 422
    async with asyncio.timeout(5):
        assert await operated.refusals.get() == "not possible"
    coordinator.answer = 200
    await held.edit({"spec": {"rounds": 8}})
    await coordinator.until_taken(2)
    assert coordinator.runs == [(1, 3), (1, 8)]


async def test_a_coordinator_that_is_not_ready_is_asked_again(
    coordinator: FakeCoordinator, held: HeldFederation, operated: Operated
) -> None:
    coordinator.answer = 503
    assert (await coordinator.until_taken(3))[:3] == [(1, 3)] * 3
