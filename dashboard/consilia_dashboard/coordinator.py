"""The live stream of one coordinator, read with a short-lived viewer token that is good there only."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from consilia import tokens
from consilia.errors import Unavailable
from consilia.server_sent import MAX_LINE, SILENCE_SECONDS, Message, Reader
from consilia_dashboard.address import Address, trust
from consilia_dashboard.transport import Lines, connect

TOKEN_LIFE = timedelta(minutes=5)


class Stream(Protocol):
    """An open stream of a coordinator's messages."""

    def messages(self) -> Iterator[Message]:
        """Messages until the stream ends; raises :class:`Unavailable` when it breaks."""

    def close(self) -> None:
        """Ends :meth:`messages` at once, from any thread."""


OpenStream = Callable[[Address, int], Stream]


class CoordinatorStream:
    """``GET /v1/events`` of one coordinator, after a sequence number."""

    def __init__(self, lines: Lines, after: int) -> None:
        self._lines = lines
        self._reader = Reader(str(after))

    def messages(self) -> Iterator[Message]:
        try:
            for line in self._lines.read(MAX_LINE, SILENCE_SECONDS):
                if (message := self._reader.take(line)) is not None:
                    yield message
        except ValueError as error:
            raise Unavailable(f"its stream broke off: {error}") from error

    def close(self) -> None:
        self._lines.close()


def opener(signing_key_file: Path, ca_file: Path | None) -> OpenStream:
    """How to open the stream of the coordinator at an address, after a sequence number (0: all of it).

    ``ca_file``: see :func:`consilia_dashboard.address.trust`.
    """

    def open_stream(address: Address, after: int) -> Stream:
        connection = connect(address.url, trust(address, ca_file))
        token = tokens.sign(
            signing_key_file.read_bytes(),
            "viewer",
            "dashboard",
            datetime.now(UTC),
            TOKEN_LIFE,
            federation=address.federation,
        )
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        lines = Lines(connection, f"{address.url.rstrip('/')}/v1/events?after={after}", headers)
        if lines.response.status != HTTPStatus.OK:
            lines.close()
            connection.close()
            raise Unavailable(f"it answered {lines.response.status} {lines.response.reason}")
        return CoordinatorStream(lines, after)

    return open_stream
