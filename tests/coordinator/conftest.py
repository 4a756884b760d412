"""A coordinator that listens: one of small vectors, one of large ones."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from builders import blob_vector
from serving import LongObjective, Served, serve
from world import World


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as served:
        yield served


@pytest.fixture
async def large(tmp_path: Path) -> AsyncIterator[Served]:
    """A coordinator of a run whose vectors are blobs of 32 KiB, from a fresh model that is not zeros."""
    async with serve(tmp_path, lambda _spec, _run: LongObjective(4096, blob_vector(4096, 2.0))) as served:
        served.coordinator.start()
        yield served


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    world.start_coordinator()
    yield world
    await world.close()
