"""Server-sent events are read as the standard says, whatever the sender does."""

import pytest

from consilia_dashboard.eventstream import Message, read_messages, write_message


@pytest.mark.parametrize(
    ("raw", "messages"),
    [
        pytest.param(b"data: a\n\n", [Message("message", "a")], id="data alone"),
        pytest.param(b"id: 7\nevent: round\ndata: {}\n\n", [Message("round", "{}", "7")], id="all fields"),
        pytest.param(b": ping\n\ndata:a\r\n\r\n", [Message("message", "a")], id="comment, no space, CRLF"),
        pytest.param(b"data: a\ndata: b\n\n", [Message("message", "a\nb")], id="several lines"),
        pytest.param(
            b"id: 1\ndata: a\n\ndata: b\n\n",
            [Message("message", "a", "1"), Message("message", "b", "1")],
            id="id stays",
        ),
        pytest.param(b"event: x\n\n", [], id="no data, no event"),
        pytest.param(b"data: cut off", [], id="an unfinished message is none"),
    ],
)
def test_a_stream_is_read_into_messages(raw: bytes, messages: list[Message]) -> None:
    assert list(read_messages(raw.splitlines(keepends=True))) == messages


def test_what_is_written_reads_back() -> None:
    message = Message("update", '{"a":"ü"}', "x-1")
    assert list(read_messages(write_message(message).splitlines(keepends=True))) == [message]
