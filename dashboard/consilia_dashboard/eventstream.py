"""Server-sent events, read and written (WHATWG HTML, section 9.2)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_LINE = 8 * 1024 * 1024


@dataclass(frozen=True)
class Message:
    """One event of a stream; ``id`` is empty when the stream gave none."""

    event: str
    data: str
    id: str = ""


def read_messages(lines: Iterable[bytes]) -> Iterator[Message]:
    """Yield the messages of a stream of lines; comments and unknown fields are skipped, as the standard says."""
    event, last_id, data = "", "", list[str]()
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            if data:
                yield Message(event or "message", "\n".join(data), last_id)
            event, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            event = value
        elif field == "id":
            last_id = value


def write_message(message: Message) -> bytes:
    """The bytes of one message; ``data`` must hold no newline (JSON does not)."""
    identity = f"id: {message.id}\n" if message.id else ""
    return f"{identity}event: {message.event}\ndata: {message.data}\n\n".encode()
