"""What the operator does in a cluster, for the one federation here: push the wish, follow the facts.

Level-triggered: whatever is wished now is pushed until the coordinator has taken it, and again after every connection
that was lost, so that neither side needs to remember what the other has heard.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from consilia.backoff import delays
from consilia.errors import Unavailable
from consilia.server_sent import Message
from consilia.status import EventRecord, FederationStatus, RoundRecord
from consilia_local.coordinator_client import CoordinatorClient, RunRefused
from consilia_local.held_federation import HeldFederation

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5  # seconds between attempts to reach the coordinator

Record = RoundRecord | EventRecord


class Operation:
    """Keeps one coordinator and the held Federation in step.

    ``hear`` is called once with each round and event since ``since``; ``refused`` with a sentence where the
    coordinator will not run what is wished.
    """

    def __init__(
        self,
        held: HeldFederation,
        client: CoordinatorClient,
        hear: Callable[[Record], None],
        refused: Callable[[str], None],
        since: datetime,
    ) -> None:
        self._held = held
        self._client = client
        self._hear = hear
        self._refused = refused
        self._since = since
        self._lost = 0
        self._heard: set[tuple[int, int]] = set()
        self._batch: list[Record] = []

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._push())
            tasks.create_task(self._follow())

    async def _push(self) -> None:
        held, pushed = self._held, None
        while True:
            wished = (held.desired_run, held.spec, self._lost)
            if wished == pushed:
                async with held.changed:
                    await held.changed.wait_for(
                        lambda: (held.desired_run, held.spec, self._lost) != pushed  # noqa: B023 - awaited here
                    )
                continue
            if await self._put(wished[0]):
                pushed = wished

    async def _put(self, run: int) -> bool:
        pauses = delays(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                await self._client.put_run(run, self._held.spec)
            except Unavailable:
                await asyncio.sleep(next(pauses))
                if run != self._held.desired_run:
                    return False
            except RunRefused as refusal:
                self._refused(str(refusal))
                return True
            else:
                return True

    async def _follow(self) -> None:
        last, pauses, connected = "0", delays(FIRST_PAUSE, LONGEST_PAUSE), False
        while True:
            try:
                async for published in self._client.events(last):
                    connected = True
                    last = published.id
                    await self._take(published)
            except Unavailable:
                pass
            if connected:
                pauses, connected = delays(FIRST_PAUSE, LONGEST_PAUSE), False
                self._lost += 1
                await self._held.nudge()
            await asyncio.sleep(next(pauses))

    async def _take(self, published: Message) -> None:
        if published.event == "round":
            record = RoundRecord.model_validate_json(published.data)
            # A round is published again when its hospitals' scores are in.
            if (record.run, record.round) not in self._heard and self._is_new(record.at):
                self._heard.add((record.run, record.round))
                self._batch.append(record)
        elif published.event == "event":
            event = EventRecord.model_validate_json(published.data)
            if self._is_new(event.at):
                self._batch.append(event)
        elif published.event == "status":
            self._hear_batch()
            await self._held.observe(FederationStatus.model_validate_json(published.data))

    def _hear_batch(self) -> None:
        """A status ends a batch. Within it a round stands where it was last published: put it where it happened."""
        batch, self._batch = self._batch, []
        for record in sorted(batch, key=lambda record: record.at):
            self._hear(record)

    def _is_new(self, at: str) -> bool:
        return datetime.fromisoformat(at) >= self._since
