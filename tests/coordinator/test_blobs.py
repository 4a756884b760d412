"""Blobs on disk: visible only when whole, resumed after a break, one sender at a time, and nothing damaged is kept."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from builders import blob_vector
from consilia.errors import InvalidMessage
from consilia.protocol import pack, to_bytes
from consilia_coordinator.blobs import READ_BYTES, BlobStore

VECTOR = blob_vector(4096)
RAW = to_bytes(VECTOR)
SHA = hashlib.sha256(RAW).hexdigest()
LIMIT = len(RAW)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def broken(part: bytes) -> AsyncIterator[bytes]:
    """A connection that breaks after ``part``."""
    yield part
    raise ConnectionResetError


def values(store: BlobStore, sha256: str = SHA) -> list[float]:
    return np.concatenate([part.copy() for part in store.reader(sha256)()]).tolist()


async def test_a_blob_is_visible_when_it_is_whole_and_not_before(store: BlobStore) -> None:
    assert not store.has(SHA)
    assert not await store.receive(SHA, 0, pieces(RAW[:100]), LIMIT)
    assert not store.has(SHA)
    assert await store.receive(SHA, 100, pieces(RAW[100:5000], RAW[5000:]), LIMIT)
    assert store.has(SHA)
    assert values(store) == VECTOR.tolist()


async def test_after_a_break_it_goes_on_from_what_came(store: BlobStore) -> None:
    with pytest.raises(ConnectionResetError):
        await store.receive(SHA, 0, broken(RAW[:1000]), LIMIT)
    assert store.received(SHA) == 1000
    assert await store.receive(SHA, 1000, pieces(RAW[1000:]), LIMIT)


async def test_a_part_outlives_the_process(store: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError):
        await store.receive(SHA, 0, broken(RAW[:1000]), LIMIT)
    assert await BlobStore(tmp_path / "blobs").receive(SHA, 1000, pieces(RAW[1000:]), LIMIT)


@pytest.mark.parametrize("offset", [1, 999, 1001, LIMIT])
async def test_an_offset_that_leaves_a_gap_or_overlaps_is_refused(store: BlobStore, offset: int) -> None:
    await store.receive(SHA, 0, pieces(RAW[:1000]), LIMIT)
    with pytest.raises(InvalidMessage, match=f"goes on at byte 1000, not at {offset}"):
        await store.receive(SHA, offset, pieces(RAW[offset:]), LIMIT)
    assert store.received(SHA) == 1000


async def test_a_sender_may_always_begin_anew(store: BlobStore) -> None:
    await store.receive(SHA, 0, pieces(bytes(LIMIT)), LIMIT)
    assert await store.receive(SHA, 0, pieces(RAW), LIMIT)
    assert store.verify(SHA)


async def test_one_byte_too_many_is_refused_and_all_of_it_forgotten(store: BlobStore) -> None:
    with pytest.raises(InvalidMessage, match=f"larger than the {LIMIT} bytes of this run's vectors"):
        await store.receive(SHA, 0, pieces(RAW, b"\0"), LIMIT)
    assert store.received(SHA) == 0
    assert not store.has(SHA)


async def test_other_bytes_of_the_right_length_never_become_the_blob(store: BlobStore) -> None:
    assert not await store.receive(SHA, 0, pieces(bytes(LIMIT)), LIMIT)
    assert not store.has(SHA)


async def test_two_senders_at_once_never_mix_the_newer_one_finishes(store: BlobStore) -> None:
    may_go_on, has_begun = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield RAW[:1000]
        has_begun.set()
        await may_go_on.wait()
        yield RAW[1000:]

    older = asyncio.ensure_future(store.receive(SHA, 0, slow(), LIMIT))
    await has_begun.wait()
    assert await store.receive(SHA, 1000, pieces(RAW[1000:]), LIMIT)
    may_go_on.set()
    with pytest.raises(InvalidMessage, match="is being sent over a newer connection"):
        await older
    assert store.verify(SHA)


async def test_two_senders_that_both_start_from_the_beginning_never_mix(store: BlobStore) -> None:
    async def by_turns() -> AsyncIterator[bytes]:
        for start in range(0, LIMIT, 512):
            yield RAW[start : start + 512]
            await asyncio.sleep(0)

    senders = [store.receive(SHA, 0, by_turns(), LIMIT) for _ in range(2)]
    older, newer = await asyncio.gather(*senders, return_exceptions=True)
    assert isinstance(older, InvalidMessage)
    assert newer is True
    assert store.verify(SHA)


async def test_what_is_thrown_away_while_it_comes_is_not_whole(store: BlobStore) -> None:
    async def thrown_away() -> AsyncIterator[bytes]:
        yield RAW
        store.keep_only(set())

    assert not await store.receive(SHA, 0, thrown_away(), LIMIT)
    assert not store.has(SHA)


@pytest.mark.parametrize("name", ["", "abc", "A" * 64, "../" + "a" * 61, "g" * 64, "a" * 65, "a" * 64 + "\n"])
def test_a_name_that_is_no_digest_is_refused(store: BlobStore, name: str) -> None:
    with pytest.raises(InvalidMessage, match="is no SHA-256 in hexadecimal"):
        store.path(name)


def test_a_vector_that_is_put_reads_back_bit_by_bit(store: BlobStore) -> None:
    vector = np.random.default_rng(1).standard_normal(READ_BYTES // 8 * 2 + 7)
    reference = store.put(vector)
    assert reference == pack(vector)
    assert values(store, reference.sha256) == vector.tolist()


def test_a_reader_starts_afresh_at_every_call(store: BlobStore) -> None:
    store.put(VECTOR)
    read = store.reader(SHA)
    assert [next(iter(read()))[0] for _ in range(2)] == [VECTOR[0]] * 2


@pytest.mark.parametrize(
    "damage",
    [pytest.param(RAW[:-8], id="torn"), pytest.param(bytes(LIMIT), id="zeros"), pytest.param(b"", id="empty")],
)
def test_a_blob_that_a_crash_damaged_is_found_out_and_removed(store: BlobStore, damage: bytes) -> None:
    store.put(VECTOR)
    assert store.verify(SHA)
    store.path(SHA).write_bytes(damage)
    assert not store.verify(SHA)
    assert not store.has(SHA)


async def test_only_what_is_still_needed_is_kept(store: BlobStore, tmp_path: Path) -> None:
    needed, old = store.put(VECTOR), store.put(2 * VECTOR)
    await store.receive("0" * 64, 0, pieces(b"half"), LIMIT)
    store.keep_only({needed.sha256})
    assert [path.name for path in (tmp_path / "blobs").iterdir()] == [needed.sha256]
    assert not store.has(old.sha256)
