"""Tasks that go on whatever happens in them: a fault is logged with its traceback, counted, and tried again later."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from consilia.backoff import delays
from consilia_operator.counts import Counts

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


async def persist(what: str, work: Callable[[], Awaitable[None]], counts: Counts) -> None:
    """Do ``work`` until it ends by itself or is cancelled; ``what`` names it in the log."""
    pauses = delays(FIRST_PAUSE, LONGEST_PAUSE)
    while True:
        try:
            await work()
        except Exception:  # whatever it is, it is one federation's: the others go on
            logger.exception("%s: an error of the operator itself; it is tried again", what)
            counts.add("faults")
        else:
            return
        await asyncio.sleep(next(pauses))
