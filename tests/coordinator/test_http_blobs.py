"""Vectors that are too large for a message, by the HTTP API: sent, resumed, read in parts, refused."""

import hashlib

import pytest

from builders import blob_vector
from consilia.protocol import to_bytes
from serving import Served, sentence_of

RAW = to_bytes(blob_vector(4096))
SHA = hashlib.sha256(RAW).hexdigest()


async def send(served: Served, data: bytes, offset: object = 0, sha: str = SHA) -> tuple[int, str]:
    headers = served.ticket_headers | {"Upload-Offset": str(offset)}
    async with served.session.put(f"{served.url}/v1/blobs/{sha}", data=data, headers=headers) as answer:
        return answer.status, await sentence_of(answer) if answer.status >= 400 else ""


async def head(served: Served) -> tuple[int, int]:
    async with served.session.head(f"{served.url}/v1/blobs/{SHA}", headers=served.ticket_headers) as answer:
        return answer.status, int(answer.headers["Upload-Offset"])


async def test_a_blob_comes_back_as_it_was_sent(large: Served) -> None:
    assert await head(large) == (404, 0)
    assert await send(large, RAW) == (201, "")
    assert (await head(large))[0] == 200
    async with large.session.get(f"{large.url}/v1/blobs/{SHA}", headers=large.ticket_headers) as answer:
        assert await answer.read() == RAW


async def test_a_blob_that_is_there_is_not_taken_again(large: Served) -> None:
    await send(large, RAW)
    assert await send(large, b"something else") == (200, "")
    assert large.coordinator.blobs.verify(SHA)


async def test_a_part_of_a_blob_comes_by_range(large: Served) -> None:
    await send(large, RAW)
    headers = large.ticket_headers | {"Range": "bytes=32000-"}
    async with large.session.get(f"{large.url}/v1/blobs/{SHA}", headers=headers) as answer:
        assert answer.status == 206
        assert await answer.read() == RAW[32000:]


async def test_an_upload_goes_on_where_it_ended(large: Served) -> None:
    status, message = await send(large, RAW[:10_000])
    assert (status, await head(large)) == (422, (404, 10_000))
    assert "is not whole" in message
    assert await send(large, RAW[10_000:], 10_000) == (201, "")


@pytest.mark.parametrize(
    ("offset", "status", "sentence"),
    [
        pytest.param(5, 422, "goes on at byte 0, not at 5", id="beyond what is there"),
        pytest.param(-5, 400, 'Upload-Offset is "-5"; it must be a whole number', id="negative"),
        pytest.param("half", 400, 'Upload-Offset is "half"', id="a word"),
    ],
)
async def test_an_offset_that_is_none_is_refused(large: Served, offset: object, status: int, sentence: str) -> None:
    answered = await send(large, RAW, offset)
    assert answered[0] == status
    assert sentence in answered[1]


async def test_more_bytes_than_a_vector_of_the_run_are_refused_and_forgotten(large: Served) -> None:
    status, message = await send(large, RAW + b"\0")
    assert status == 422
    assert f"is larger than the {len(RAW)} bytes of this run's vectors" in message
    assert await head(large) == (404, 0)


async def test_other_bytes_than_the_digest_promises_never_become_the_blob(large: Served) -> None:
    status, message = await send(large, bytes(len(RAW)))
    assert status == 422
    assert "has another digest" in message
    assert await head(large) == (404, len(RAW))
    assert await send(large, RAW) == (201, "")


@pytest.mark.parametrize("sha", ["abc", "A" * 64, "..%2F..%2Fjournal"])
async def test_a_name_that_is_no_digest_is_refused(large: Served, sha: str) -> None:
    async with large.session.get(f"{large.url}/v1/blobs/{sha}", headers=large.ticket_headers) as answer:
        assert answer.status == 422
        assert "is no SHA-256 in hexadecimal" in await sentence_of(answer)


async def test_a_blob_that_is_not_here_is_404(large: Served) -> None:
    async with large.session.get(f"{large.url}/v1/blobs/{SHA}", headers=large.ticket_headers) as answer:
        assert answer.status == 404
        assert await sentence_of(answer) == f"blob {SHA[:12]}… is not here"


async def test_before_any_run_no_blob_is_taken(served: Served) -> None:
    assert await send(served, b"x") == (422, "no run has been asked for yet")


async def test_a_model_that_is_a_blob_is_not_given_by_the_call_for_small_ones(large: Served) -> None:
    large.coordinator.commit_round()
    async with large.session.get(f"{large.url}/v1/model", headers=large.headers("viewer")) as answer:
        assert answer.status == 409
        assert "fetch its blob" in await sentence_of(answer)
