"""Waiting for an event, with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any


def eventually(
    condition: Callable[[], Any], within: float = 10.0, what: Callable[[], str] = str, pause: float = 0.01
) -> Any:
    """The first true value of ``condition``; fails after ``within`` seconds, with what ``what`` tells then."""
    end = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {within:g} s: {what()}"
        time.sleep(pause)
    return value


async def until(condition: Callable[[], Any], within: float = 10.0, pause: float = 0.0) -> Any:
    """The same in an event loop, which turns meanwhile; the condition may be a coroutine's. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while True:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(pause)
