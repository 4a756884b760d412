"""Server-sent events: everything since a point in the journal, then live; of a changed round the newest only."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from builders import AT, accepted, whole_round
from consilia.journal import Happened, History
from consilia.status import EventRecord, FederationStatus, RoundRecord
from consilia_coordinator.event_stream import entries, stream
from consilia_coordinator.narration import Telling
from deadline import until
from serving import Coordinator, Served, client_session, listening


class Message(NamedTuple):
    """One server-sent event; a comment is a message of kind ``comment``."""

    id: int
    kind: str
    data: Any


def parsed(text: str) -> Message:
    """One block of the stream (WHATWG HTML, section 9.2.6)."""
    if text.startswith(":"):
        return Message(0, "comment", text)
    fields = dict(line.split(": ", 1) for line in text.split("\n"))
    return Message(int(fields["id"]), fields["event"], json.loads(fields["data"]))


def story(*facts: Any) -> History:
    history = History()
    for fact in facts:
        history.add(fact if isinstance(fact, list) else [fact])
    return history


def told(history: History, after: int = 0) -> list[tuple[int, str, Any]]:
    blocks = [parsed(block) for block in entries(history, after).split("\n\n") if block]
    return [(id_, kind, data.get("round", data.get("reason"))) for id_, kind, data in blocks]


def happened(reason: str, message: str = "it did") -> Happened:
    return Happened(at=AT, type="Normal", reason=reason, message=message)


HISTORY = story(accepted(), happened("Started"), whole_round(1), happened("Noted"), whole_round(2, loss=0.5))
"""Sequence 1 spec, 2 event, 6 round 1, 7 event, 11 round 2 and the scores of round 1."""


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(
            0,
            [(2, "event", "Started"), (7, "event", "Noted"), (11, "round", 2), (11, "round", 1)],
            id="from the start, round 1 once, with its scores",
        ),
        pytest.param(2, [(7, "event", "Noted"), (11, "round", 2), (11, "round", 1)], id="after the first event"),
        pytest.param(6, [(7, "event", "Noted"), (11, "round", 2), (11, "round", 1)], id="after round 1, its scores"),
        pytest.param(10, [(11, "round", 2), (11, "round", 1)], id="after the last but one"),
        pytest.param(11, [], id="after everything"),
        pytest.param(99, [], id="after what has not happened yet"),
    ],
)
def test_it_tells_what_came_after_a_point_and_each_round_once(after: int, expected: list[Any]) -> None:
    assert told(HISTORY, after) == expected


def test_what_it_tells_are_the_records_that_everybody_shares() -> None:
    blocks = [parsed(block) for block in entries(HISTORY, 0).split("\n\n") if block]
    assert EventRecord.model_validate(blocks[0].data).reason == "Started"
    assert RoundRecord.model_validate(blocks[-1].data).hospitals["north"].loss == 0.5


def test_a_message_of_several_lines_stays_one_event() -> None:
    text = entries(story(accepted(), happened("Noted", "first\nsecond\r\nthird")), 0)
    assert text.count("\n\n") == 1
    assert parsed(text.strip()).data["message"] == "first\nsecond\r\nthird"


class Feed:
    """The messages of one connection."""

    def __init__(self, blocks: AsyncIterator[Message]) -> None:
        self._blocks = blocks

    async def until(self, kind: str, **fields: Any) -> list[Message]:
        """All messages up to the one of this kind and data."""
        seen: list[Message] = []
        async with asyncio.timeout(10):
            async for message in self._blocks:
                seen.append(message)
                if message.kind == kind and all(message.data[name] == value for name, value in fields.items()):
                    return seen
        raise AssertionError(f"the stream ended after {seen}")


@asynccontextmanager
async def following(served: Served, after: int | None = None, last: str | None = None) -> AsyncIterator[Feed]:
    headers = served.headers("viewer") | ({} if last is None else {"Last-Event-ID": last})
    query = {} if after is None else {"after": str(after)}
    async with served.session.get(f"{served.url}/v1/events", headers=headers, params=query) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"

        async def blocks() -> AsyncIterator[Message]:
            text = ""
            async for piece in answer.content.iter_any():
                *whole, text = (text + piece.decode()).split("\n\n")
                for block in whole:
                    yield parsed(block)

        yield Feed(blocks())


async def test_a_new_viewer_gets_all_that_happened_and_then_the_status(served: Served) -> None:
    served.coordinator.start()
    served.coordinator.commit_round()
    async with following(served) as feed:
        messages = await feed.until("status")
    kinds = [message.kind for message in messages]
    assert kinds == ["event", "event", "round", "status"]
    status = FederationStatus.model_validate(messages[-1].data)
    assert status == served.coordinator.conductor.status()
    assert messages[-1].id == served.coordinator.journal.history.sequence


async def test_what_happens_later_comes_without_being_asked_for(served: Served) -> None:
    served.coordinator.start()
    async with following(served) as feed:
        await feed.until("status", round=0)
        served.coordinator.commit_round()
        messages = await feed.until("status", round=1)
    assert [message.data["round"] for message in messages if message.kind == "round"] == [1]


@pytest.mark.parametrize("how", ["last", "after"])
async def test_a_viewer_that_comes_back_misses_nothing_and_hears_nothing_twice(served: Served, how: str) -> None:
    served.coordinator.start()
    served.coordinator.commit_round()
    async with following(served) as feed:
        seen = (await feed.until("status", round=1))[-1].id
    served.coordinator.commit_round()
    served.coordinator.conductor.tell(Telling("Warning", "HospitalLost", "north: gone"))
    options: dict[str, Any] = {"last": str(seen)} if how == "last" else {"after": seen}
    async with following(served, **options) as feed:
        messages = await feed.until("status")
    assert [message.kind for message in messages] == ["round", "round", "event", "status"]
    assert [message.data["round"] for message in messages[:2]] == [2, 1]
    assert all(message.id > seen for message in messages)


@pytest.mark.parametrize("last", ["", "soon", "-1", "9" * 5000, "²"])
async def test_a_last_event_id_that_is_none_of_ours_is_as_if_there_were_none(served: Served, last: str) -> None:
    served.coordinator.start()
    async with following(served, last=last) as feed:
        assert (await feed.until("status"))[0].kind == "event"


async def test_many_changes_at_once_are_one_status_and_every_event(served: Served) -> None:
    served.coordinator.start()
    async with following(served) as feed:
        await feed.until("status")
        for number in range(200):
            served.coordinator.conductor.tell(Telling("Normal", "Noted", f"number {number}"))
        messages = await feed.until("event", message="number 199") + await feed.until("status")
    assert [message.kind for message in messages].count("event") == 200
    assert [message.kind for message in messages].count("status") == 1


async def test_a_quiet_stream_says_now_and_then_that_it_is_there(tmp_path: Path) -> None:
    coordinator = Coordinator(tmp_path)

    async def quiet(request: web.Request) -> web.StreamResponse:
        return await stream(request, coordinator.conductor, 0, ping_seconds=0.01)

    application = web.Application()
    application.add_routes([web.get("/", quiet)])
    async with (
        listening(application, tmp_path) as (url, tls),
        client_session(tls) as session,
        session.get(url) as answer,
    ):
        async with asyncio.timeout(10):
            assert b"event: status" in await answer.content.readuntil(b"\n\n")
            assert await answer.content.readuntil(b"\n\n") == b": ping\n\n"
    coordinator.journal.close()


async def test_a_viewer_that_goes_away_leaves_nothing_behind(served: Served) -> None:
    conductor = served.coordinator.conductor
    async with following(served) as feed:
        await feed.until("status")
    await until(lambda: conductor.changes.waiting == 0)
