"""Large vectors over real HTTPS: sent and fetched, resumed after a break, and never other bytes than promised."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from builders import blob_vector
from consilia.errors import InvalidMessage, Unavailable
from consilia.protocol import VectorRef, pack, to_bytes
from consilia_agents.blob_client import ATTEMPTS, PIECE, BlobClient
from serving import LongObjective, Served, listening, serve

AT_ONCE = 1e-4
LENGTH = 2 * PIECE // 8 + 5
"""Values of a vector of three pieces."""
VECTOR = blob_vector(LENGTH)
RAW = to_bytes(VECTOR)
MODEL = blob_vector(LENGTH, 2.0)
"""The global parameters: what a hospital may fetch."""


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path, lambda _spec, _run: LongObjective(LENGTH, MODEL)) as served:
        served.coordinator.start()
        yield served


@pytest.fixture
def client(coordinator: Served, tmp_path: Path) -> BlobClient:
    return BlobClient(coordinator.url, coordinator.tls, tmp_path / "hospital", AT_ONCE)


async def test_a_vector_reaches_the_coordinator_bit_by_bit(coordinator: Served, client: BlobClient) -> None:
    reference = client.keep(VECTOR)
    assert reference == pack(VECTOR)
    await client.upload(reference, coordinator.coordinator.ticket())
    assert coordinator.coordinator.blobs.path(reference.sha256).read_bytes() == RAW


async def test_the_global_model_reaches_the_hospital_bit_by_bit(coordinator: Served, client: BlobClient) -> None:
    fetched = await client.fetch(pack(MODEL), coordinator.coordinator.ticket())
    assert to_bytes(fetched) == to_bytes(MODEL)


async def test_what_a_hospital_sent_comes_back_to_none(coordinator: Served, client: BlobClient) -> None:
    reference = client.keep(VECTOR)
    await client.upload(reference, coordinator.coordinator.ticket("north"))
    for hospital in ("south", "north"):
        with pytest.raises(Unavailable, match=r"cannot be fetched: the coordinator refuses \(404 "):
            await client.fetch(reference, coordinator.coordinator.ticket(hospital))


async def test_what_is_there_is_not_sent_again(coordinator: Served, client: BlobClient, tmp_path: Path) -> None:
    reference = client.keep(VECTOR)
    coordinator.coordinator.blobs.put(VECTOR)
    next((tmp_path / "hospital").iterdir()).unlink()
    await client.upload(reference, coordinator.coordinator.ticket())


async def test_an_upload_goes_on_from_what_is_there(coordinator: Served, client: BlobClient) -> None:
    reference = client.keep(VECTOR)
    path = coordinator.coordinator.blobs.path(reference.sha256)
    path.with_suffix(".part").write_bytes(RAW[:PIECE])
    await client.upload(reference, coordinator.coordinator.ticket())
    assert path.read_bytes() == RAW


async def test_an_upload_whose_part_was_damaged_begins_anew(coordinator: Served, client: BlobClient) -> None:
    reference = client.keep(VECTOR)
    path = coordinator.coordinator.blobs.path(reference.sha256)
    path.with_suffix(".part").write_bytes(bytes(PIECE))
    await client.upload(reference, coordinator.coordinator.ticket())
    assert path.read_bytes() == RAW


async def test_only_the_newest_vector_is_kept(client: BlobClient, tmp_path: Path) -> None:
    older, newer = client.keep(VECTOR), client.keep(-VECTOR)
    assert not client.kept(older)
    assert client.kept(newer)
    assert len(list((tmp_path / "hospital").iterdir())) == 1


@pytest.mark.parametrize(
    ("damage", "there"), [pytest.param(b"torn", False, id="torn"), pytest.param(RAW, True, id="whole")]
)
async def test_a_vector_that_was_torn_is_not_kept(
    client: BlobClient, tmp_path: Path, damage: bytes, there: bool
) -> None:
    reference = client.keep(VECTOR)
    next((tmp_path / "hospital").iterdir()).write_bytes(damage)
    assert client.kept(reference) is there


@pytest.mark.parametrize(
    ("ticket", "status"), [pytest.param("a.b.c", 401, id="forged"), pytest.param(None, 403, id="a viewer's token")]
)
async def test_without_a_ticket_of_this_coordinator_it_is_refused_at_once(
    coordinator: Served, client: BlobClient, ticket: str | None, status: int
) -> None:
    reference = client.keep(VECTOR)
    for attempt in (client.upload, client.fetch):
        with pytest.raises(Unavailable, match=f"the coordinator refuses \\({status} "):
            await attempt(reference, ticket or coordinator.coordinator.token("viewer"))


async def test_a_blob_that_is_not_there_is_refused_at_once(coordinator: Served, client: BlobClient) -> None:
    with pytest.raises(Unavailable, match=r"cannot be fetched: the coordinator refuses \(404 "):
        await client.fetch(pack(VECTOR), coordinator.coordinator.ticket())


async def test_a_coordinator_with_another_authority_is_not_spoken_to(coordinator: Served, tmp_path: Path) -> None:
    strict = ssl.create_default_context()
    client = BlobClient(coordinator.url, strict, tmp_path / "hospital", AT_ONCE)
    with pytest.raises(Unavailable, match=r"does not answer .*certificate verify failed"):
        await client.fetch(pack(VECTOR), coordinator.coordinator.ticket())


@dataclass
class Line:
    """A server of one blob, over a bad line: ``behave`` answers the first requests, the rest are answered well."""

    behave: list[Callable[[web.Request], Awaitable[web.StreamResponse]]]
    raw: bytes = RAW
    asked: list[str | None] = field(default_factory=list)

    async def get(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.headers.get("Range"))
        if self.behave:
            return await self.behave.pop(0)(request)
        start = request.http_range.start or 0
        return web.Response(body=_large(self.raw[start:]), status=206 if start else 200)

    async def cut(self, request: web.Request) -> web.StreamResponse:
        """All is promised; one piece comes, and the line breaks."""
        start = request.http_range.start or 0
        response = web.StreamResponse(status=206 if start else 200, headers={"Content-Length": str(len(RAW) - start)})
        await response.prepare(request)
        await response.write(self.raw[start : start + PIECE])
        assert request.transport is not None
        request.transport.close()
        return response

    async def fail(self, _request: web.Request) -> web.StreamResponse:
        raise web.HTTPServiceUnavailable

    async def ignore_range(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(body=_large(self.raw))


def _large(raw: bytes) -> AsyncIterator[bytes]:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(raw), PIECE):
            yield raw[start : start + PIECE]

    return pieces()


@asynccontextmanager
async def over(line: Line, tmp_path: Path) -> AsyncIterator[BlobClient]:
    application = web.Application()
    application.add_routes([web.get("/v1/blobs/{sha256}", line.get)])
    async with listening(application, tmp_path) as (url, tls):
        yield BlobClient(url, tls, tmp_path / "hospital", AT_ONCE)


async def test_after_a_break_only_the_rest_is_fetched(tmp_path: Path) -> None:
    line = Line([])
    line.behave = [line.cut, line.cut]
    async with over(line, tmp_path) as client:
        assert to_bytes(await client.fetch(pack(VECTOR), "ticket")) == RAW
    first, second, third = line.asked
    assert first is None
    assert second == f"bytes={PIECE}-"
    assert third == f"bytes={2 * PIECE}-"


async def test_a_server_that_starts_from_the_beginning_is_read_from_the_beginning(tmp_path: Path) -> None:
    line = Line([])
    line.behave = [line.cut, line.ignore_range]
    async with over(line, tmp_path) as client:
        assert to_bytes(await client.fetch(pack(VECTOR), "ticket")) == RAW


async def test_a_coordinator_that_is_away_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    line = Line([])
    line.behave = [line.fail] * (ATTEMPTS - 1)
    async with over(line, tmp_path) as client:
        assert to_bytes(await client.fetch(pack(VECTOR), "ticket")) == RAW


async def test_a_coordinator_that_stays_away_is_unavailable_in_one_sentence(tmp_path: Path) -> None:
    line = Line([])
    line.behave = [line.fail] * ATTEMPTS
    async with over(line, tmp_path) as client:
        with pytest.raises(Unavailable, match=r"blob [0-9a-f]{12}… cannot be fetched: the coordinator does not"):
            await client.fetch(pack(VECTOR), "ticket")
    assert len(line.asked) == ATTEMPTS


@pytest.mark.parametrize(
    ("raw", "reference", "sentence"),
    [
        pytest.param(bytes(len(RAW)), pack(VECTOR), "does not have its digest: it is not used", id="other values"),
        pytest.param(RAW + b"\0" * 8, pack(VECTOR), "is longer than the order said", id="more bytes"),
        pytest.param(
            RAW, VectorRef(sha256=pack(VECTOR).sha256, length=LENGTH - 1), "is longer than", id="a shorter promise"
        ),
    ],
)
async def test_other_bytes_than_the_order_promised_are_never_used(
    tmp_path: Path, raw: bytes, reference: VectorRef, sentence: str
) -> None:
    async with over(Line([], raw), tmp_path) as client:
        with pytest.raises(InvalidMessage, match=sentence):
            await client.fetch(reference, "ticket")


async def test_a_vector_of_one_value_more_than_a_message_holds_takes_this_way(tmp_path: Path) -> None:
    vector = np.arange(2049.0)
    assert not pack(vector).inline
    async with serve(tmp_path, lambda _spec, _run: LongObjective(2049, vector)) as served:
        served.coordinator.start()
        client = BlobClient(served.url, served.tls, tmp_path / "hospital", AT_ONCE)
        ticket = served.coordinator.ticket()
        assert (await client.fetch(pack(vector), ticket)).tolist() == vector.tolist()
        answer = client.keep(-vector)
        await client.upload(answer, ticket)
        assert served.coordinator.blobs.path(answer.sha256).read_bytes() == to_bytes(-vector)
