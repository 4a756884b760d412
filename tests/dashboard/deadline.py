"""Waiting for an event, with a deadline."""

import time
from collections.abc import Callable
from typing import Any


def eventually(condition: Callable[[], Any], within: float = 10.0) -> Any:
    """The first true value of ``condition``; fails after ``within`` seconds."""
    end = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {within} s"
        time.sleep(0.01)
    return value
