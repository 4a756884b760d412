"""The live stream that an open page reads."""

import contextlib
import socket
from collections.abc import Iterator

from flask import Blueprint, Response, current_app, request

from consilia.server_sent import PING, PING_SECONDS
from consilia_dashboard.feed import Feed
from consilia_dashboard.live import Live
from consilia_dashboard.store import Key

streams = Blueprint("streams", __name__)

# How often a quiet stream looks whether its browser is still there, and how many looks make a ping for proxies.
LOOK_SECONDS = 1.0
LOOKS_PER_PING = round(PING_SECONDS / LOOK_SECONDS)


@streams.get("/federations/<namespace>/<name>/events")
def events(namespace: str, name: str) -> Response:
    """Updates after Last-Event-ID (or ``?after=``: a page that was hidden comes back with it)."""
    live: Live = current_app.extensions["live"]
    last_id = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    with contextlib.ExitStack() as stack:
        feed = stack.enter_context(live.watch(Key(namespace, name)))
        response = Response(
            _updates(feed, last_id, request.environ.get("gunicorn.socket")), mimetype="text/event-stream"
        )
        response.call_on_close(stack.pop_all().close)
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _updates(feed: Feed, last_id: str, link: socket.socket | None) -> Iterator[bytes]:
    yield b"retry: 1000\n\n"
    quiet = 0
    while (batch := feed.after(last_id, LOOK_SECONDS)) is not None:
        last_id, messages = batch
        yield from messages
        quiet = 0 if messages else quiet + 1
        if _left(link):
            return
        if quiet and quiet % LOOKS_PER_PING == 0:
            yield PING.encode()


def _left(link: socket.socket | None) -> bool:
    """Whether the browser hung up: otherwise a quiet stream would hold its thread until the next ping."""
    if link is None:
        return False
    try:
        return link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
