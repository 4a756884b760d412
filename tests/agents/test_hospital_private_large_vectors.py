"""A private hospital's vectors that are too large for a message: counted before they are uploaded."""

import ssl
from pathlib import Path

import numpy as np

from consilia.errors import Unavailable
from consilia.protocol import Order, RunSettings, Task, VectorRef
from consilia.vectors import FloatArray
from consilia_agents.blob_client import BlobClient
from consilia_agents.engine import Answer
from deadline import until
from disks import WatchedDisk
from private_hospital import Coordinator, order, playing, releases, vector_of


class LargeEngine:
    """Answers with a vector that is too large for a message: noise alone, which is new every time."""

    name = "sklearn"

    def prepare(self, settings: RunSettings) -> None:
        """There is nothing to read."""

    def answer(
        self, task: Task, settings: RunSettings, parameters: FloatArray | None, scored: FloatArray | None
    ) -> Answer:
        return Answer(None, np.random.default_rng().normal(size=5000))


class WatchedBlobs(BlobClient):
    """Uploads nothing; looks at the ledger, and at the file, when it should."""

    def __init__(self, folder: Path, disk: WatchedDisk) -> None:
        super().__init__("https://localhost:1", ssl.create_default_context(), folder / "blobs", disk=disk)
        self._of = folder
        self._calls = disk.calls
        self.uploaded: list[str] = []
        self.fail = False
        self.failed = 0

    async def upload(self, reference: VectorRef, ticket: str) -> None:
        assert releases(self._of)[-1].message == reference.sha256, "a vector left that nobody counts"
        assert ("sync", f"{reference.sha256}.blob.part") in self._calls
        assert [call for call, name in self._calls if name == "ledger.jsonl"][-1] == "sync"
        if self.fail:
            self.failed += 1
            raise Unavailable("the coordinator does not answer")
        self.uploaded.append(reference.sha256)


async def test_a_large_vector_is_on_the_disk_and_counted_before_it_is_uploaded(tmp_path: Path) -> None:
    disk = WatchedDisk()
    blobs = WatchedBlobs(tmp_path, disk)
    asked = order("train", 1, ticket="ticket")
    async with playing(tmp_path, LargeEngine(), disk, blobs=blobs) as coordinator:
        await coordinator.welcome()
        first = await coordinator.update(asked)
        assert await coordinator.update(asked) == first
    assert blobs.uploaded == [vector_of(first).sha256] * 2
    assert len(releases(tmp_path)) == 1
    kept = tmp_path / "blobs" / f"{vector_of(first).sha256}.blob"
    kept.unlink()
    async with playing(tmp_path, LargeEngine(), disk, blobs=blobs) as coordinator:
        await coordinator.welcome()
        assert vector_of(await coordinator.update(asked)).sha256 != vector_of(first).sha256
    assert len(releases(tmp_path)) == 2, "what cannot be sent again is a new release"


async def test_a_large_vector_that_could_not_be_uploaded_is_uploaded_later_for_nothing(tmp_path: Path) -> None:
    disk = WatchedDisk()
    blobs = WatchedBlobs(tmp_path, disk)
    blobs.fail = True
    asked = order("train", 1, ticket="ticket")
    async with playing(tmp_path, LargeEngine(), disk, blobs=blobs) as coordinator:
        await coordinator.welcome()
        await coordinator.tell(asked)
        await until(lambda: blobs.failed)
        blobs.fail = False
        await until(lambda: again(coordinator, asked), pause=0.01)
    assert len(releases(tmp_path)) == len(blobs.uploaded) == 1


async def again(coordinator: Coordinator, asked: Order) -> bool:
    """As the coordinator does at every sign of life, until there is an answer."""
    if not coordinator.answers():
        await coordinator.tell(asked)
    return bool(coordinator.answers())
