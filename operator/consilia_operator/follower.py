"""The operator's line to one coordinator: what is wished goes out, its stream of status and events comes in.

It connects when the watch shows the coordinator's pod Ready, and not before: one that is not there costs nothing.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from pydantic import ValidationError

from consilia.backoff import delays
from consilia.errors import ConsiliaError, Refusal, Unavailable
from consilia.server_sent import Message
from consilia.spec import FederationSpec
from consilia.status import FederationStatus, LedgerWitness

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
PATIENCE_SECONDS = 10.0


Witnesses = dict[str, LedgerWitness]
"""What was last seen of hospitals' ledgers, by hospital."""


class Link(Protocol):
    """What :class:`consilia_operator.coordinator_link.CoordinatorLink` does."""

    async def desire(self, run: int, spec: FederationSpec, witnesses: Witnesses) -> None:
        """Say what is wished."""
        ...

    def events(self, after: int) -> AsyncIterator[Message]:
        """What happens from ``after`` on."""
        ...


Tell = Callable[[str, str, str], Awaitable[None]]
Wish = tuple[int, FederationSpec, Witnesses]


class Follower:
    """What one coordinator says. ``problem`` is why it does not, while it does not."""

    def __init__(
        self,
        link: Callable[[], Link],
        wish: Callable[[], Wish],
        heard: Callable[[], None],
        tell: Tell,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """``heard`` is called when something that is said here changed; ``tell`` writes an Event.

        A pod that is not Ready for ``patience`` is a problem: before, it starts, or the watch has not told of it yet.
        """
        self._patience = patience
        self._link = link
        self._wish = wish
        self._heard = heard
        self._tell = tell
        self._ready = asyncio.Event()
        self._wished = asyncio.Event()
        self.said: FederationStatus | None = None
        self.problem: str | None = None
        self.told = 0

    def ready(self, ready: bool) -> None:
        """Whether the coordinator's pod is Ready."""
        if ready:
            self._ready.set()
        else:
            self._ready.clear()

    def wished(self) -> None:
        """Something else may be wished."""
        self._wished.set()

    async def run(self) -> None:
        """Stay on the stream until cancelled; say what is wished whenever it changes, and after every break."""
        pauses = delays(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            await self._until_ready()
            try:
                async with self._wishing(link := self._link()):
                    async for message in link.events(self.told):
                        pauses = delays(FIRST_PAUSE, LONGEST_PAUSE)
                        await self._hear(message)
                raise Unavailable("the coordinator closed the connection")
            except ConsiliaError as error:
                self._silent(str(error))
            await asyncio.sleep(next(pauses))

    async def _until_ready(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._ready.wait()
        if not self._ready.is_set() and self.problem is None:
            self._silent("the coordinator's pod is not ready")
        await self._ready.wait()

    @contextlib.asynccontextmanager
    async def _wishing(self, link: Link) -> AsyncIterator[None]:
        """Meanwhile say what is wished; a fault of that is the stream's, once it ends."""
        task = asyncio.create_task(self._keep_wishing(link))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _silent(self, problem: str) -> None:
        if self.problem != problem:
            self.problem = problem
            self._heard()

    async def _keep_wishing(self, link: Link) -> None:
        """Put the desired run, again after every change, until it is taken."""
        pauses = delays(FIRST_PAUSE, LONGEST_PAUSE)
        refused: str | None = None
        self._wished.set()
        while True:
            await self._wished.wait()
            self._wished.clear()
            try:
                await link.desire(*self._wish())
                pauses, refused = delays(FIRST_PAUSE, LONGEST_PAUSE), None
            except Refusal as error:
                if refused != str(error):
                    refused = str(error)
                    await self._tell("Warning", "SpecRefused", refused)
            except Unavailable:
                # Again after the pause, and not at once when something else is wished meanwhile.
                self._wished.set()
                await asyncio.sleep(next(pauses))

    async def _hear(self, message: Message) -> None:
        if message.event == "status":
            try:
                self.said = FederationStatus.model_validate_json(message.data)
            except ValidationError as error:
                raise Unavailable(
                    "the coordinator says what this operator does not know: upgrade the older one"
                ) from error
            self.problem = None
            self._heard()
        elif message.event == "event":
            told = json.loads(message.data)
            await self._tell(told["type"], told["reason"], told["message"])
            self.told = max(self.told, int(message.id or 0))
