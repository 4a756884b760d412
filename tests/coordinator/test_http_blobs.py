"""Vectors that are too large for a message, by the HTTP API: sent, resumed, read in parts, refused."""

import base64
import hashlib

import numpy as np
import pytest

from builders import blob_vector
from consilia.protocol import to_bytes
from consilia_coordinator.answers import ModelAnswer
from serving import Served, sentence_of

RAW = to_bytes(blob_vector(4096))
SHA = hashlib.sha256(RAW).hexdigest()
MODEL = to_bytes(blob_vector(4096, 2.0))
"""The fresh global model of the fixture ``large``."""
MODEL_SHA = hashlib.sha256(MODEL).hexdigest()


async def send(served: Served, data: bytes, offset: object = 0, sha: str = SHA) -> tuple[int, str]:
    headers = served.ticket_headers | {"Upload-Offset": str(offset)}
    async with served.session.put(f"{served.url}/v1/blobs/{sha}", data=data, headers=headers) as answer:
        return answer.status, await sentence_of(answer) if answer.status >= 400 else ""


async def head(served: Served) -> tuple[int, int]:
    async with served.session.head(f"{served.url}/v1/blobs/{SHA}", headers=served.ticket_headers) as answer:
        return answer.status, int(answer.headers["Upload-Offset"])


async def get(served: Served, sha: str, hospital: str = "north", **more: str) -> tuple[int, bytes | str]:
    """The status, with the bytes or the sentence of the error."""
    headers = {"Authorization": f"Bearer {served.coordinator.ticket(hospital)}"} | more
    async with served.session.get(f"{served.url}/v1/blobs/{sha}", headers=headers) as answer:
        return answer.status, await sentence_of(answer) if answer.status >= 400 else await answer.read()


async def test_a_blob_is_there_as_it_was_sent(large: Served) -> None:
    assert await head(large) == (404, 0)
    assert await send(large, RAW) == (201, "")
    assert (await head(large))[0] == 200
    assert large.coordinator.blobs.path(SHA).read_bytes() == RAW


@pytest.mark.parametrize("hospital", ["north", "south"])
async def test_every_hospital_gets_the_global_model_as_the_coordinator_has_it(large: Served, hospital: str) -> None:
    assert await get(large, MODEL_SHA, hospital) == (200, MODEL)


@pytest.mark.parametrize("reader", [pytest.param("south", id="another hospital"), pytest.param("north", id="itself")])
async def test_what_a_hospital_sent_is_read_by_none(large: Served, reader: str) -> None:
    assert await send(large, RAW) == (201, "")
    assert await get(large, SHA, reader) == (404, f"blob {SHA[:12]}… is not the current global model")


async def test_a_committed_round_makes_its_model_the_one_that_hospitals_get(large: Served) -> None:
    assert (await get(large, MODEL_SHA))[0] == 200
    large.coordinator.answer("north", 1.0)
    large.coordinator.answer("south", 3.0)
    averaged = to_bytes(np.full(4096, 2.0))
    assert await get(large, hashlib.sha256(averaged).hexdigest()) == (200, averaged)
    assert (await get(large, MODEL_SHA))[0] == 404
    for sent in (1.0, 3.0):
        assert (await get(large, hashlib.sha256(to_bytes(np.full(4096, sent))).hexdigest()))[0] == 404


async def test_a_blob_that_is_there_is_not_taken_again(large: Served) -> None:
    await send(large, RAW)
    assert await send(large, b"something else") == (200, "")
    assert large.coordinator.blobs.verify(SHA)


async def test_a_part_of_a_blob_comes_by_range(large: Served) -> None:
    assert await get(large, MODEL_SHA, Range="bytes=32000-") == (206, MODEL[32000:])


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


NO_DIGEST = ["abc", "A" * 64, "..%2F..%2Fjournal"]


@pytest.mark.parametrize("sha", NO_DIGEST)
async def test_nothing_is_sent_under_a_name_that_is_no_digest(large: Served, sha: str) -> None:
    status, message = await send(large, RAW, sha=sha)
    assert status == 422
    assert "is no SHA-256 in hexadecimal" in message


@pytest.mark.parametrize("sha", [*NO_DIGEST, SHA])
async def test_what_is_not_the_global_model_is_404(large: Served, sha: str) -> None:
    status, message = await get(large, sha)
    assert status == 404
    assert str(message).endswith("… is not the current global model")


async def test_before_any_run_no_blob_is_taken(served: Served) -> None:
    assert await send(served, b"x") == (422, "no run has been asked for yet")


async def test_whoever_reads_the_model_gets_it_whole_though_it_is_a_blob(large: Served) -> None:
    large.coordinator.commit_round()
    async with large.session.get(f"{large.url}/v1/model", headers=large.headers("viewer")) as answer:
        assert answer.status == 200
        model = ModelAnswer.model_validate(await answer.json())
    newest = large.coordinator.journal.history.current.released
    assert hashlib.sha256(base64.b64decode(model.parameters)).hexdigest() == newest.sha256
