"""Server-sent events are read as the standard says, whatever the sender does."""

import pytest

from consilia.server_sent import PING, PING_SECONDS, SILENCE_SECONDS, Message, Reader, write


def read(raw: bytes, last_id: str = "") -> list[Message]:
    """The messages of a whole stream."""
    reader = Reader(last_id)
    return [message for line in raw.splitlines(keepends=True) if (message := reader.take(line)) is not None]


@pytest.mark.parametrize(
    ("raw", "messages"),
    [
        pytest.param(b"data: a\n\n", [Message("message", "a")], id="data alone"),
        pytest.param(b"id: 7\nevent: round\ndata: {}\n\n", [Message("round", "{}", "7")], id="all fields"),
        pytest.param(b": ping\n\ndata:a\r\n\r\n", [Message("message", "a")], id="comment, no space, CRLF"),
        pytest.param(b"data:  a\n\n", [Message("message", " a")], id="one space is no part of a value"),
        pytest.param(b"data: a\ndata: b\n\n", [Message("message", "a\nb")], id="several lines"),
        pytest.param(b"data\n\n", [Message("message", "")], id="a field without a colon is empty"),
        pytest.param(
            b"id: 1\ndata: a\n\ndata: b\n\n",
            [Message("message", "a", "1"), Message("message", "b", "1")],
            id="id stays",
        ),
        pytest.param(b"id: 1\ndata: a\n\nid\ndata: b\n\n", [Message("message", "a", "1"), Message("message", "b")]),
        pytest.param(b"id: 1\nid: 2\0\ndata: a\n\n", [Message("message", "a", "1")], id="an id with NUL is none"),
        pytest.param(b"id: 3\n\ndata: a\n\n", [Message("message", "a", "3")], id="an id without data counts"),
        pytest.param(b"event: x\n\ndata: a\n\n", [Message("message", "a")], id="no data, no event"),
        pytest.param(b"retry: 5\nnews: x\ndata: a\n\n", [Message("message", "a")], id="other fields"),
        pytest.param(b"data: \xff\n\n", [Message("message", "\N{REPLACEMENT CHARACTER}")], id="no UTF-8"),
        pytest.param(b"data: cut off", [], id="an unfinished message is none"),
    ],
)
def test_a_stream_is_read_into_messages(raw: bytes, messages: list[Message]) -> None:
    assert read(raw) == messages


def test_a_stream_that_goes_on_has_the_id_it_was_asked_to_go_on_from() -> None:
    assert read(b"data: a\n\n", last_id="5") == [Message("message", "a", "5")]


def test_the_last_id_counts_once_its_message_is_whole() -> None:
    reader = Reader("5")
    reader.take(b"id: 6\n")
    reader.take(b"data: a\n")
    assert reader.last_id == "5"
    reader.take(b"\n")
    assert reader.last_id == "6"


@pytest.mark.parametrize("data", ["", "{}", '{"a":"ü"}', "a\nb", "\n", " a", "ends\n"])
def test_what_is_written_reads_back(data: str) -> None:
    message = Message("update", data, "x-1")
    assert read(write(message).encode()) == [message]


def test_other_ends_of_lines_in_data_cannot_begin_a_field() -> None:
    assert read(write(Message("update", "a\r\nid: 9\revent: x")).encode()) == [Message("update", "a\nid: 9\nevent: x")]


@pytest.mark.parametrize("message", [Message("a\nb", "{}"), Message("a", "{}", "1\r2"), Message("a", "{}", "1\0")])
def test_an_event_or_id_that_a_line_cannot_hold_is_refused(message: Message) -> None:
    with pytest.raises(ValueError, match="line's end"):
        write(message)


def test_a_ping_is_no_message_and_its_loss_is_noticed_after_two() -> None:
    assert read(PING.encode()) == []
    assert 2 * PING_SECONDS < SILENCE_SECONDS < 3 * PING_SECONDS
