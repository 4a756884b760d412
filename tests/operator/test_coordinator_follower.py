"""The line to a coordinator: opened when its pod is Ready, opened again, and what is wished is said until taken."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consilia.errors import Refusal, Unavailable
from consilia.server_sent import Message
from consilia.spec import FederationSpec
from consilia.status import FederationStatus, LedgerWitness
from consilia_operator.follower import Follower, Witnesses
from deadline import until

SPEC = FederationSpec.model_construct(rounds=3)


class Coordinator:
    """One coordinator's end of the line."""

    def __init__(self) -> None:
        self.connections: list[int] = []
        self.wishes: list[int] = []
        self.witnesses: Witnesses = {}
        self.refusals: list[Exception] = []
        self.stream: asyncio.Queue[Message | None] = asyncio.Queue()

    async def desire(self, run: int, spec: FederationSpec, witnesses: Witnesses) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.wishes.append(run)
        self.witnesses = witnesses

    async def events(self, after: int) -> AsyncIterator[Message]:
        self.connections.append(after)
        while (message := await self.stream.get()) is not None:
            yield message

    def says(self, status: FederationStatus) -> None:
        self.stream.put_nowait(Message("status", status.model_dump_json(by_alias=True, exclude_none=True)))

    def tells(self, sequence: int, reason: str) -> None:
        told = {"type": "Normal", "reason": reason, "message": "so it is"}
        self.stream.put_nowait(Message("event", json.dumps(told), str(sequence)))


class Listener:
    """A follower, and what came of what it heard."""

    def __init__(self, patience: float = 10.0) -> None:
        self.coordinator = Coordinator()
        self.told: list[tuple[str, str, str]] = []
        self.heard = 0
        self.run = 1
        self.witnesses: Witnesses = {}
        self.follower = Follower(
            lambda: self.coordinator,
            lambda: (self.run, SPEC, self.witnesses),
            self._heard,
            self._tell,
            patience,
        )

    def _heard(self) -> None:
        self.heard += 1

    async def _tell(self, kind: str, reason: str, message: str) -> None:
        self.told.append((kind, reason, message))

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        running = asyncio.create_task(self.follower.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_coordinator_that_is_not_ready_is_not_asked() -> None:
    listener = Listener()
    async with listener.following():
        listener.follower.ready(False)
        listener.follower.wished()
        for _ in range(50):
            await asyncio.sleep(0)
        assert listener.coordinator.connections == []
        listener.follower.ready(True)
        await until(lambda: listener.coordinator.connections == [0])
        await until(lambda: listener.coordinator.wishes == [1])


async def test_a_coordinator_that_is_not_ready_for_long_is_said_to_be_silent_and_not_asked() -> None:
    listener = Listener(patience=0.0)
    async with listener.following():
        await until(lambda: listener.follower.problem == "the coordinator's pod is not ready")
        assert (listener.coordinator.connections, listener.heard) == ([], 1)


async def test_what_is_said_is_known_and_events_are_told_with_their_sequence() -> None:
    listener = Listener()
    listener.follower.told = 4
    async with listener.following():
        listener.follower.ready(True)
        listener.coordinator.says(FederationStatus(phase="Training", round=2))
        listener.coordinator.tells(5, "QuorumReached")
        await until(lambda: listener.follower.told == 5)
    assert listener.coordinator.connections == [4]
    assert listener.follower.said is not None
    assert (listener.follower.said.round, listener.follower.problem) == (2, None)
    assert listener.told == [("Normal", "QuorumReached", "so it is")]


async def test_after_a_break_it_goes_on_after_what_was_told_and_says_again_what_is_wished() -> None:
    listener = Listener()
    async with listener.following():
        listener.follower.ready(True)
        await until(lambda: listener.coordinator.wishes == [1])
        listener.coordinator.tells(7, "Started")
        listener.coordinator.stream.put_nowait(None)
        await until(lambda: listener.coordinator.connections == [0, 7])
        await until(lambda: listener.coordinator.wishes == [1, 1])
        assert listener.follower.problem == "the coordinator closed the connection"
        assert listener.heard == 1
        listener.coordinator.says(FederationStatus())
        await until(lambda: listener.follower.problem is None)


async def test_with_a_wish_goes_what_was_seen_of_ledgers() -> None:
    listener = Listener()
    listener.witnesses = {"north": LedgerWitness(sequence=3, head="3" * 64)}
    async with listener.following():
        listener.follower.ready(True)
        await until(lambda: listener.coordinator.wishes == [1])
    assert listener.coordinator.witnesses == listener.witnesses


async def test_a_wish_that_changes_is_said_and_one_that_is_not_answered_said_again() -> None:
    listener = Listener()
    async with listener.following():
        listener.follower.ready(True)
        await until(lambda: listener.coordinator.wishes == [1])
        listener.coordinator.refusals = [Unavailable("no answer")]
        listener.run = 2
        listener.follower.wished()
        await until(lambda: listener.coordinator.wishes == [1, 2])


async def test_a_refusal_is_told_once_for_as_long_as_it_is_the_same() -> None:
    listener = Listener()
    listener.coordinator.refusals = [Refusal("no"), Refusal("no"), Refusal("never")]
    async with listener.following():
        listener.follower.ready(True)
        for left in (2, 1, 0):
            await until(lambda left=left: len(listener.coordinator.refusals) == left)  # type: ignore[misc]
            listener.follower.wished()
        await until(lambda: listener.coordinator.wishes)
    assert [message for _, _, message in listener.told] == ["no", "never"]


async def test_a_status_of_another_version_is_no_fault() -> None:
    listener = Listener()
    async with listener.following():
        listener.follower.ready(True)
        listener.coordinator.stream.put_nowait(Message("status", '{"phase": "Dreaming"}'))
        await until(lambda: listener.follower.problem is not None)
        assert "upgrade" in str(listener.follower.problem)
        await until(lambda: len(listener.coordinator.connections) == 2)
