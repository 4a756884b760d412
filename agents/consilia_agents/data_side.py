"""The data side of a hospital's shell: one piece of work at a time on its rows, each for the run that asked for it.

Whatever a source lets wait comes out as :class:`consilia.errors.SourceUnavailable`, so that it is told apart from a
coordinator that is away: the one makes a hospital decline with its reason, the other makes it try again.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from consilia.errors import SourceUnavailable, Unavailable
from consilia.protocol import Order, RunSettings, Task
from consilia.vectors import FloatArray
from consilia_agents.engine import Answer, Engine
from consilia_agents.looks import Looks

Result = TypeVar("Result")


class DataSide:
    """An engine, in a thread of its own, and what is known of its looks at the table."""

    def __init__(self, engine: Engine, looks: Looks | None = None) -> None:
        self._engine = engine
        self._looks = looks
        self._one_at_a_time = asyncio.Lock()

    @property
    def name(self) -> str:
        """See :class:`consilia_agents.engine.Engine`."""
        return self._engine.name

    @property
    def reading(self) -> float | None:
        """The share of the table that was read, while it is."""
        return self._looks.reading if self._looks is not None else None

    async def prepare(self, settings: RunSettings, federation: str, run: int | None) -> None:
        """Look at the table, if it must be looked at; raises what makes a hospital decline."""
        await self._in_turn(lambda: self._told(lambda: self._engine.prepare(settings)), federation, run)

    async def work(self, work: Callable[[], Result], order: Order) -> Result:
        """Do what an order asks, in a thread, and nothing else on the rows meanwhile. ``work`` calls :meth:`answer`."""
        return await self._in_turn(work, order.federation, order.run)

    def answer(
        self, task: Task, settings: RunSettings, parameters: FloatArray | None, scored: FloatArray | None
    ) -> Answer:
        """The engine's answer to an order. Blocking."""
        return self._told(lambda: self._engine.answer(task, settings, parameters, scored))

    async def _in_turn(self, work: Callable[[], Result], federation: str, run: int | None) -> Result:
        async with self._one_at_a_time:
            if self._looks is not None:
                self._looks.enter(federation, run)
            return await asyncio.to_thread(work)

    @staticmethod
    def _told(work: Callable[[], Result]) -> Result:
        try:
            return work()
        except Unavailable as error:
            if type(error) is not Unavailable:
                raise
            raise SourceUnavailable(str(error)) from error
