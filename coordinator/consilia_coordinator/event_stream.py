"""The coordinator's stream of server-sent events: the journal's feed from any point, then live.

``id`` is the sequence of a fact in the journal, so that a client which reconnects misses nothing. The status goes out
at most :data:`STATUS_PER_SECOND` times a second, however fast rounds are.
"""

import asyncio
import contextlib
import json

from aiohttp import web

from consilia.journal import History
from consilia.server_sent import PING, PING_SECONDS, Message, write
from consilia.status import EventRecord
from consilia_coordinator.conductor import Conductor

STATUS_PER_SECOND = 20


async def stream(
    request: web.Request, conductor: Conductor, after: int, ping_seconds: float = PING_SECONDS
) -> web.StreamResponse:
    """Answer ``request`` with the feed after sequence ``after``, until the client goes."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionResetError):
        await _pour(response, conductor, after, ping_seconds)
    return response


async def _pour(response: web.StreamResponse, conductor: Conductor, after: int, ping_seconds: float) -> None:
    version = 0
    while True:
        changed = await conductor.changes.after(version, ping_seconds)
        if not changed:
            await response.write(PING.encode())
            continue
        version = conductor.changes.version
        history = conductor.history
        text = entries(history, after)
        after = history.sequence
        status = json.dumps(conductor.status().to_json(), separators=(",", ":"))
        await response.write((text + write(Message("status", status, str(after)))).encode())
        # Not waiting for anything: the pace at which a viewer is told.
        await asyncio.sleep(1 / STATUS_PER_SECOND)


def entries(history: History, after: int) -> str:
    """The feed's entries after sequence ``after``; of a round that changed twice, the newest record only."""
    newest: dict[object, tuple[int, str, str]] = {}
    for sequence, item in history.feed[_first(history, after) :]:
        if isinstance(item, EventRecord):
            newest[sequence, "event"] = (sequence, "event", item.model_dump_json(by_alias=True, exclude_none=True))
        else:
            run, number = item
            record = history.runs[run].rounds[number]
            newest.pop(item, None)
            newest[item] = (sequence, "round", record.model_dump_json(by_alias=True, exclude_none=True))
    return "".join(write(Message(kind, data, str(sequence))) for sequence, kind, data in newest.values())


def _first(history: History, after: int) -> int:
    """Index of the first entry after ``after``: viewers are near the end of a long feed."""
    index = len(history.feed)
    while index > 0 and history.feed[index - 1][0] > after:
        index -= 1
    return index
