"""The live stream of one coordinator, read with a short-lived viewer token."""

import contextlib
import http.client
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from consilia import tokens
from consilia.errors import Unavailable
from consilia.server_sent import MAX_LINE, SILENCE_SECONDS, Message, Reader
from consilia_dashboard.transport import CONNECT_SECONDS, connect, exchange

TOKEN_LIFE = timedelta(minutes=5)


class Stream(Protocol):
    """An open stream of a coordinator's messages."""

    def messages(self) -> Iterator[Message]:
        """Messages until the stream ends; raises :class:`Unavailable` when it breaks."""

    def close(self) -> None:
        """Ends :meth:`messages` at once, from any thread."""


OpenStream = Callable[[str, int], Stream]


class CoordinatorStream:
    """``GET /v1/events`` of one coordinator, after a sequence number."""

    def __init__(self, link: socket.socket, response: http.client.HTTPResponse, after: int) -> None:
        self._link = link
        self._response = response
        self._reader = Reader(str(after))

    def messages(self) -> Iterator[Message]:
        try:
            while line := self._response.readline(MAX_LINE):
                if (message := self._reader.take(line)) is not None:
                    yield message
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unavailable(f"its stream broke off: {error or type(error).__name__}") from error
        finally:
            self._response.close()
            self._link.close()

    def close(self) -> None:
        # Not a close: that would leave the reading thread on a dead descriptor. A shutdown wakes it.
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)


def opener(signing_key_file: Path, ca_file: Path | None) -> OpenStream:
    """How to open the stream of the coordinator at a URL, after a sequence number (0: all of it)."""

    def open_stream(url: str, after: int) -> Stream:
        token = tokens.sign(signing_key_file.read_bytes(), "viewer", "dashboard", datetime.now(UTC), TOKEN_LIFE)
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        connection = connect(url, ca_file, CONNECT_SECONDS)
        try:
            link = _dial(connection)
            response = _opened(exchange(connection, "GET", f"{url.rstrip('/')}/v1/events?after={after}", headers))
        except Unavailable:
            connection.close()
            raise
        link.settimeout(SILENCE_SECONDS)
        return CoordinatorStream(link, response, after)

    return open_stream


def _dial(connection: http.client.HTTPConnection) -> socket.socket:
    """Connect, and keep the socket: ``http.client`` lets go of it once a response has no known length."""
    try:
        connection.connect()
    except OSError as error:
        raise Unavailable(f"{connection.host}:{connection.port} does not answer: {error}") from error
    link: socket.socket = connection.sock
    return link


def _opened(response: http.client.HTTPResponse) -> http.client.HTTPResponse:
    if response.status != HTTPStatus.OK:
        raise Unavailable(f"it answered {response.status} {response.reason}")
    return response
