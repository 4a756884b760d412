"""The status is written when it differs, once, and again where somebody else wrote it: never for our own echo."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from consilia.errors import Unavailable
from consilia_operator.naming import Manifest
from consilia_operator.status_writer import StatusWriter
from deadline import until


class Object:
    """One object with a status, on a server that a test can stop and slow down."""

    def __init__(self) -> None:
        self.version = 1
        self.status: Manifest = {}
        self.writes: list[Manifest] = []
        self.errors: list[Exception] = []
        self.answer = asyncio.Event()
        self.answer.set()

    def seen(self) -> Manifest:
        return {"metadata": {"resourceVersion": str(self.version)}, "status": dict(self.status)}

    def somebody_writes(self, **status: Any) -> Manifest:
        self.version += 1
        self.status = status
        return self.seen()

    async def write(self, status: Manifest, version: int) -> Manifest:
        assert version <= self.version
        if self.errors:
            raise self.errors.pop(0)
        self.writes.append(status)
        patched = {k: v for k, v in (self.status | status).items() if v is not None}
        if patched != self.status:
            self.somebody_writes(**patched)
        answer = self.seen()
        await self.answer.wait()
        return answer


@asynccontextmanager
async def writing(held: Object) -> AsyncIterator[StatusWriter]:
    writer = StatusWriter("n/f", held.write, pause=0.0)
    writer.saw(held.seen())
    running = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_differs_is_written_and_what_goes_is_null() -> None:
    held = Object()
    held.status = {"phase": "Idle", "message": "old"}
    async with writing(held) as writer:
        writer.want({"phase": "Training", "message": None})
        await until(lambda: held.status == {"phase": "Training"})
        assert writer.latest == {"phase": "Training"}


async def test_what_is_there_already_is_not_written_by_the_next_process() -> None:
    held = Object()
    held.status = {"phase": "Idle"}
    async with writing(held) as writer:
        writer.want({"phase": "Idle", "message": None})
        writer.want({"phase": "Training"})
        await until(lambda: held.status == {"phase": "Training"})
    assert held.writes == [{"phase": "Training"}]


async def test_its_own_write_that_comes_back_leads_to_nothing() -> None:
    held = Object()
    async with writing(held) as writer:
        writer.want({"phase": "Idle"})
        await until(lambda: held.writes)
        await until(lambda: writer.latest == held.status)
        writer.saw(held.seen())
        writer.want({"phase": "Training"})
        await until(lambda: len(held.writes) == 2)
    assert held.writes == [{"phase": "Idle"}, {"phase": "Training"}]


async def test_its_own_write_that_comes_back_before_its_answer_leads_to_nothing() -> None:
    held = Object()
    async with writing(held) as writer:
        held.answer.clear()
        writer.want({"phase": "Idle"})
        await until(lambda: held.writes)
        writer.saw(held.seen())
        held.answer.set()
        writer.want({"phase": "Training"})
        await until(lambda: len(held.writes) == 2)
    assert held.writes == [{"phase": "Idle"}, {"phase": "Training"}]


async def test_what_somebody_else_wrote_is_written_over_also_while_a_write_is_under_way() -> None:
    held = Object()
    async with writing(held) as writer:
        writer.want({"phase": "Idle"})
        await until(lambda: held.status == {"phase": "Idle"})
        await until(lambda: writer._version == held.version)
        writer.saw(held.somebody_writes(phase="Complete"))
        await until(lambda: held.status == {"phase": "Idle"})
        held.answer.clear()
        writer.want({"phase": "Training"})
        await until(lambda: held.status == {"phase": "Training"})
        writer.saw(held.somebody_writes(phase="Complete"))
        held.answer.set()
        await until(lambda: held.status == {"phase": "Training"})


async def test_an_edit_of_the_spec_is_no_reason_to_write_the_status() -> None:
    held = Object()
    async with writing(held) as writer:
        writer.want({"phase": "Idle"})
        await until(lambda: writer._version == held.version > 1)
        held.version += 1
        writer.saw(held.seen())
        writer.want({"phase": "Training"})
        await until(lambda: held.status == {"phase": "Training"})
    assert len(held.writes) == 2


async def test_a_server_that_keeps_other_than_was_written_is_not_written_to_for_ever() -> None:
    class Pruning(Object):
        def seen(self) -> Manifest:
            return {"metadata": {"resourceVersion": str(self.version)}, "status": {"phase": self.status.get("phase")}}

    held = Pruning()
    async with writing(held) as writer:
        writer.want({"phase": "Idle", "unknown": 1})
        await until(lambda: writer._version == held.version > 1)
        writer.saw(held.seen())
        writer.want({"phase": "Training", "unknown": 1})
        await until(lambda: len(held.writes) == 2)
    assert [each["phase"] for each in held.writes] == ["Idle", "Training"]


async def test_a_write_that_fails_is_tried_again_with_what_is_wanted_then() -> None:
    held = Object()
    held.errors = [Unavailable("no answer")]
    async with writing(held) as writer:
        writer.want({"phase": "Idle"})
        await until(lambda: not held.errors)
        writer.want({"phase": "Training"})
        await until(lambda: held.writes)
    assert held.writes == [{"phase": "Training"}]
