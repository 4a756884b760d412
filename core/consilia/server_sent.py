"""Server-sent events, written and read (WHATWG HTML, section 9.2): how a coordinator and a dashboard tell what happens.

Pure: whoever has the connection hands over its lines and sends what is written here.
"""

from dataclasses import dataclass

PING_SECONDS = 15.0
"""A stream on which nothing happens says so this often."""

SILENCE_SECONDS = 2 * PING_SECONDS + 5.0
"""A stream that was silent for so long has lost two pings: its connection is dead."""

MAX_LINE = 8 * 1024 * 1024
"""Bytes that a reader takes for one line at most: the status of hundreds of hospitals is one."""

PING = ": ping\n\n"
"""A comment: no message for whoever reads, and a sign of life for what lies in between."""


@dataclass(frozen=True)
class Message:
    """One event of a stream. ``id`` is the last one that the stream gave; empty where it gave none."""

    event: str
    data: str
    id: str = ""


class Reader:
    """Takes the lines of one stream and gives its messages.

    ``last_id`` is where the stream ends so far, to be asked for after a break; it starts with what this connection was
    asked to go on from. Lines end with LF or CRLF; a lone CR, which the standard allows too, is no end here.
    """

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._id = last_id
        self._event = ""
        self._data: list[str] = []

    def take(self, line: bytes) -> Message | None:
        """Take one line, with or without its end; the message that it completes, if it does.

        Comments, unknown fields and an id with a NUL are passed over; bytes that are not UTF-8 become U+FFFD.
        """
        text = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")
        if not text:
            return self._complete()
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value
        elif field == "id" and "\0" not in value:
            self._id = value
        return None

    def _complete(self) -> Message | None:
        event, data = self._event, self._data
        self._event, self._data = "", []
        self.last_id = self._id
        return Message(event or "message", "\n".join(data), self._id) if data else None


def write(message: Message) -> str:
    """The text of one message. Raises ``ValueError`` for an event or id that one line cannot hold."""
    if any(mark in f"{message.event}{message.id}" for mark in "\r\n\0"):
        raise ValueError(f"neither event nor id may hold a line's end: {message.event!r}, {message.id!r}")
    # As a reader splits: at CRLF, LF and CR.
    lines = message.data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    told = [f"id: {message.id}"] if message.id else []
    return "\n".join([*told, f"event: {message.event}", *(f"data: {line}" for line in lines), "", ""])
